/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stacks are arrays of addresses in per-CPU scratch memory, told apart by a 64-bit hash.
 * BPF_MAP_TYPE_STACK_TRACE is not used: its buckets hold one stack each, and what collides is refused
 * (-EEXIST), so that a hot stack can be the lost one.
 */
#pragma once

#include "../kernel.h"
#include "sample.h"

/* kernel.perf_event_max_stack where that is less than SW_MAX_FRAMES: a stack of this many frames counts as
 * cut. */
const volatile __u32 sw_max_stack = SW_MAX_FRAMES;

/* The helper refuses with a negative number; the mask is for the verifier and cuts nothing (127 = 0x7f). */
static __always_inline __u32 sw_frames(long bytes) { return ((__u64)bytes >> 3) & SW_MAX_FRAMES; }

static __always_inline void sw_take_kernel(void *ctx, struct sw_stack *stack, bool exact) {
  long bytes = bpf_get_stack(ctx, stack->frame, sizeof(__u64) * SW_MAX_FRAMES, 0);
  stack->head.kernel_frames = 0;
  if (bytes < 0) {
    stack->head.flags |= SW_KERNEL_UNREADABLE;
    return;
  }
  __u32 n = sw_frames(bytes);
  stack->head.kernel_frames = n;
  if (n >= sw_max_stack) stack->head.flags |= SW_KERNEL_TRUNCATED;
  if (n && exact) stack->head.flags |= SW_KERNEL_EXACT;
}

/* True where the kernel has the helper (5.15); the verifier drops what is behind it elsewhere. */
#define SW_HAS_TASK_REGS bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)

/*
 * Whether the task came into the kernel by a system call: then its user-space instruction pointer is a return
 * address; after an interrupt or a fault it is the very instruction. Without the helper every pointer counts
 * as exact, which may show the line after a system call.
 */
static __always_inline bool sw_in_syscall(struct pt_regs *regs) {
#if defined(__TARGET_ARCH_x86)
  return (long)BPF_CORE_READ(regs, orig_ax) >= 0;
#else
  return BPF_CORE_READ(regs, syscallno) >= 0;
#endif
}

/* The user part of the current task by frame pointers, by the kernel's own walk: for kernels that know no
 * better. Whether it is whole nobody knows: where a program keeps none, it just ends. */
static __always_inline void sw_take_frame_pointers(void *ctx, struct sw_stack *stack) {
  __u32 at = stack->head.kernel_frames & SW_MAX_FRAMES;
  long bytes = bpf_get_stack(ctx, &stack->frame[at], sizeof(__u64) * SW_MAX_FRAMES, BPF_F_USER_STACK);
  stack->head.user_frames = 0;
  if (bytes <= 0) {
    stack->head.flags |= SW_USER_UNREADABLE;
    stack->head.end = SW_END_NOT_TAKEN;
    return;
  }
  __u32 n = sw_frames(bytes);
  stack->head.user_frames = n;
  stack->head.end = SW_END_NO_TABLE;
  if (n >= sw_max_stack) {
    stack->head.flags |= SW_USER_TRUNCATED;
    stack->head.end = SW_END_DEPTH;
  }
  bool syscall = false;
  if (at && SW_HAS_TASK_REGS)
    syscall = sw_in_syscall((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()));
  if (!syscall) stack->head.flags |= SW_USER_EXACT;
}

/* Mixing as in MurmurHash2's 64-bit form: all bits of a word reach all bits of the hash. */
static __always_inline __u64 sw_mix(__u64 hash, __u64 word) {
  const __u64 m = 0xc6a4a7935bd1e995ull;
  word *= m;
  word ^= word >> 47;
  word *= m;
  return (hash ^ word) * m;
}

/* Global functions take pointers since 5.12. The verifier goes through one once, through others once for each
 * call. */
#ifdef SW_KERNEL_5_8
#define SW_WALKED_ONCE static __noinline
#else
#define SW_WALKED_ONCE __noinline
#endif

#define SW_HASHED_AT_ONCE 16

/* Mixes in up to SW_HASHED_AT_ONCE frames from `at` to `end`. */
SW_WALKED_ONCE __u64 sw_hash_frames(const struct sw_stack *stack, __u64 hash, __u32 at, __u32 end) {
  if (!stack) return 0;
  for (__u32 i = 0; i < SW_HASHED_AT_ONCE; i++) {
    __u32 frame = at + i;
    if (frame >= end) break;
    barrier_var(frame); /* what is compared is what is used */
    if (frame >= SW_MAX_FRAMES + SW_MAX_USER) break;
    hash = sw_mix(hash, stack->frame[frame]);
  }
  return hash;
}

SW_WALKED_ONCE __u64 sw_hash(const struct sw_stack *stack) {
  if (!stack) return 1;
  __u32 kernel = stack->head.kernel_frames, user = stack->head.user_frames;
  __u32 n = kernel + user;
  __u64 hash = sw_mix(stack->head.flags | stack->head.end << 8, ((__u64)kernel << 32) | user);
  for (__u32 at = 0; at < SW_MAX_FRAMES + SW_MAX_USER; at += SW_HASHED_AT_ONCE) {
    if (at >= n) break;
    hash = sw_hash_frames(stack, hash, at, n);
  }
  hash ^= hash >> 47;
  return hash ? hash : 1; /* 0 means none */
}
