/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who a task is: cgroup, scope, and the identity that samples are counted by. */
#pragma once

#include "maps.h"

/* Which cgroup a sample belongs to: enum sw_hierarchy. */
const volatile __u32 sw_cgroup_hierarchy = SW_CGROUP_V2;
/* Number of entries of sw_excluded: without any, no sample pays for looking. */
const volatile __u32 sw_excluded_count = 0;

/*
 * The place of a controller in css_set.subsys depends on the kernel's configuration. The branches are
 * constants at load: the verifier sees one of them, so a controller that this kernel lacks is no error unless
 * it is asked for.
 */
static __always_inline __u64 sw_cgroup_of(struct task_struct *task) {
  struct css_set *cgroups = BPF_CORE_READ(task, cgroups);
  if (sw_cgroup_hierarchy == SW_CGROUP_V2) return BPF_CORE_READ(cgroups, dfl_cgrp, kn, id);

  __u32 row;
  if (sw_cgroup_hierarchy == SW_CGROUP_CPU)
    row = bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id);
  else if (sw_cgroup_hierarchy == SW_CGROUP_MEMORY)
    row = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
  else if (sw_cgroup_hierarchy == SW_CGROUP_CPUACCT)
    row = bpf_core_enum_value(enum cgroup_subsys_id, cpuacct_cgrp_id);
  else
    row = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);

  struct cgroup_subsys_state **subsys = __builtin_preserve_access_index(&cgroups->subsys[0]);
  struct cgroup_subsys_state *state = 0;
  bpf_probe_read_kernel(&state, sizeof(state), subsys + row);
  return BPF_CORE_READ(state, cgroup, kn, id);
}

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
