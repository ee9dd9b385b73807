/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which cgroup a task is in. */
#pragma once

#include "hierarchy.h"
#include "kernel.h"

/* enum sw_hierarchy */
const volatile __u32 sw_cgroup_hierarchy = SW_CGROUP_V2;

/*
 * The place of a controller in css_set.subsys, which depends on the kernel's configuration. The branches are
 * constants at load: the verifier sees one of them, so a controller that this kernel lacks is no error unless
 * it is asked for.
 */
static __always_inline __u32 sw_controller_row(void) {
  if (sw_cgroup_hierarchy == SW_CGROUP_CPU)
    return bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id);
  else if (sw_cgroup_hierarchy == SW_CGROUP_MEMORY)
    return bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
  else if (sw_cgroup_hierarchy == SW_CGROUP_CPUACCT)
    return bpf_core_enum_value(enum cgroup_subsys_id, cpuacct_cgrp_id);
  else
    return bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
}

static __always_inline __u64 sw_cgroup_of(struct task_struct *task) {
  struct css_set *cgroups = BPF_CORE_READ(task, cgroups);
  if (sw_cgroup_hierarchy == SW_CGROUP_V2) return BPF_CORE_READ(cgroups, dfl_cgrp, kn, id);

  struct cgroup_subsys_state **subsys = __builtin_preserve_access_index(&cgroups->subsys[0]);
  struct cgroup_subsys_state *state = 0;
  bpf_probe_read_kernel(&state, sizeof(state), subsys + sw_controller_row());
  return BPF_CORE_READ(state, cgroup, kn, id);
}

/*
 * The same in programs that the verifier knows the type of `task` in (tp_btf): plain loads, a tenth of the
 * time.
 */
static __always_inline __u64 sw_cgroup_of_known(struct task_struct *task) {
  struct css_set *cgroups = task->cgroups;
  if (sw_cgroup_hierarchy == SW_CGROUP_V2) return cgroups->dfl_cgrp->kn->id;
  struct cgroup_subsys_state **subsys = __builtin_preserve_access_index(&cgroups->subsys[0]);
  struct cgroup_subsys_state *state = subsys[sw_controller_row()];
  return state->cgroup->kn->id;
}
