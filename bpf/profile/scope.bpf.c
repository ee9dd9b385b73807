/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keeps the set of processes in scope: children come in, and whoever exits goes. Attached only while it is
 * asked for. */
#include "area.h"
#include "jvms.h"
#include "maps.h"
#include "tables.h"
#include "tasks.h"
#include "trace.h"

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

/*
 * Asks for the tables of all that the scope has mapped. Otherwise they are asked for when a stack runs
 * through a file for the first time, and of a process that seldom runs most stacks are first ones.
 */
SEC("iter/task_vma")
int sw_want_tables(struct bpf_iter__task_vma *ctx) {
  struct task_struct *task = ctx->task;
  struct vm_area_struct *area = ctx->vma;
  if (!task || !area || !(area->vm_flags & SW_VM_EXEC)) return 0;
  struct file *file = area->vm_file;
  if (!file) return 0;
  struct sw_wanted record = {.start = area->vm_start,
                             .end = area->vm_end,
                             .offset = area->vm_pgoff << sw_page_shift,
                             .tgid = task->tgid};
  __u64 scope = sw_control_value(SW_CONTROL_SCOPE);
  if (scope == SW_SCOPE_PROCESSES) {
    if (!bpf_map_lookup_elem(&sw_scope_tgids, &record.tgid)) return 0;
  } else {
    __u64 cgroup = sw_cgroup_of(task);
    if (!bpf_map_lookup_elem(&sw_scope_cgroups, &cgroup)) return 0;
  }
  sw_identify_file(file, &record.file);
  sw_ask_for_table(&record, sw_control_value(SW_CONTROL_WINDOW));
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
