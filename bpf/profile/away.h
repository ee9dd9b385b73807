/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is remembered of a task while it is off the CPU, and who owns the time of it.
 *
 * The task that comes back and the iterator that counts open intervals may meet. `since_ns` settles it:
 * whoever swaps it away owns the time from there on, so nothing is counted twice and nothing is left out.
 */
#pragma once

#include "maps.h"

struct sw_away {
  __u64 since_ns;   /* start of the time that nobody has counted yet; 0 while the task runs */
  __u64 left_ns;    /* when it left the CPU */
  __u64 woken_ns;   /* when it was woken; 0: not yet */
  __u64 open_stack; /* hash of its stack if an open interval was counted with it; 0: none */
  __u32 state;      /* enum as in the kernel; SW_TASK_RUNNING: it was preempted */
  __u32 fresh;      /* it has never run */
};

#ifdef SW_KERNEL_5_8
/*
 * Before 5.11 tracing programs have no task storage, and before 5.12 no atomics that give back a value. There
 * entries are kept by thread id and freed when the task dies; open intervals are not counted there, so nobody
 * races for since_ns.
 */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 32768);
  __type(key, __u32);
  __type(value, struct sw_away);
} sw_tasks SEC(".maps");

static __always_inline struct sw_away *sw_away_find(struct task_struct *task) {
  __u32 tid = task->pid;
  return bpf_map_lookup_elem(&sw_tasks, &tid);
}

static __always_inline struct sw_away *sw_away_make(struct task_struct *task) {
  struct sw_away *away = sw_away_find(task);
  if (away) return away;
  __u32 tid = task->pid;
  struct sw_away none = {};
  bpf_map_update_elem(&sw_tasks, &tid, &none, BPF_NOEXIST);
  return bpf_map_lookup_elem(&sw_tasks, &tid);
}

static __always_inline void sw_away_forget(struct task_struct *task) {
  __u32 tid = task->pid;
  bpf_map_delete_elem(&sw_tasks, &tid);
}

static __always_inline __u64 sw_away_take(struct sw_away *away) {
  __u64 since = away->since_ns;
  away->since_ns = 0;
  return since;
}
#else
struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct sw_away);
} sw_tasks SEC(".maps");

static __always_inline struct sw_away *sw_away_find(struct task_struct *task) {
  return bpf_task_storage_get(&sw_tasks, task, 0, 0);
}

static __always_inline struct sw_away *sw_away_make(struct task_struct *task) {
  return bpf_task_storage_get(&sw_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/* The kernel frees it with the task. */
static __always_inline void sw_away_forget(struct task_struct *task) {}

static __always_inline __u64 sw_away_take(struct sw_away *away) {
  return __sync_lock_test_and_set(&away->since_ns, 0);
}

/* The iterator takes the time up to `now` and leaves the rest. False if the task came back first. */
static __always_inline bool sw_away_take_until(struct sw_away *away, __u64 since, __u64 now) {
  return __sync_val_compare_and_swap(&away->since_ns, since, now) == since;
}
#endif
