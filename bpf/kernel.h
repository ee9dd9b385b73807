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

struct super_block {
  __u32 s_dev;
};

struct inode {
  struct super_block *i_sb;
  unsigned long i_ino;
  __u32 i_generation;
};

struct file {
  struct inode *f_inode;
};

struct mm_struct;

struct vm_area_struct {
  unsigned long vm_start;
  unsigned long vm_end;
  struct mm_struct *vm_mm;
  unsigned long vm_flags;
  unsigned long vm_pgoff;
  struct file *vm_file;
};

struct maple_tree {
  void *ma_root;
};

struct maple_metadata {
  unsigned char end;
};

struct maple_range_64 {
  unsigned long pivot[15];
  void *slot[16];
  struct maple_metadata meta;
};

struct maple_arange_64 {
  unsigned long pivot[9];
  void *slot[10];
  struct maple_metadata meta;
};

typedef struct {
  void *vdso;
} mm_context_t;

struct mm_struct {
  struct maple_tree mm_mt;
  mm_context_t context;
};

struct rb_node {
  struct rb_node *rb_right;
  struct rb_node *rb_left;
};

struct rb_root {
  struct rb_node *rb_node;
};

/* Before 6.1 areas were in a red-black tree. */
struct mm_struct___before_6_1 {
  struct rb_root mm_rb;
};

struct vm_area_struct___before_6_1 {
  struct rb_node vm_rb;
};

#if defined(__TARGET_ARCH_x86)
struct thread_struct {
  unsigned long fsbase;
};
#define SW_THREAD_POINTER(task) BPF_CORE_READ(task, thread.fsbase)
#else
struct thread_struct {
  struct {
    unsigned long tp_value;
  } uw;
};
#define SW_THREAD_POINTER(task) BPF_CORE_READ(task, thread.uw.tp_value)
#endif

/* With CONFIG_SCHED_INFO. Nanoseconds of the run queue's clock. */
struct sched_info {
  unsigned long long last_queued; /* 0: it does not wait */
};

struct rq {
  __u64 clock;
};

/* With CONFIG_FAIR_GROUP_SCHED. */
struct cfs_rq {
  struct rq *rq;
};

struct sched_entity {
  struct cfs_rq *cfs_rq;
};

struct task_struct {
  unsigned int __state;
  unsigned int flags;
  int on_cpu;
  int pid;
  int tgid;
  __u64 start_time;
  __u64 start_boottime;
  __u64 self_exec_id;
  char comm[16];
  struct task_struct *group_leader;
  struct css_set *cgroups;
  struct signal_struct *signal;
  struct mm_struct *mm;
  struct thread_struct thread;
  struct sched_info sched_info;
  struct sched_entity se;
};

/* Before 5.14 the member was `volatile long state`. */
struct task_struct___before_5_14 {
  long state;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
  unsigned long r13;
  unsigned long bp;
  unsigned long orig_ax;
  unsigned long ip;
  __u16 cs;
  unsigned long sp;
};
#define SW_REGS_IP(regs) BPF_CORE_READ(regs, ip)
#define SW_REGS_SP(regs) BPF_CORE_READ(regs, sp)
#define SW_REGS_FP(regs) BPF_CORE_READ(regs, bp)
#define SW_REGS_LR(regs) 0
#define SW_REGS_BYTECODE(regs) BPF_CORE_READ(regs, r13)        /* HotSpot's interpreter: the next bytecode */
#define SW_REGS_32_BIT(regs) (BPF_CORE_READ(regs, cs) == 0x23) /* __USER32_CS */
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
  __u64 regs[31];
  __u64 sp;
  __u64 pc;
  __u64 pstate;
  int syscallno;
};
#define SW_REGS_IP(regs) BPF_CORE_READ(regs, pc)
#define SW_REGS_SP(regs) BPF_CORE_READ(regs, sp)
#define SW_REGS_FP(regs) BPF_CORE_READ(regs, regs[29])
#define SW_REGS_LR(regs) BPF_CORE_READ(regs, regs[30])
#define SW_REGS_BYTECODE(regs) BPF_CORE_READ(regs, regs[22])
#define SW_REGS_32_BIT(regs) (BPF_CORE_READ(regs, pstate) & 16) /* PSR_MODE32_BIT */
#else
#error "only x86-64 and arm64 are known"
#endif

struct blkcg {
  struct cgroup_subsys_state css;
};

struct blkcg_gq {
  struct blkcg *blkcg;
};

struct bio {
  struct blkcg_gq *bi_blkg;
};

struct gendisk {
  int major;
  int first_minor;
};

struct request_queue {
  struct gendisk *disk;
};

struct request {
  struct request_queue *q;
  struct bio *bio;
  __u64 start_time_ns;
};

/* Before 5.17. */
struct request___before_5_17 {
  struct gendisk *rq_disk;
};

struct bpf_iter_meta {
  __u64 session_id;
};

struct bpf_iter__task {
  struct bpf_iter_meta *meta;
  struct task_struct *task;
};

struct bpf_iter__task_vma {
  struct bpf_iter_meta *meta;
  struct task_struct *task;
  struct vm_area_struct *vma;
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
#define SW_VM_EXEC 0x4 /* include/linux/mm.h */
