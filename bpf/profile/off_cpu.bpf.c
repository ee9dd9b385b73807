/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Time that tasks spend off the CPU. The switch itself only takes times; the stack is taken when a task is
 * back, and only if it was away long enough. Where it can be taken then depends on the kernel, so there are
 * several programs for it, of which the loader chooses one.
 */
#include "interval.h"

/* sched_switch has given the previous task's state as an argument since 5.18. */
const volatile bool sw_switch_tells_state = false;
/* Take stacks when tasks leave: for kernels where nothing can be run when they come back. */
const volatile bool sw_take_at_switch_out = false;

enum { SW_SCRATCH_SWITCH, SW_SCRATCH_ITERATOR, SW_SCRATCHES };

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SW_SCRATCHES);
  __type(key, __u32);
  __type(value, struct sw_walk);
} sw_scratch SEC(".maps");

/* The interval of the task that is being switched in, until its stack can be taken on the same CPU. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct sw_interval);
} sw_pending SEC(".maps");

/* Stacks of those who left, for sw_take_at_switch_out. */
#ifdef SW_KERNEL_5_8
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct sw_stack);
} sw_left_stacks SEC(".maps");
#else
struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct sw_stack);
} sw_left_stacks SEC(".maps");
#endif

static __always_inline __u32 sw_state_of(struct task_struct *task) {
  if (bpf_core_field_exists(task->__state)) return task->__state;
  return ((struct task_struct___before_5_14 *)task)->state;
}

static __always_inline bool sw_has_user_part(struct task_struct *task) {
  return !(BPF_CORE_READ(task, flags) & SW_PF_KTHREAD);
}

static __always_inline struct sw_walk *sw_scratch_at(__u32 row) {
  return bpf_map_lookup_elem(&sw_scratch, &row);
}

static __always_inline void sw_keep_left_stack(void *ctx, struct task_struct *task) {
  struct sw_walk *walk = sw_scratch_at(SW_SCRATCH_SWITCH);
  if (!walk) return;
  struct sw_stack *stack = &walk->stack;
  sw_take_stack(ctx, walk, false, sw_has_user_part(task));
  stack->head.hash = sw_hash(stack);
#ifdef SW_KERNEL_5_8
  __u32 tid = task->pid;
  bpf_map_update_elem(&sw_left_stacks, &tid, stack, BPF_ANY);
#else
  bpf_task_storage_delete(&sw_left_stacks, task); /* only a new one takes its first value from us */
  if (!bpf_task_storage_get(&sw_left_stacks, task, stack, BPF_LOCAL_STORAGE_GET_F_CREATE))
    sw_count_as(SW_LOST_TASK_STATE_FULL, 1);
#endif
}

static __always_inline struct sw_stack *sw_left_stack(struct task_struct *task) {
#ifdef SW_KERNEL_5_8
  __u32 tid = task->pid;
  return bpf_map_lookup_elem(&sw_left_stacks, &tid);
#else
  return bpf_task_storage_get(&sw_left_stacks, task, 0, 0);
#endif
}

static __always_inline void sw_leave(void *ctx, bool preempt, struct task_struct *prev, __u32 told,
                                     __u64 now) {
  /*
   * __state is RUNNING here if and only if the task stays runnable: a pending signal resets it, a wakeup on
   * another CPU gets no further than WAKING until this switch is over. The argument is what it was before
   * such a wakeup.
   */
  __u32 state = sw_state_of(prev);
  if (preempt || state == SW_TASK_RUNNING)
    state = SW_TASK_RUNNING;
  else if (sw_switch_tells_state)
    state = told;
  if (state & SW_TASK_DEAD) {
    sw_away_forget(prev);
    return;
  }
  struct sw_away *away = sw_away_make(prev);
  if (!away) {
    sw_count_as(SW_LOST_TASK_STATE_FULL, 1);
    return;
  }
  if (away->since_ns) sw_count_as(SW_LOST_BAD_DELTA, 1); /* it is here, so it was back: nobody saw it */
  away->left_ns = now;
  away->woken_ns = 0;
  away->open_stack = 0;
  away->state = state;
  away->fresh = 0;
  away->since_ns = now;
  if (sw_take_at_switch_out) sw_keep_left_stack(ctx, prev);
}

#ifndef SW_KERNEL_5_8
/*
 * A task that has never run does not come back to where it left: no program sees it then. Its kernel stack is
 * the way out of fork, and of its user part the instruction pointer can be had from here.
 */
static __always_inline void sw_take_fresh(struct task_struct *task, struct sw_stack *stack) {
  stack->head.flags = 0;
  stack->head.kernel_frames = 0;
  stack->head.user_frames = 0;
  long bytes = bpf_get_task_stack(task, stack->frame, sizeof(__u64) * SW_MAX_FRAMES, 0);
  if (bytes > 0) stack->head.kernel_frames = sw_frames(bytes);
  stack->head.end = SW_END_NO_USER;
  if (!sw_has_user_part(task)) return;
  stack->head.flags |= SW_USER_TRUNCATED;
  stack->head.end = SW_END_NOT_TAKEN;
  if (SW_HAS_TASK_REGS) {
    struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
    stack->frame[stack->head.kernel_frames & SW_MAX_FRAMES] = SW_REGS_IP(regs);
    stack->head.user_frames = 1;
  }
}
#endif

static __always_inline void sw_check_wakeup(const struct sw_interval *interval) {
  if (interval->state && !interval->woken_ns) sw_count_as(SW_LOST_MISSED_WAKEUP, 1);
}

static __always_inline void sw_come_back(struct task_struct *next, __u64 now) {
  struct sw_away *away = sw_away_find(next);
  if (!away || !away->since_ns) return;
  if (now - away->left_ns < sw_min_ns &&
      now >= away->left_ns) { /* most end here: no atomic, nothing of the task is read */
    away->since_ns = 0;
    sw_count_as(SW_SKIPPED_SHORT, 1);
    return;
  }
  struct sw_interval interval = {.until_ns = now};
  interval.since_ns = sw_away_take(away);
  if (!interval.since_ns || !sw_wanted(next, away, &interval)) return;

  struct sw_stack *stack = 0;
  if (sw_take_at_switch_out) {
    stack = sw_left_stack(next);
    if (!stack) { /* pushed out of a full map meanwhile: the time still counts */
      struct sw_walk *walk = sw_scratch_at(SW_SCRATCH_SWITCH);
      if (!walk) return;
      stack = &walk->stack;
      stack->head.flags = SW_KERNEL_UNREADABLE | SW_USER_UNREADABLE;
      stack->head.end = SW_END_NOT_TAKEN;
      stack->head.kernel_frames = 0;
      stack->head.user_frames = 0;
      stack->head.hash = sw_hash(stack);
    }
  }
#ifndef SW_KERNEL_5_8
  if (away->fresh) {
    struct sw_walk *walk = sw_scratch_at(SW_SCRATCH_SWITCH);
    if (!walk) return;
    stack = &walk->stack;
    sw_take_fresh(next, stack);
    stack->head.hash = sw_hash(stack);
  }
#endif
  if (stack) {
    struct sw_traced_key key = {}; /* without a trace: another address space is still there */
    if (!sw_identify(next, &key.key)) return;
    sw_check_wakeup(&interval);
    stack->head.tgid = key.key.tgid;
    key.key.stack = stack->head.hash;
    sw_count_interval(next, &interval, &key, stack);
    return;
  }
  __u32 zero = 0;
  struct sw_interval *pending = bpf_map_lookup_elem(&sw_pending, &zero);
  if (pending) *pending = interval;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sw_switch, bool preempt, struct task_struct *prev, struct task_struct *next) {
  __u64 now = bpf_ktime_get_ns();
  __u32 told = 0;
  if (sw_switch_tells_state) told = (__u32)ctx[3];
  if (prev->pid) sw_leave(ctx, preempt, prev, told, now);
  if (next->pid) sw_come_back(next, now);
  return 0;
}

static __always_inline int sw_woken(struct task_struct *task) {
  struct sw_away *away = sw_away_find(task);
  if (away && away->since_ns && away->state && !away->woken_ns) away->woken_ns = bpf_ktime_get_ns();
  return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(sw_wakeup, struct task_struct *task) { return sw_woken(task); }

#ifndef SW_KERNEL_5_8
SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(sw_wakeup_new, struct task_struct *task) {
  struct sw_away *away = sw_away_make(task);
  if (!away) {
    sw_count_as(SW_LOST_TASK_STATE_FULL, 1);
    return 0;
  }
  __u64 now = bpf_ktime_get_ns();
  away->left_ns = now;
  away->woken_ns = now;
  away->state = SW_TASK_UNINTERRUPTIBLE; /* for no time at all: all of it is waiting for a CPU */
  away->fresh = 1;
  away->since_ns = now;
  return 0;
}
#endif

/* Runs as the task that came back, on the stack on which it left. */
static __always_inline int sw_capture(void *ctx) {
  __u32 zero = 0;
  struct sw_interval *pending = bpf_map_lookup_elem(&sw_pending, &zero);
  if (!pending || !pending->tid) return 0;
  struct sw_interval interval = *pending;
  pending->tid = 0;
  if (interval.tid != (__u32)bpf_get_current_pid_tgid()) return 0;
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  struct sw_traced_key key = {};
  if (!sw_identify(task, &key.key)) return 0;
  sw_check_wakeup(&interval);
  struct sw_walk *walk = sw_scratch_at(SW_SCRATCH_SWITCH);
  if (!walk) return 0;
  struct sw_stack *stack = &walk->stack;
  sw_take_stack(ctx, walk, false, sw_has_user_part(task));
  stack->head.tgid = key.key.tgid;
  key.key.stack = stack->head.hash = sw_hash(stack);
  if (sw_has_user_part(task)) sw_trace_of_current(task, &key);
  sw_count_interval(task, &interval, &key, stack);
  return 0;
}

SEC("tp_btf/sched_exit_tp")
int BPF_PROG(sw_back_tracepoint) { return sw_capture(ctx); }

SEC("fentry/finish_task_switch")
int BPF_PROG(sw_back_fentry) { return sw_capture(ctx); }

SEC("kprobe/finish_task_switch")
int sw_back_kprobe(void *ctx) { return sw_capture(ctx); }

#ifndef SW_KERNEL_5_8
/* The iterator's, as the unwinder below it leaves no room for it on the program's stack. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct sw_traced_key);
} sw_open_key SEC(".maps");

/* Notes a task that fell asleep before we watched, as away since then. */
static __always_inline void sw_prime(struct task_struct *task, struct sw_away *away) {
  __u32 state = sw_state_of(task);
  if (away->left_ns || state == SW_TASK_RUNNING || (state & SW_TASK_DEAD) || BPF_CORE_READ(task, on_cpu))
    return;
  __u64 attached = sw_control_value(SW_CONTROL_ATTACHED);
  away->left_ns = attached;
  away->state = state;
  away->since_ns = attached;
  /* If it came back meanwhile, nobody was there to take the time. */
  if (sw_state_of(task) == SW_TASK_RUNNING || BPF_CORE_READ(task, on_cpu)) sw_away_take(away);
}

/* Counts what a task has been away so far, up to now. */
static __always_inline int sw_open(struct bpf_iter__task *ctx, bool user) {
  struct task_struct *task = ctx->task;
  if (!task) return 0;
  bool prime = sw_control_value(SW_CONTROL_PRIME);
  struct sw_away *away = prime ? sw_away_make(task) : sw_away_find(task);
  if (!away) return 0;
  if (prime) {
    sw_prime(task, away);
    return 0;
  }
  if (task->on_cpu) return 0; /* on its way back, or back without anybody having seen it */
  struct sw_interval interval = {.since_ns = away->since_ns, .until_ns = bpf_ktime_get_ns()};
  /* With a maximum it is not known yet whether the interval is wanted. */
  if (!interval.since_ns || sw_max_ns || !sw_wanted(task, away, &interval)) return 0;
  __u32 zero = 0;
  struct sw_traced_key *key = bpf_map_lookup_elem(&sw_open_key, &zero);
  if (!key) return 0;
  __builtin_memset(key, 0, sizeof(*key));
  if (!sw_identify(task, &key->key)) return 0;

  struct sw_stack *stack = 0;
  key->key.stack = away->open_stack; /* it has not moved since the last window */
  if (!key->key.stack) {
    struct sw_walk *walk = sw_scratch_at(SW_SCRATCH_ITERATOR);
    if (!walk) return 0;
    stack = &walk->stack;
    stack->head.flags = 0;
    stack->head.kernel_frames = 0;
    stack->head.user_frames = 0;
    long bytes = bpf_get_task_stack(task, stack->frame, sizeof(__u64) * SW_MAX_FRAMES, 0);
    if (bytes > 0)
      stack->head.kernel_frames = sw_frames(bytes);
    else
      stack->head.flags |= SW_KERNEL_UNREADABLE;
    stack->head.end = SW_END_NO_USER;
    if (sw_has_user_part(task)) {
      if (user) {
        sw_unwind_other(walk, task);
      } else {
        stack->head.flags |= SW_USER_UNREADABLE;
        stack->head.end = SW_END_NOT_TAKEN;
      }
    }
    stack->head.tgid = key->key.tgid;
    key->key.stack = stack->head.hash = sw_hash(stack);
  }
  if (user && sw_has_user_part(task)) sw_trace_of_other(task, key);
  /* Only now: if the task has not come back until here, stack and trace are what it waits with. */
  if (!sw_away_take_until(away, interval.since_ns, interval.until_ns)) return 0;
  __u64 hash = key->key.stack;
  bool counted = sw_count_interval(task, &interval, key, stack);
  /* A table may be there by the next window: then the stack is taken anew. */
  bool lacking = stack && stack->head.end == SW_END_NO_TABLE;
  away->open_stack = counted && !lacking ? hash : 0;
  return 0;
}

SEC("iter.s/task")
int sw_open_sleepable(struct bpf_iter__task *ctx) { return sw_open(ctx, true); }

SEC("iter/task")
int sw_open_kernel_part(struct bpf_iter__task *ctx) { return sw_open(ctx, false); }

/* Where the scheduler's own code is: /proc/kallsyms tells it too, but after writing all names before it, 50
 * ms. */
SEC("syscall")
int sw_find_scheduler(struct sw_range *range) {
  __u64 from = 0, to = 0;
  bpf_kallsyms_lookup_name("__sched_text_start", sizeof "__sched_text_start", 0, &from);
  bpf_kallsyms_lookup_name("__sched_text_end", sizeof "__sched_text_end", 0, &to);
  range->from = from;
  range->to = to;
  return 0;
}
#endif

char LICENSE[] SEC("license") = "Dual BSD/GPL";
