/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long a task that could run waited for a CPU. The scheduler keeps since when (sched_info, for
 * /proc/PID/schedstat), so one look at a switch is enough: nothing is to be remembered at a wakeup. A task
 * that is moved to another queue while it waits counts from there.
 */
#include "latency.h"

SEC("tp_btf/sched_switch")
int BPF_PROG(sw_runqlat, bool preempt, struct task_struct *prev, struct task_struct *next) {
  __u64 queued = next->sched_info.last_queued;
  if (!queued) return 0; /* the idle task */
  /* Every task has a place among the fair ones, whatever its class; and the clock is the one of `queued`. */
  __s64 ns = next->se.cfs_rq->rq->clock - queued;
  if (ns < 0) ns = 0; /* clocks of CPUs differ by a little */
  sw_count_latency(sw_cgroup_of_known(next), 0, 0, ns);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
