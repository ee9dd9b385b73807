/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel types that our programs look into, and of them only the members that are used. Offsets come from
 * the running kernel's BTF at load (CO-RE), so the order here means nothing. A hand-written header keeps an
 * object at a few kilobytes and builds where there is no /sys/kernel/btf; a dumped vmlinux.h costs 650 kB an
 * object.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
  __u64 id;
};

struct cgroup {
  struct kernfs_node *kn;
};

struct cgroup_subsys_state {
  struct cgroup *cgroup;
};

struct css_set {
  struct cgroup_subsys_state *subsys[1];
  struct cgroup *dfl_cgrp;
};

typedef struct {
  int counter;
} atomic_t;

struct signal_struct {
  atomic_t live;
};

struct task_struct {
  unsigned int __state;
  unsigned int flags;
  int on_cpu;
  int pid;
  int tgid;
  __u64 start_time;
  __u64 self_exec_id;
  char comm[16];
  struct task_struct *group_leader;
  struct css_set *cgroups;
  struct signal_struct *signal;
};

/* Before 5.14 the member was `volatile long state`. */
struct task_struct___before_5_14 {
  long state;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
  unsigned long bp;
  unsigned long orig_ax;
  unsigned long ip;
  unsigned long sp;
};
#define SW_REGS_IP(regs) BPF_CORE_READ(regs, ip)
#define SW_REGS_SP(regs) BPF_CORE_READ(regs, sp)
#define SW_REGS_FP(regs) BPF_CORE_READ(regs, bp)
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
  __u64 regs[31];
  __u64 sp;
  __u64 pc;
  int syscallno;
};
#define SW_REGS_IP(regs) BPF_CORE_READ(regs, pc)
#define SW_REGS_SP(regs) BPF_CORE_READ(regs, sp)
#define SW_REGS_FP(regs) BPF_CORE_READ(regs, regs[29])
#else
#error "only x86-64 and arm64 are known"
#endif

struct bpf_iter_meta {
  __u64 session_id;
};

struct bpf_iter__task {
  struct bpf_iter_meta *meta;
  struct task_struct *task;
};

#pragma clang attribute pop

/* Only the names count: CO-RE takes the values from the running kernel, where they depend on its
 * configuration. */
enum cgroup_subsys_id {
  cpu_cgrp_id = 1,
  cpuacct_cgrp_id,
  memory_cgrp_id,
  pids_cgrp_id,
};

/* include/linux/sched.h; these have not changed since 5.8. */
#define SW_TASK_RUNNING 0x0000
#define SW_TASK_UNINTERRUPTIBLE 0x0002
#define SW_TASK_DEAD 0x0080
#define SW_TASK_WAKING 0x0200
#define SW_TASK_NOLOAD 0x0400
#define SW_TASK_RTLOCK_WAIT 0x1000
#define SW_TASK_STATES 0x00ff /* what ps shows a letter for */
#define SW_PF_KTHREAD 0x00200000
