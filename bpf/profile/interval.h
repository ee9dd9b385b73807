/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the time that a task was away to rows: what is wanted of it, and how it splits into phases. */
#pragma once

#include "away.h"
#include "counts.h"
#include "take.h"
#include "tasks.h"
#include "trace.h"

/* Nanoseconds that a task must have been away, from leaving the CPU to being back on it; no maximum if that
 * is 0. */
const volatile __u64 sw_min_ns = 0;
const volatile __u64 sw_max_ns = 0;
/* Task states that count as blocked; 0: all. */
const volatile __u32 sw_state_mask = 0;
/* Bit 1 << enum sw_phase: phases that are wanted. */
const volatile __u32 sw_phases = 7;

struct sw_interval {
  __u64 since_ns; /* what is to be counted: from here */
  __u64 until_ns; /* to here */
  __u64 woken_ns;
  __u32 tid;
  __u32 state;
};

/* Kernel threads wait for work most of their life; nobody is held up by it. In state D without NOLOAD
 * somebody is. */
static __always_inline bool sw_waits_for_work(struct task_struct *task, __u32 state) {
  return (BPF_CORE_READ(task, flags) & SW_PF_KTHREAD) && state &&
         (!(state & SW_TASK_UNINTERRUPTIBLE) || (state & SW_TASK_NOLOAD));
}

/*
 * Decides by the whole time away whether it is wanted, and fills `interval` with the part from `since_ns` on
 * that nobody has counted yet. `until_ns` is now.
 */
static __always_inline bool sw_wanted(struct task_struct *task, struct sw_away *away,
                                      struct sw_interval *interval) {
  __u64 left = away->left_ns, now = interval->until_ns, since = interval->since_ns;
  __u32 state = away->state;
  interval->woken_ns = away->woken_ns;
  interval->state = state;
  interval->tid = BPF_CORE_READ(task, pid);
  if (sw_waits_for_work(task, state)) {
    if (!interval->woken_ns) return false;
    left = interval->woken_ns;
    if (since < left) since = interval->since_ns = left;
  }
  if (now < since || since < left || left < sw_control_value(SW_CONTROL_ATTACHED)) {
    sw_count_as(SW_LOST_BAD_DELTA, 1);
    return false;
  }
  if (now - left < sw_min_ns) {
    sw_count_as(SW_SKIPPED_SHORT, 1);
    return false;
  }
  if (sw_max_ns && now - left > sw_max_ns) {
    sw_count_as(SW_SKIPPED_LONG, 1);
    return false;
  }
  if (sw_state_mask && state && !(state & sw_state_mask)) {
    sw_count_as(SW_SKIPPED_STATE, 1);
    return false;
  }
  if (!state) return sw_phases & 1 << SW_PREEMPTED;
  return sw_phases & (1 << SW_BLOCKED | 1 << SW_RUNQUEUE);
}

static __noinline bool sw_count_phase(struct sw_traced_key *key, struct sw_hit *hit, struct sw_stack *stack,
                                      __u32 phase) {
  if (!key || !hit) return false;
  if (!(sw_phases & 1 << (phase & 3)) || !hit->ns) return true;
  key->key.phase = phase;
  return sw_count(key, hit, stack);
}

/* Counts the phases of an interval under one stack; `stack` null: user space has it. False if there was no
 * room. */
static __noinline bool sw_count_interval(struct task_struct *task, const struct sw_interval *interval,
                                         struct sw_traced_key *key, struct sw_stack *stack) {
  if (!interval || !key) return false;
  __u64 since = interval->since_ns, until = interval->until_ns, woken = interval->woken_ns;
  struct sw_hit hit = {.count = 1, .now = until, .task = task};
  key->key.kind = SW_OFF_CPU;
  if (!interval->state) {
    hit.ns = until - since;
    return sw_count_phase(key, &hit, stack, SW_PREEMPTED);
  }
  __u64 runnable = woken ? woken : until;
  if (runnable < since) runnable = since; /* the time up to here was counted in an earlier window */
  if (runnable > until) runnable = until;
  hit.ns = until - runnable;
  bool room = sw_count_phase(key, &hit, stack, SW_RUNQUEUE);
  /* The state is the blocked time's; waiting for a CPU is the same whatever came before. */
  key->key.state = interval->state & SW_TASK_STATES;
  if (interval->state & SW_TASK_RTLOCK_WAIT) key->key.state |= SW_TASK_UNINTERRUPTIBLE;
  hit.ns = runnable - since;
  return sw_count_phase(key, &hit, stack, SW_BLOCKED) && room;
}
