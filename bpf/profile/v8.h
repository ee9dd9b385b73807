/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which JavaScript function a frame of V8 is of. V8 keeps the frame pointer in all of its code, and in the
 * frame of a JavaScript function the function and its context below it; frames of other kinds have a number
 * there. docs/node.md tells more.
 *
 * What is added to the stack is the function's SharedFunctionInfo, which a garbage collection seldom moves,
 * not the function itself, which one often moves. By the time that it is named its script may have been
 * dropped, and its place given to another one, so a hash of what makes it this very function goes along.
 * symbolizers/src/v8/function.rs computes the same. Nothing here is trusted: who names it checks what it is.
 */
#pragma once

#include "maps.h"

/* Below the frame pointer. Any other V8 has no rules of this kind in its unwind table. */
struct sw_v8_frame {
  __u64 function;
  __u64 context;
};

/*
 * Address spaces with V8 in them, as their stacks showed: SW_RULE_V8_LAYOUT. An entry that is left of another
 * process costs a few reads, and names nothing.
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
static __always_inline __u32 sw_v8_layout(struct sw_walk *walk) {
  if (walk->v8 == SW_V8_UNASKED) {
    __u64 mm = walk->mm;
    __u32 *known = bpf_map_lookup_elem(&sw_v8s, &mm);
    walk->v8 = known ? *known : 0;
  }
  return walk->v8;
}

static __always_inline void sw_see_v8(struct sw_walk *walk, __u32 layout) {
  if (sw_v8_layout(walk) == layout) return;
  __u64 mm = walk->mm;
  bpf_map_update_elem(&sw_v8s, &mm, &layout, BPF_ANY);
  walk->v8 = layout;
}

/* Flags of a ScopeInfo, the same from V8 10 to 13, and how many variables have their names in it. */
#define SW_V8_SCOPE_TYPE 15
#define SW_V8_MODULE 5
#define SW_V8_CLASS_VARIABLE (1 << 10)
#define SW_V8_FUNCTION_VARIABLE (3 << 12)
#define SW_V8_INFERRED_NAME (1 << 14)
#define SW_V8_NAMES_INSIDE 75

/* Hash and length of a string: the word behind its map. 0 if it is none. */
static __always_inline __u64 sw_v8_string(__u64 string, struct task_struct *other) {
  __u64 word = 0;
  if (!sw_is_v8_object(string) || !sw_read(&word, sizeof(word), string - 1 + 8, other)) return 0;
  return word;
}

/*
 * Tells the name that a function has from others; 0 if it has none. What a name is inferred from is put
 * together later, and has its hash only then: of that the length.
 */
static __always_inline __u64 sw_v8_name(struct sw_walk *walk, __u32 layout, __u64 info,
                                        struct task_struct *other) {
  __u64 scope = 0, *words = walk->scratch.area;
  if (!sw_read(&scope, sizeof(scope), info - 1 + SW_V8_SCOPE(layout), other)) return 0;
  if (!sw_is_v8_object(scope)) return 0;
  /* flags, parameters, variables */
  if (!sw_read(words, 3 * sizeof(__u64), scope - 1 + 8, other)) return 0;
  /* A small integer, or (V8 13) 32 bits and 32 that are not used. */
  __u32 flags = (__u32)words[0] ? (__u32)words[0] : words[0] >> 32;
  __u64 variables = words[2] >> 32;
  __u64 at = SW_V8_PLACE_FIRST(layout) ? 5 : 3;
  if ((flags & SW_V8_SCOPE_TYPE) == SW_V8_MODULE) at++;
  at += variables + (variables < SW_V8_NAMES_INSIDE ? variables : 1);
  if (flags & SW_V8_CLASS_VARIABLE) at++;
  /* The function's name, where its variable is, and the inferred name; or the last alone. */
  if (!sw_read(words, 3 * sizeof(__u64), scope - 1 + 8 + 8 * at, other)) return 0;
  __u64 inferred = words[0];
  if (flags & SW_V8_FUNCTION_VARIABLE) {
    inferred = words[2];
    __u64 name = sw_v8_string(words[0], other);
    if (name >> 32) return name;
  }
  return flags & SW_V8_INFERRED_NAME ? sw_v8_string(inferred, other) >> 32 : 0;
}

/*
 * Which function a SharedFunctionInfo is of: V8 numbers scripts, and the functions of each; and what it is
 * called, because the name of a function that was dropped can be gone before the rest. 16 bits, not 0 unless
 * they cannot be read.
 */
static __always_inline __u64 sw_v8_identity(struct sw_walk *walk, __u32 layout, __u64 info,
                                            struct task_struct *other) {
  __u64 script = 0, number = 0;
  __u32 function = 0;
  if (SW_V8_SCRIPT_NUMBER(layout) == 0) return 0;
  if (!sw_read(&function, sizeof(function), info - 1 + SW_V8_FUNCTION_NUMBER(layout), other)) return 0;
  if (!sw_read(&script, sizeof(script), info - 1 + SW_V8_SCRIPT(layout), other)) return 0;
  if (!sw_is_v8_object(script)) return 0;
  if (!sw_read(&number, sizeof(number), script - 1 + SW_V8_SCRIPT_NUMBER(layout), other)) return 0;
  __u64 word = (number ^ function) + sw_v8_name(walk, layout, info, other) * 0xff51afd7ed558ccdull;
  __u64 hash = word * 0x9e3779b97f4a7c15ull >> 48;
  return hash ? hash : 1;
}

/*
 * Adds the function of the frame that the frame pointer points to; false if it is no JavaScript frame. That
 * of an interrupted function is not there yet at its first instructions: then it is its caller's.
 */
static __always_inline bool sw_push_function(struct sw_walk *walk, __u32 layout, __u64 pc,
                                             struct task_struct *other) {
  struct sw_v8_frame frame;
  __u64 info;
  if (walk->fp < walk->sp + sizeof(frame) || (walk->fp & 7)) return false;
  if (!sw_read(&frame, sizeof(frame), walk->fp - sizeof(frame), other)) return false;
  if (!sw_is_v8_object(frame.function) || !sw_is_v8_object(frame.context)) return false;
  if (!sw_read(&info, sizeof(info), frame.function - 1 + SW_V8_SHARED(layout), other)) return false;
  if (!sw_is_v8_object(info)) return false;
  sw_push(walk, info | (__u64)SW_TAG_V8 << SW_TAG_SHIFT);
  sw_push(walk, (pc & SW_V8_CODE) | sw_v8_identity(walk, layout, info, other) << SW_V8_IDENTITY_SHIFT);
  return true;
}

/*
 * The builtin at walk->pc was added. The interpreter gives way to the function that it runs; what was
 * interrupted in another builtin, which often has no frame of its own, gets the function that called it.
 */
static __always_inline void sw_v8_builtin(struct sw_walk *walk, __u32 rule, struct task_struct *other) {
  __u32 layout = SW_RULE_V8_LAYOUT(rule);
  sw_see_v8(walk, layout);
  if (!SW_RULE_V8_INTERPRETER(rule)) {
    if (walk->first) sw_push_function(walk, layout, 0, other);
    return;
  }
  __u64 pc = walk->pc;
  walk->words--;
  if (!sw_push_function(walk, layout, pc, other)) walk->words++;
}
