/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keeps the set of processes in scope: children come in, and whoever exits goes. Attached only while it is
 * asked for. */
#include "jvms.h"
#include "maps.h"
#include "tables.h"

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sw_scope_fork, struct task_struct *parent, struct task_struct *child) {
  __u32 tgid = parent->tgid;
  if (!bpf_map_lookup_elem(&sw_scope_tgids, &tgid)) return 0;
  __u32 new_tgid = child->tgid;
  if (new_tgid == tgid) return 0; /* a thread */
  __u8 one = 1;
  if (bpf_map_update_elem(&sw_scope_tgids, &new_tgid, &one, BPF_ANY)) sw_count_as(SW_LOST_PROCESSES_FULL, 1);
  return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sw_scope_exit, struct task_struct *task) {
  /* The main thread may end before the others; do_exit() has counted `live` down before it comes here. */
  if (task->signal->live.counter > 0) return 0;
  __u32 tgid = task->tgid;
  bpf_map_delete_elem(&sw_scope_tgids, &tgid);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
