/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who a task is: cgroup, scope, and the identity that samples are counted by. */
#pragma once

#include "../cgroup.h"
#include "maps.h"

/* Number of entries of sw_excluded: without any, no sample pays for looking. */
const volatile __u32 sw_excluded_count = 0;

/* Fills everything of the key but the stack and what is off-CPU only. False (and counted) if the task is not
 * wanted. */
static __always_inline bool sw_identify(struct task_struct *task, struct sw_key *key) {
  key->tgid = BPF_CORE_READ(task, tgid);
  key->tid = BPF_CORE_READ(task, pid);
  __u32 scope = sw_control_value(SW_CONTROL_SCOPE);
  if (scope == SW_SCOPE_PROCESSES && !bpf_map_lookup_elem(&sw_scope_tgids, &key->tgid)) {
    sw_count_as(SW_SKIPPED_SCOPE, 1);
    return false;
  }
  if (sw_excluded_count && bpf_map_lookup_elem(&sw_excluded, &key->tgid)) {
    sw_count_as(SW_SKIPPED_EXCLUDED, 1);
    return false;
  }
  key->cgroup = sw_cgroup_of(task);
  if (scope == SW_SCOPE_CGROUPS && !bpf_map_lookup_elem(&sw_scope_cgroups, &key->cgroup)) {
    sw_count_as(SW_SKIPPED_SCOPE, 1);
    return false;
  }
  key->start_ns = BPF_CORE_READ(task, group_leader, start_time);
  key->exec = (__u32)BPF_CORE_READ(task, self_exec_id);
  return true;
}
