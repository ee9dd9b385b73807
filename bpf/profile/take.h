/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one place where stacks are taken: kernel part by the kernel, user part by unwinding, else by frame
 * pointers. */
#pragma once

#ifdef SW_KERNEL_5_8
/* Global functions take pointers since 5.12. */
#include "stack.h"
struct sw_walk {
  struct sw_stack stack;
};
#else
#include "unwind.h"

/*
 * Global functions: the verifier looks at each once, not once for each frame. Two levels, because it goes
 * through every turn of a loop, and takes half a second for 256 of them.
 */
__noinline int sw_step_current(struct sw_walk *walk) {
  if (!walk) return 1;
  return sw_step(walk, 0);
}

#define SW_STEPS 16
SW_ASSERT(SW_STEPS *SW_STEPS >= SW_MAX_USER + 1);

__noinline int sw_steps_current(struct sw_walk *walk) {
  if (!walk) return 1;
  for (int i = 0; i < SW_STEPS; i++)
    if (sw_step_current(walk)) return 1;
  return 0;
}

struct sw_step_of {
  struct sw_walk *walk;
  struct task_struct *task;
};

static long sw_step_other(__u64 index, struct sw_step_of *of) { return sw_step(of->walk, of->task); }

/* Sets out from where a task entered the kernel. False if it cannot be followed from there. */
static __always_inline bool sw_set_out(struct sw_walk *walk, struct task_struct *task, struct pt_regs *regs,
                                       bool syscall) {
  walk->stack.head.user_frames = 0;
  walk->base = walk->stack.head.kernel_frames & SW_MAX_FRAMES;
  walk->words = 0;
  walk->pc = SW_REGS_IP(regs);
  walk->sp = SW_REGS_SP(regs);
  walk->fp = SW_REGS_FP(regs);
  walk->lr = SW_REGS_LR(regs);
  walk->bytecode = SW_REGS_BYTECODE(regs);
  walk->mm = (__u64)BPF_CORE_READ(task, mm);
  walk->tgid = BPF_CORE_READ(task, tgid);
  walk->start = BPF_CORE_READ(task, group_leader, start_boottime) / SW_TICK_NS;
  walk->window = sw_control_value(SW_CONTROL_WINDOW);
  walk->epoch = sw_control_value(SW_CONTROL_EPOCH);
  walk->exact = !syscall;
  walk->first = 1;
  walk->guessed = 0;
  walk->v8 = SW_V8_UNASKED;
  walk->here.area.start = walk->here.area.end = 0;
  walk->here.area.kind = SW_AREA_NONE;
  walk->before.area.start = walk->before.area.end = 0;
  if (!walk->mm) return false; /* it exits, and has no memory any more: SW_END_NO_USER */
  if (!syscall) walk->stack.head.flags |= SW_USER_EXACT;
  if (!SW_REGS_32_BIT(regs)) return true;
  walk->stack.head.flags |= SW_USER_UNREADABLE;
  walk->stack.head.end = SW_END_UNSUPPORTED;
  return false;
}

static __always_inline void sw_arrive(struct sw_walk *walk) {
  walk->stack.head.user_frames = walk->words <= SW_MAX_USER ? walk->words : SW_MAX_USER;
  if (walk->guessed && walk->stack.head.end == SW_END_ROOT) walk->stack.head.end = SW_END_NO_TABLE;
  if (walk->stack.head.end != SW_END_ROOT) walk->stack.head.flags |= SW_USER_TRUNCATED;
}

/* `in_kernel`: the task is in the kernel by a system call, interrupt or fault, and not just interrupted. */
static __always_inline void sw_unwind_current(struct sw_walk *walk, bool in_kernel) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  if (!sw_set_out(walk, task, regs, in_kernel && sw_in_syscall(regs))) return;
  walk->stack.head.end = SW_END_DEPTH;
  for (int i = 0; i < SW_STEPS; i++)
    if (sw_steps_current(walk)) break;
  sw_arrive(walk);
}

/* Of a task that is not running; in sleepable programs. */
static __always_inline void sw_unwind_other(struct sw_walk *walk, struct task_struct *task) {
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  if (!sw_set_out(walk, task, regs, sw_in_syscall(regs))) return;
  walk->stack.head.end = SW_END_DEPTH;
  struct sw_step_of of = {.walk = walk, .task = task};
  bpf_loop(SW_MAX_USER + 1, sw_step_other, &of, 0);
  sw_arrive(walk);
}
#endif

/* Takes both parts of the current task's stack. `interrupted`: ctx holds the registers of the interrupted
 * instruction. */
static __always_inline void sw_take_stack(void *ctx, struct sw_walk *walk, bool interrupted, bool user) {
  struct sw_stack *stack = &walk->stack;
  stack->head.flags = 0;
  stack->head.user_frames = 0;
  stack->head.end = SW_END_NO_USER;
  sw_take_kernel(ctx, stack, interrupted);
  if (!user) return;
#ifndef SW_KERNEL_5_8
  if (sw_unwinds && SW_HAS_TASK_REGS) {
    sw_unwind_current(walk, stack->head.kernel_frames > 0);
    return;
  }
#endif
  sw_take_frame_pointers(ctx, stack);
}
