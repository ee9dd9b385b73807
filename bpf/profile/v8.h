/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which JavaScript function a frame of V8 is of. V8 keeps the frame pointer in all of its code, and in the
 * frame of a JavaScript function the function and its context below it; frames of other kinds have a number
 * there. docs/node.md tells more.
 *
 * What is added to the stack is the function's SharedFunctionInfo, which a garbage collection seldom moves,
 * not the function itself, which one often moves. Nothing here is trusted: who names it checks what it is.
 */
#pragma once

#include "maps.h"

/* Below the frame pointer. Any other V8 has no rules of this kind in its unwind table. */
struct sw_v8_frame {
  __u64 function;
  __u64 context;
};

/*
 * Address spaces with V8 in them, as their stacks showed: SharedFunctionInfo in a function, in words. An
 * entry that is left of another process costs a few reads, and names nothing.
 */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, __u64); /* mm */
  __type(value, __u32);
} sw_v8s SEC(".maps");

/* A pointer into V8's heap. */
static __always_inline bool sw_is_v8_object(__u64 word) { return (word & 3) == 1 && !(word >> SW_TAG_SHIFT); }

/* Whether code that was made at run time is V8's; once a walk. */
static __always_inline __u32 sw_v8_shared(struct sw_walk *walk) {
  if (walk->v8 == SW_V8_UNASKED) {
    __u64 mm = walk->mm;
    __u32 *known = bpf_map_lookup_elem(&sw_v8s, &mm);
    walk->v8 = known ? *known : 0;
  }
  return walk->v8;
}

static __always_inline void sw_see_v8(struct sw_walk *walk, __u32 shared) {
  if (sw_v8_shared(walk) == shared) return;
  __u64 mm = walk->mm;
  bpf_map_update_elem(&sw_v8s, &mm, &shared, BPF_ANY);
  walk->v8 = shared;
}

/*
 * Adds the function of the frame that the frame pointer points to; false if it is no JavaScript frame. That
 * of an interrupted function is not there yet at its first instructions: then it is its caller's.
 */
static __always_inline bool sw_push_function(struct sw_walk *walk, __u32 shared, __u64 pc,
                                             struct task_struct *other) {
  struct sw_v8_frame frame;
  __u64 info;
  if (walk->fp < walk->sp + sizeof(frame) || (walk->fp & 7)) return false;
  if (!sw_read(&frame, sizeof(frame), walk->fp - sizeof(frame), other)) return false;
  if (!sw_is_v8_object(frame.function) || !sw_is_v8_object(frame.context)) return false;
  if (!sw_read(&info, sizeof(info), frame.function - 1 + 8ull * shared, other)) return false;
  if (!sw_is_v8_object(info)) return false;
  sw_push(walk, info | (__u64)SW_TAG_V8 << SW_TAG_SHIFT);
  sw_push(walk, pc);
  return true;
}

/*
 * The builtin at walk->pc was added. The interpreter gives way to the function that it runs; what was
 * interrupted in another builtin, which often has no frame of its own, gets the function that called it.
 */
static __always_inline void sw_v8_builtin(struct sw_walk *walk, __u32 rule, struct task_struct *other) {
  __u32 shared = SW_RULE_V8_SHARED(rule);
  sw_see_v8(walk, shared);
  if (!SW_RULE_V8_INTERPRETER(rule)) {
    if (walk->first) sw_push_function(walk, shared, 0, other);
    return;
  }
  __u64 pc = walk->pc;
  walk->words--;
  if (!sw_push_function(walk, shared, pc, other)) walk->words++;
}
