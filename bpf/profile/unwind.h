/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * User stacks, frame by frame: by the file's unwind table, and by frame pointers where there is none (code
 * made at run time, files whose table is not there yet). Only what is needed to find the caller is followed:
 * program counter, stack pointer, frame pointer. Every frame is checked to be in executable memory before it
 * counts.
 *
 * test/replay compiles this for the host, with all that it includes, and runs it over recorded stacks.
 */
#pragma once

#include "area.h"
#include "jvms.h"
#include "stack.h"
#include "tables.h"

#define SW_ADDRESS_BITS ((1ull << SW_TAG_SHIFT) - 1)

struct sw_place {
  struct sw_area area;
  struct sw_table table;
};

/* Room for struct sw_java_scratch. */
#define SW_JAVA_WORDS 20

/* A walk along one stack; in per-CPU memory, as it does not fit a program's stack. */
struct sw_walk {
  struct sw_stack stack;
  __u64 pc, sp, fp;
  __u64 lr;       /* arm64: the link register, while it is known; 0: no longer */
  __u64 bytecode; /* of an interpreted Java leaf, if it is one */
  __u64 mm;
  __u64 start; /* of the process, in ticks */
  __u32 base;  /* of the user part in stack.frame */
  __u32 words; /* so far */
  __u32 tgid;
  __u32 window;
  __u32 epoch;
  __u32 v8;     /* SW_RULE_V8_LAYOUT; 0: no V8 in here */
  __u8 exact;   /* pc is the very instruction, not a return address */
  __u8 first;   /* the leaf */
  __u8 guessed; /* went by frame pointers where a table may tell otherwise */
  __u8 unused;
  struct sw_place here;   /* that pc was in last */
  struct sw_place before; /* calls go to and fro: libraries call back */
  union sw_area_scratch scratch;
  __u64 java[SW_JAVA_WORDS]; /* a step through Java code, see hotspot.h */
};

#define SW_V8_UNASKED 0xffffffff

static __always_inline void sw_push(struct sw_walk *walk, __u64 word) {
  __u32 at = walk->base + walk->words;
  if (at < SW_MAX_FRAMES + SW_MAX_USER) walk->stack.frame[at] = word;
  walk->words++;
}

/* Reads the stack of the current task, or of another one (then `other` is set; sleepable programs only). */
static __always_inline bool sw_read(void *to, __u32 size, __u64 from, struct task_struct *other) {
  if (other) return !bpf_copy_from_user_task(to, size, (void *)from, other, 0);
  return !bpf_probe_read_user(to, size, (void *)from);
}

static __always_inline int sw_stop(struct sw_walk *walk, enum sw_end end) {
  walk->stack.head.end = end;
  return 1;
}

#include "hotspot.h"
#include "python.h"
#include "v8.h"

/* The table of the file that walk->here is of; asks user space for it if there is none. */
static __noinline void sw_find_table(struct sw_walk *walk) {
  if (!walk) return;
  struct sw_file file = walk->here.area.file;
  struct sw_table *known = bpf_map_lookup_elem(&sw_files, &file);
  if (known) {
    if (known->used != walk->window) known->used = walk->window;
    walk->here.table = *known;
    return;
  }
  walk->here.table.state = SW_TABLE_WANTED;
  struct sw_wanted record = {
      .file = file,
      .start = walk->here.area.start,
      .end = walk->here.area.end,
      .offset = walk->here.area.offset,
      .tgid = walk->tgid,
  };
  sw_ask_for_table(&record, walk->window);
}

static __always_inline bool sw_within(const struct sw_area *area, __u64 place) {
  return place >= area->start && place < area->end;
}

/* Makes walk->here what `place` is in. Global for the verifier's sake, like sw_rule_at(). */
__noinline int sw_go_to(struct sw_walk *walk, __u64 place) {
  if (!walk) return 0;
  struct sw_place left = walk->here;
  if (sw_within(&walk->before.area, place)) {
    walk->here = walk->before;
    walk->before = left;
    return 0;
  }
  walk->before = left;
  walk->here.table.state = SW_TABLE_NONE;
  sw_find_area(walk->mm, place, &walk->here.area, &walk->scratch);
  bool file = walk->here.area.kind == SW_AREA_FILE || walk->here.area.kind == SW_AREA_VDSO;
  if (file && sw_unwinds) sw_find_table(walk);
  return 0;
}

/* The caller by frame pointers: {caller's frame pointer, return address} at the frame pointer. */
static __always_inline int sw_by_frame_pointer(struct sw_walk *walk, enum sw_end otherwise,
                                               struct task_struct *other) {
  if (otherwise == SW_END_NO_TABLE) walk->guessed = 1;
  if (!walk->fp) return sw_stop(walk, otherwise);
  __u64 record[2];
  if (walk->fp < walk->sp || (walk->fp & 7)) return sw_stop(walk, otherwise);
  if (!sw_read(record, sizeof(record), walk->fp, other)) return sw_stop(walk, otherwise);
  walk->sp = walk->fp + sizeof(record);
  walk->fp = record[0];
  walk->pc = record[1];
  return 0;
}

#if defined(__TARGET_ARCH_arm64)
/* siginfo (128 bytes), ucontext with its 176 bytes before the machine's part: fault address, x0 to x30, sp,
 * pc. */
#define SW_SIGNAL_FP (128 + 176 + 8 + 29 * 8)
#define SW_SIGNAL_SP (128 + 176 + 8 + 31 * 8)
#define SW_SIGNAL_PC (SW_SIGNAL_SP + 8)
#else
/* ucontext: 40 bytes, then the registers in the order of `struct sigcontext`. */
#define SW_SIGNAL_FP 120
#define SW_SIGNAL_SP 160
#define SW_SIGNAL_PC 168
#endif

/* What a signal interrupted. It was interrupted at the instruction that is shown. */
static __always_inline int sw_by_signal_frame(struct sw_walk *walk, struct task_struct *other) {
  __u64 at = walk->sp, fp, sp, pc;
  if (!sw_read(&fp, sizeof(fp), at + SW_SIGNAL_FP, other) ||
      !sw_read(&sp, sizeof(sp), at + SW_SIGNAL_SP, other) ||
      !sw_read(&pc, sizeof(pc), at + SW_SIGNAL_PC, other))
    return sw_stop(walk, SW_END_UNREADABLE);
  walk->fp = fp;
  walk->sp = sp;
  walk->pc = pc;
  walk->exact = 1;
  return 0;
}

/* Only one program at a time may use what is remembered of rules: not the iterator, which can be interrupted.
 */
static __always_inline __u32 sw_rule(struct sw_walk *walk, const struct sw_table *table, __u64 offset,
                                     struct task_struct *other) {
  if (other) return sw_rule_at(table->root, table->levels, offset);
  return sw_recent_rule_at(table->root, table->levels, offset, walk->epoch);
}

static __always_inline int sw_by_rule(struct sw_walk *walk, __u32 rule, struct task_struct *other) {
  __u64 frame; /* canonical frame address */
  switch (SW_RULE_KIND(rule)) {
    case SW_RULE_SP:
      frame = walk->sp + 8ll * SW_RULE_OFFSET(rule);
      break;
    case SW_RULE_FP:
      /* Zero marks the outermost frame (psABI). Go's runtime does so where it goes on on another stack. */
      if (!walk->fp) return sw_stop(walk, SW_END_ROOT);
      frame = walk->fp + 8ll * SW_RULE_OFFSET(rule);
      break;
    case SW_RULE_PLT:
      frame = walk->sp + ((walk->pc & 15) >= 11 ? 16 : 8);
      break;
    case SW_RULE_SP_READ:
    case SW_RULE_FP_READ: {
      __u64 from =
          (SW_RULE_KIND(rule) == SW_RULE_SP_READ ? walk->sp : walk->fp) + 8ll * SW_RULE_READ_OFFSET(rule);
      if (!sw_read(&frame, sizeof(frame), from, other)) return sw_stop(walk, SW_END_UNREADABLE);
      frame += 8ull * SW_RULE_READ_ADDEND(rule);
      break;
    }
    case SW_RULE_SIGNAL:
      return sw_by_signal_frame(walk, other);
    case SW_RULE_V8:
      sw_v8_builtin(walk, rule, other);
      return sw_by_frame_pointer(walk, SW_END_JIT, other);
    case SW_RULE_END:
      return sw_stop(walk, SW_END_ROOT);
    case SW_RULE_NONE: /* assembly, a runtime's own code: often with frame pointers, but nothing says so */
      return sw_by_frame_pointer(walk, SW_END_NO_TABLE, other);
    default:
      return sw_stop(walk, SW_END_UNSUPPORTED);
  }
#if defined(__TARGET_ARCH_arm64)
  __u32 slot = SW_RULE_FP_SLOT(rule) & 63, return_slot = SW_RULE_FP_SLOT(rule) >> 6;
#else
  __u32 slot = SW_RULE_FP_SLOT(rule), return_slot = 1;
#endif
  __u64 record[2];
  if (slot == 2 && return_slot == 1) { /* what compilers mostly make: one read */
    if (!sw_read(record, sizeof(record), frame - 16, other)) return sw_stop(walk, SW_END_UNREADABLE);
    walk->fp = record[0];
    walk->pc = record[1];
  } else {
    if (return_slot) {
      if (!sw_read(&record[1], sizeof(record[1]), frame - 8ull * return_slot, other))
        return sw_stop(walk, SW_END_UNREADABLE);
      walk->pc = record[1];
    } else if (walk->lr) {
      walk->pc = walk->lr;
    } else {
      return sw_stop(walk, SW_END_UNSUPPORTED);
    }
    if (slot) {
      __u64 saved = slot == SW_FP_SLOT_AT_FP ? walk->fp : frame - 8ull * slot;
      if (!sw_read(&record[0], sizeof(record[0]), saved, other)) return sw_stop(walk, SW_END_UNREADABLE);
      walk->fp = record[0];
    }
  }
  walk->lr = 0;
  walk->sp = frame;
  return 0;
}

/* Adds the frame at walk->pc and goes on to its caller. 1 when the stack has ended; walk->stack.head.end says
 * how. */
static __always_inline int sw_step(struct sw_walk *walk, struct task_struct *other) {
  __u64 pc = walk->pc;
  if (!pc) return sw_stop(walk, walk->first ? SW_END_UNMAPPED : SW_END_ROOT);
  /* A return address can be the first of the next function: what called is in front of it. */
  __u64 place = walk->exact ? pc : pc - 1;
  if (!sw_within(&walk->here.area, place)) sw_go_to(walk, place);
  struct sw_area *area = &walk->here.area;
  struct sw_table *table = &walk->here.table;
  bool code = area->kind != SW_AREA_NONE;
  if (!code && !walk->first) return sw_stop(walk, SW_END_UNMAPPED);
  if (walk->words >= SW_MAX_USER) return sw_stop(walk, SW_END_DEPTH);
  if (area->kind == SW_AREA_ANONYMOUS) {
    struct sw_jvm *jvm = sw_find_jvm(walk->tgid, walk->start);
    if (jvm && sw_is_java(jvm, place)) return sw_java_step(walk, jvm, other);
  }
  __u64 tag = walk->exact && !walk->first ? SW_TAG_EXACT : SW_TAG_ADDRESS;
  __u32 v8 = area->kind == SW_AREA_ANONYMOUS ? sw_v8_layout(walk) : 0;
  if (!v8 || !sw_push_function(walk, v8, pc, other))
    sw_push(walk, (pc & SW_ADDRESS_BITS) | tag << SW_TAG_SHIFT);
  if (!code) return sw_stop(walk, SW_END_UNMAPPED);

  walk->exact = 0; /* but for what a signal interrupted */
  int stop;
  if (table->state == SW_TABLE_READY) {
    __u64 offset = place - area->start + area->offset;
    stop = sw_by_rule(walk, sw_rule(walk, table, offset, other), other);
  } else if (area->kind == SW_AREA_ANONYMOUS) {
    stop = 0;
    if (v8 || !sw_by_python_trampoline(walk, other)) stop = sw_by_frame_pointer(walk, SW_END_JIT, other);
  } else {
    stop = sw_by_frame_pointer(walk, SW_END_NO_TABLE, other);
  }
  walk->first = 0;
  return stop;
}
