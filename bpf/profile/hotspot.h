/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One step from a frame of code that a HotSpot JVM generated to its caller's. Such code has no unwind tables;
 * each piece of it, a blob, has a header with the size of its frame, and what is done with the stack in
 * between is known. docs/java.md tells the shapes of frames.
 *
 * Nothing that is read can be trusted to be what it should: a step either finds what only a right frame has,
 * or fails.
 */
#pragma once

#include "method.h"

/* Steps back in the segment map: 254 segments of 128 bytes each, so a blob of 1 MB. */
#define SW_JVM_STEPS 32
/* Words above the stack pointer among which a stub's return address is looked for. */
#define SW_JVM_SEARCH 24
/* Words that C1 may have pushed on top of a frame for a call of its runtime. */
#define SW_JVM_PUSHED 4
/* A frame pointer is at most this far above the stack pointer. */
#define SW_JVM_MAX_FRAME (1 << 16)

#define SW_JVM_NO_COMPILE_ID 0xffffffffull
/* The first eight bytes of names of blobs. */
#define SW_JVM_NMETHOD 0x00646f6874656d6eull        /* "nmethod" */
#define SW_JVM_NATIVE_NMETHOD 0x6e2065766974616eull /* "native nmethod" */

struct sw_blob {
  __u64 start;
  __u64 code;
  __u64 code_end;
  __u64 id; /* compile id, or SW_JVM_NO_COMPILE_ID */
  __u32 frame_bytes;
  __u32 frame_complete;
  bool compiled;
};

/* Where the caller's frame begins, and where its frame pointer was saved; 0: it is still in the register. */
struct sw_java_frame {
  __u64 cfa;
  __u64 saved_fp;
};

static __always_inline bool sw_java_heap(const struct sw_jvm *jvm, __u64 pc, struct sw_jvm_heap *heap) {
#pragma unroll
  for (int i = 0; i < SW_JVM_HEAPS; i++) {
    if (pc < jvm->heap[i].low || pc >= jvm->heap[i].high) continue;
    *heap = jvm->heap[i];
    return true;
  }
  return false;
}

/* Global functions: the verifier looks at each of them once, and not on every way that leads there. */
__noinline int sw_is_java(const struct sw_jvm *jvm, __u64 pc) {
  struct sw_jvm_heap heap;
  return jvm && sw_java_heap(jvm, pc, &heap);
}

/* The start of the blob that pc is in; 0 if there is none. */
static __always_inline __u64 sw_java_blob_start(const struct sw_jvm *jvm, __u64 pc,
                                                struct task_struct *other) {
  struct sw_jvm_heap heap = {};
  if (!jvm || !sw_java_heap(jvm, pc, &heap)) return 0;
  __u32 shift = jvm->segment_shift & 31;
  __u64 segment = (pc - heap.low) >> shift;
  for (int i = 0; i < SW_JVM_STEPS; i++) {
    __u8 back;
    if (!sw_read(&back, sizeof(back), heap.segments + segment, other)) return 0;
    if (!back) return heap.low + (segment << shift) + jvm->header;
    if (back == 0xff) return 0;
    segment -= back;
  }
  return 0;
}

/* A member that is a pointer, or an offset from the start of the blob. */
static __always_inline __u64 sw_java_place(__u64 start, __u16 member, bool offset,
                                           struct task_struct *other) {
  __u64 value = 0;
  if (!sw_read(&value, offset ? 4 : 8, start + member, other)) return 0;
  return offset ? start + value : value;
}

static __always_inline bool sw_java_blob(const struct sw_jvm *jvm, __u64 pc, struct sw_blob *blob,
                                         struct task_struct *other) {
  if (!jvm || !blob) return false;
  __u64 start = sw_java_blob_start(jvm, pc, other), name = 0, text = 0;
  if (!start) return false;
  bool offsets = jvm->flags & SW_JVM_OFFSETS;
  blob->start = start;
  blob->code = sw_java_place(start, jvm->code, offsets, other);
  blob->code_end = sw_java_place(start, jvm->code_end, offsets, other);
  if (pc < blob->code || pc >= blob->code_end) return false;

  __u32 words = 0, complete = 0;
  if (!sw_read(&words, sizeof(words), start + jvm->frame_size, other)) return false;
  /* -1: never told, as of a stub */
  if (jvm->flags & SW_JVM_SHORT_COMPLETE) {
    __s16 narrow = 0;
    if (!sw_read(&narrow, sizeof(narrow), start + jvm->frame_complete, other)) return false;
    complete = narrow;
  } else if (!sw_read(&complete, sizeof(complete), start + jvm->frame_complete, other)) {
    return false;
  }
  blob->frame_bytes = words < SW_JVM_MAX_FRAME / 8 ? words * 8 : 0;
  blob->frame_complete = (__s32)complete < 0 ? 0 : complete;

  if (!sw_read(&name, sizeof(name), start + jvm->name, other)) return false;
  if (!sw_read(&text, sizeof(text), name, other)) return false;
  blob->compiled = text == SW_JVM_NMETHOD || text == SW_JVM_NATIVE_NMETHOD;
  blob->id = SW_JVM_NO_COMPILE_ID;
  if (blob->compiled) {
    __u32 id = 0;
    if (!sw_read(&id, sizeof(id), start + jvm->compile_id, other)) return false;
    blob->id = id;
  }
  return true;
}

/* Bytes around an instruction: in front of it, and from it on. */
struct sw_code {
  __u8 before[8];
  __u8 after[16];
};

/* A word that may be a return address: with the bytes in front of it, and the bounds of a blob. */
struct sw_call_site {
  __u64 to;
  __u64 code;
  __u64 code_end;
  __u8 before[16];
};

/* What a step works with: it is kept with the walk, as a program's stack has no room for it. */
struct sw_java_scratch {
  struct sw_blob blob;
  struct sw_java_frame frame;
  struct sw_call_site site;
  struct sw_code code;
};
SW_ASSERT(sizeof(struct sw_java_scratch) <= 8 * SW_JAVA_WORDS);

static __always_inline struct sw_java_scratch *sw_java_scratch(struct sw_walk *walk) {
  return (struct sw_java_scratch *)walk->java;
}

enum sw_call { SW_CALL_NONE = 0, SW_CALL_OTHER, SW_CALL_HERE };

static __always_inline __u64 sw_bytes(const __u8 *from, int n) {
  __u64 value = 0;
#pragma unroll
  for (int i = 0; i < n; i++) value |= (__u64)from[i] << 8 * i;
  return value;
}

/* What call stands in front of a return address. Those into the interpreter are pushed, not left by a call.
 */
__noinline int sw_java_call_kind(const struct sw_call_site *site, const struct sw_jvm *jvm) {
  if (!site || !jvm) return SW_CALL_NONE;
  const __u8 *code = site->before;
  __u64 target = 0;
  if (code[11] == 0xe8) target = site->to + (__s32)sw_bytes(code + 12, 4); /* call rel32 */
  /* mov r10 or r11, imm64; call it */
  if (code[3] == 0x49 && (code[4] == 0xba || code[4] == 0xbb) && code[13] == 0x41 && code[14] == 0xff)
    target = sw_bytes(code + 5, 8);
  if (target && target >= site->code && target < site->code_end) return SW_CALL_HERE;
  bool call = target || (code[14] == 0xff && (code[15] & 0xf8) == 0xd0) || /* call reg, … */
              (code[13] == 0xff && (code[14] & 0xf8) == 0x50) ||           /* … [reg + disp8], */
              (code[10] == 0xff && (code[11] & 0xf8) == 0x90);             /* … [reg + disp32] */
  if (call || (site->to >= jvm->interpreter && site->to < jvm->interpreter_end)) return SW_CALL_OTHER;
  return SW_CALL_NONE;
}

/* Whether the word at `address` is the return address of a call that this JVM's code made; SW_CALL_HERE: of a
 * call of the blob, as the instruction in front of it says. */
static __always_inline int sw_java_call(const struct sw_jvm *jvm, struct sw_java_scratch *java, __u64 address,
                                        struct task_struct *other) {
  struct sw_call_site *site = &java->site;
  if (!sw_read(&site->to, sizeof(site->to), address, other) || !sw_is_java(jvm, site->to))
    return SW_CALL_NONE;
  if (!sw_read(site->before, sizeof(site->before), site->to - sizeof(site->before), other))
    return SW_CALL_NONE;
  site->code = java->blob.code;
  site->code_end = java->blob.code_end;
  return sw_java_call_kind(site, jvm);
}

enum sw_shape {
  SW_SHAPE_WHOLE = 0, /* the frame is there */
  SW_SHAPE_RETURN,    /* only the return address, on top */
  SW_SHAPE_SAVED,     /* and on top of it the frame pointer */
  SW_SHAPE_ROOM,      /* room was made (bytes of it: bits 8 and up), nothing saved */
};

/* What a compiled method's prologue has done so far. */
__noinline int sw_java_prologue(const struct sw_code *code) {
  if (!code) return SW_SHAPE_WHOLE;
  const __u8 *a = code->before;
  bool moved = a[5] == 0x48 && ((a[6] == 0x89 && a[7] == 0xe5) || (a[6] == 0x8b && a[7] == 0xec));
  if (a[7] == 0x55 || (moved && a[4] == 0x55)) return SW_SHAPE_SAVED; /* push rbp; mov rbp, rsp */
  __u32 bytes;
  bool pushed;
  if (a[4] == 0x48 && a[5] == 0x83 && a[6] == 0xec) { /* sub rsp, imm8 */
    bytes = a[7];
    pushed = a[3] == 0x55 || (a[0] == 0x55 && a[1] == 0x48);
  } else if (a[1] == 0x48 && a[2] == 0x81 && a[3] == 0xec) { /* sub rsp, imm32 */
    bytes = sw_bytes(a + 4, 4);
    pushed = a[0] == 0x55 || a[0] == 0xe5 || a[0] == 0xec;
  } else {
    return SW_SHAPE_RETURN;
  }
  if (pushed || bytes >= SW_JVM_MAX_FRAME) return SW_SHAPE_WHOLE;
  /* C2 may make room first, and save the frame pointer by a move. */
  return SW_SHAPE_ROOM | bytes << 8;
}

/* What its epilogue has left. The instructions in question stand nowhere else. */
__noinline int sw_java_epilogue(const struct sw_code *code) {
  if (!code) return SW_SHAPE_WHOLE;
  const __u8 *b = code->after;
  const __u8 ret = 0xc3;
  if (b[0] == 0x5d) return SW_SHAPE_SAVED; /* pop rbp */
  if (b[0] == ret || b[0] == 0xc2) return SW_SHAPE_RETURN;
  /* A poll between pop and ret: test [rip + x], eax; test [reg], eax, also with the load of the register; …
   */
  if (b[0] == 0x85 && b[1] == 0x05 && b[6] == ret) return SW_SHAPE_RETURN;
  if (b[0] == 0x41 && b[1] == 0x85 && b[3] == ret) return SW_SHAPE_RETURN;
  if (b[0] == 0x4d && b[1] == 0x8b && b[4] == 0x41 && b[5] == 0x85 && b[7] == ret) return SW_SHAPE_RETURN;
  if (b[0] == 0x4d && b[1] == 0x8b && b[7] == 0x41 && b[8] == 0x85 && b[10] == ret) return SW_SHAPE_RETURN;
  /* … cmp rsp, [r15 + x]; ja. Or, of a native wrapper, cmp [r15 + exception], 0; jne. */
  if (b[0] == 0x49 && b[1] == 0x3b && b[2] == 0x67 && b[4] == 0x0f && b[10] == ret) return SW_SHAPE_RETURN;
  if (b[0] == 0x49 && b[1] == 0x3b && b[2] == 0xa7 && b[7] == 0x0f && b[13] == ret) return SW_SHAPE_RETURN;
  if (b[0] == 0x49 && b[1] == 0x83 && b[2] == 0x7f && b[5] == 0x0f && b[11] == ret) return SW_SHAPE_RETURN;
  if (b[0] == 0x49 && b[1] == 0x83 && b[2] == 0xbf && b[8] == 0x0f && b[14] == ret) return SW_SHAPE_RETURN;
  if (b[0] == 0x0f && (b[1] == 0x87 || b[1] == 0x85) && b[6] == ret) return SW_SHAPE_RETURN;
  return SW_SHAPE_WHOLE;
}

/* Fills `frame` if the frame of a compiled method is not there yet, or not any more, at this very
 * instruction. */
static __always_inline bool sw_java_incomplete(struct sw_java_scratch *java, __u64 pc, __u64 sp,
                                               struct task_struct *other) {
  const struct sw_blob *blob = &java->blob;
  struct sw_java_frame *frame = &java->frame;
  struct sw_code *code = &java->code;
  if (!sw_read(code, sizeof(*code), pc - sizeof(code->before), other)) return false;
  int shape = pc < blob->code + blob->frame_complete ? sw_java_prologue(code) : sw_java_epilogue(code);
  if (shape == SW_SHAPE_WHOLE) return false;
  frame->saved_fp = shape == SW_SHAPE_SAVED ? sp : 0;
  frame->cfa = sp + 8;
  if (shape == SW_SHAPE_SAVED) frame->cfa += 8;
  if ((shape & 255) == SW_SHAPE_ROOM) frame->cfa += (__u32)shape >> 8;
  return true;
}

/* The frame of a blob whose header tells its size. */
static __always_inline bool sw_java_sized(const struct sw_jvm *jvm, struct sw_java_scratch *java, __u64 sp,
                                          struct task_struct *other) {
  if (!java->blob.frame_bytes) return false;
  __u64 cfa = sp + java->blob.frame_bytes, to = 0;
  if (!sw_read(&to, sizeof(to), cfa - 8, other)) return false;
  if (!sw_is_java(jvm, to)) {
    __u32 pushed = 0;
    for (int i = 1; i <= SW_JVM_PUSHED; i++)
      if (!pushed && sw_java_call(jvm, java, cfa - 8 + 8 * i, other)) pushed = i;
    if (!pushed) return false;
    cfa += 8 * pushed;
  }
  java->frame = (struct sw_java_frame){.cfa = cfa, .saved_fp = cfa - 16};
  return true;
}

/* Whether an interpreted frame is just being made, at the frame pointer: the rest of it is not pushed yet. */
static __always_inline bool sw_java_entering(const struct sw_jvm *jvm, const struct sw_walk *walk) {
  if (!walk->first || !walk->exact || walk->pc < jvm->interpreter || walk->pc >= jvm->interpreter_end)
    return false;
  return walk->fp >= walk->sp && walk->fp - walk->sp < 8 * (__u64)jvm->bytecode_slot;
}

/*
 * The frame of a stub that was interrupted, of the current task. Stubs do with the stack what they like: the
 * return address is the word that follows a call of this very stub. Where the frame pointer says, else on
 * top, else further up; and if there is none, as after a call that went through a register, the first one of
 * any call.
 */
static __always_inline bool sw_java_leaf_stub(const struct sw_jvm *jvm, struct sw_walk *walk) {
  struct sw_java_scratch *java = sw_java_scratch(walk);
  struct sw_java_frame *frame = &java->frame;
  __u64 sp = walk->sp, fp = walk->fp;
  bool framed = fp >= sp && fp - sp < SW_JVM_MAX_FRAME && !(fp & 7);
  int by_fp = framed ? sw_java_call(jvm, java, fp + 8, 0) : SW_CALL_NONE;
  if (by_fp == SW_CALL_HERE || (by_fp && sw_java_entering(jvm, walk))) {
    *frame = (struct sw_java_frame){.cfa = fp + 16, .saved_fp = fp};
    return true;
  }
  __u64 any = 0;
  for (int i = 0; i < SW_JVM_SEARCH; i++) {
    __u64 at = sp + 8 * i;
    int call = sw_java_call(jvm, java, at, 0);
    if (call == SW_CALL_HERE) {
      *frame = (struct sw_java_frame){.cfa = at + 8};
      return true;
    }
    if (call == SW_CALL_OTHER && !any) any = at;
  }
  if (by_fp == SW_CALL_OTHER && any != sp) {
    *frame = (struct sw_java_frame){.cfa = fp + 16, .saved_fp = fp};
    return true;
  }
  if (!any) return false;
  *frame = (struct sw_java_frame){.cfa = any + 8};
  return true;
}

/*
 * An interpreted frame, by the frame pointer: the saved one, and below it the caller's stack pointer, and the
 * method with its place in it. A method that is just being entered has no frame yet: then its caller's is
 * taken for it, if that is interpreted. False if there is no such frame.
 */
static __always_inline bool sw_java_interpreted(struct sw_walk *walk, const struct sw_jvm *jvm,
                                                struct task_struct *other) {
  __u64 frame[5]; /* method, …, caller's stack pointer, saved frame pointer, return address */
  __u64 bytecode = 0, constant = 0, shape = 0;
  if (!walk || !jvm) return false;
  __u64 fp = walk->fp;
  if (fp < walk->sp || (fp & 7)) return false;
  /* What is not pushed yet is what an earlier frame left there. */
  if (sw_java_entering(jvm, walk)) return false;
  if (!sw_read(frame, sizeof(frame), fp - 24, other)) return false;
  if (!sw_read(&bytecode, sizeof(bytecode), fp - 8 * (__u64)jvm->bytecode_slot, other)) return false;
  __u64 method = frame[0], sp = frame[2];
  /* What a method handle calls may find its caller to end at the return address: the handle took a word. */
  if (!method || (method & 7) || method >> 56 || sp < fp + 8) return false;
  if (!sw_read(&constant, sizeof(constant), method + jvm->const_method, other)) return false;
  if (!sw_read(&shape, sizeof(shape), constant + jvm->code_size, other)) return false;
  __u64 start = constant + jvm->bytecode;
  __u16 size = shape;
  /* A native method has no bytecode; its frame has none, or where it would be. */
  if (size ? bytecode - start >= size : bytecode && bytecode != start) return false;
  /* The interpreter keeps the place in a register, and writes it down when it calls. */
  if (walk->first && walk->exact && walk->bytecode - start < size) bytecode = walk->bytecode;
  sw_push(walk, (__u64)SW_TAG_JAVA_INTERPRETED << SW_TAG_SHIFT | method);
  __u64 index = size ? bytecode - start : SW_METHOD_NATIVE;
  sw_push(walk, sw_method_identity(jvm, constant, shape, other) | index);
  walk->sp = sp;
  walk->fp = frame[3];
  walk->pc = frame[4];
  return true;
}

/* Where a deoptimized frame would have gone on: its return address was replaced. */
static __always_inline __u64 sw_java_original(const struct sw_jvm *jvm, const struct sw_blob *blob, __u64 pc,
                                              __u64 sp, struct task_struct *other) {
  bool offsets = jvm->flags & SW_JVM_DEOPT_OFFSETS;
  if (pc != sw_java_place(blob->start, jvm->deopt, offsets, other) &&
      pc != sw_java_place(blob->start, jvm->deopt_mh, offsets, other))
    return pc;
  __u32 at = 0;
  __u64 original = 0;
  if (!sw_read(&at, sizeof(at), blob->start + jvm->original_pc, other)) return pc;
  if (!sw_read(&original, sizeof(original), sp + at, other)) return pc;
  return original >= blob->code && original < blob->code_end ? original : pc;
}

/* The frame of generated code that is not interpreted. */
static __always_inline bool sw_java_generated(struct sw_walk *walk, const struct sw_jvm *jvm,
                                              struct task_struct *other) {
  if (!walk || !jvm) return false;
  struct sw_java_scratch *java = sw_java_scratch(walk);
  struct sw_blob *blob = &java->blob;
  struct sw_java_frame *frame = &java->frame;
  *frame = (struct sw_java_frame){};
  __u64 pc = walk->pc, sp = walk->sp, fp = walk->fp;
  if (!sw_java_blob(jvm, walk->exact ? pc : pc - 1, blob, other)) return false;

  bool found = false;
  if (blob->compiled) {
    if (walk->exact)
      found = sw_java_incomplete(java, pc, sp, other);
    else
      pc = sw_java_original(jvm, blob, pc, sp, other);
  } else if (walk->exact) {
    /* A task sleeps in a stub only while a page is fetched: not worth what the search costs the verifier. */
    if (other) return false;
    found = sw_java_leaf_stub(jvm, walk);
  }
  if (!found) found = sw_java_sized(jvm, java, sp, other);
  if (!found && !blob->compiled && !blob->frame_bytes && fp >= sp && fp - sp < SW_JVM_MAX_FRAME) {
    /* How C enters Java (call_stub), and what else has a frame pointer. */
    *frame = (struct sw_java_frame){.cfa = fp + 16, .saved_fp = fp};
    found = true;
  }
  __u64 to = 0;
  if (!found || !sw_read(&to, sizeof(to), frame->cfa - 8, other)) return false;
  __u64 sender = walk->bytecode;
  /* It is the first that is pushed; then the register gets another use. */
  if (sw_java_entering(jvm, walk) && sp <= fp - 8 && !sw_read(&sender, sizeof(sender), fp - 8, other))
    return false;
  if (frame->saved_fp && !sw_read(&fp, sizeof(fp), frame->saved_fp, other)) return false;
  sw_push(walk, (__u64)SW_TAG_JAVA_COMPILED << SW_TAG_SHIFT | pc);
  sw_push(walk, blob->id << 32 | (__u32)(blob->start - jvm->low));
  walk->pc = to;
  walk->sp = frame->cfa;
  walk->fp = fp;
  /* At the entry of an interpreted method its parameters are on top, and the caller's stack pointer is kept.
   */
  if (walk->first && pc >= jvm->interpreter && pc < jvm->interpreter_end && sender > walk->sp &&
      sender - walk->sp < SW_JVM_MAX_FRAME)
    walk->sp = sender;
  return true;
}

/* Adds the frame at walk->pc, which is in code of this JVM, and goes on to its caller, as sw_step. */
static __always_inline int sw_java_step(struct sw_walk *walk, const struct sw_jvm *jvm,
                                        struct task_struct *other) {
  if (!walk || !jvm) return 1;
  if (walk->words + 2 > SW_MAX_USER) return sw_stop(walk, SW_END_DEPTH);
  bool interpreted = walk->pc >= jvm->interpreter && walk->pc < jvm->interpreter_end;
  bool found = interpreted && sw_java_interpreted(walk, jvm, other);
  if (!found && (!interpreted || walk->exact)) found = sw_java_generated(walk, jvm, other);
  if (!found) {
    sw_push(walk, walk->pc & SW_ADDRESS_BITS);
    return sw_stop(walk, interpreted ? SW_END_RUNTIME : SW_END_JIT);
  }
  walk->exact = 0;
  walk->first = 0;
  return 0;
}
