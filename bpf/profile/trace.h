/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a thread works on: trace and span of its OpenTelemetry context, as its process publishes them. A
 * process that publishes nothing costs a look at a number, or, where others publish, one look-up. Whatever is
 * read is the process's own word: it can be gone, or nonsense, and then the sample goes without.
 *
 * The thread pointer is as it was when the thread last left a CPU or made a system call for it: programs set
 * it once.
 */
#pragma once

#include "jvm.h"
#include "maps.h"
#include "publisher.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, SW_PUBLISHERS);
  __type(key, __u32);
  __type(value, struct sw_publisher);
} sw_publishers SEC(".maps");

/* More modules than any process has. */
#define SW_MODULES 65536

/* Reads the memory of the current task, or of another one (in sleepable programs). */
static __always_inline bool sw_trace_read(void *to, __u32 size, __u64 from, struct task_struct *other) {
#ifndef SW_KERNEL_5_8
  if (other) return !bpf_copy_from_user_task(to, size, (void *)from, other, 0);
#endif
  return !bpf_probe_read_user(to, size, (void *)from);
}

/* Where the thread has the variable; 0: nowhere. True if that is known. */
static __always_inline bool sw_variable_of(struct task_struct *task, const struct sw_publisher *publisher,
                                           __u64 *at, struct task_struct *other) {
  __u64 pointer = SW_THREAD_POINTER(task);
  *at = pointer + publisher->offset;
  if (!publisher->module) return true;
  __u64 vector, count, block;
  if (!sw_trace_read(&vector, sizeof(vector), pointer + publisher->vector, other)) return false;
  if (!sw_trace_read(&count, sizeof(count), vector + publisher->count, other)) return false;
  *at = 0;
  /* A thread gets the block when it first uses the variable, and the room for its entry too. */
  if (publisher->module > count || count > SW_MODULES) return true;
  if (!sw_trace_read(&block, sizeof(block), vector + (__u64)publisher->module * publisher->entry, other))
    return false;
  if (block && block != ~0ull) *at = block + publisher->offset;
  return true;
}

static __always_inline bool sw_has_exec_ed(struct sw_publisher *publisher, const struct sw_key *key) {
  __u64 exec = (__u64)key->exec + 1;
  if (!publisher->exec) publisher->exec = exec;
  return publisher->exec != exec;
}

/* Fills in the key's trace, which is all 0 before, and stays so where nothing is known. */
static __always_inline void sw_trace_of(struct task_struct *task, struct sw_traced_key *key,
                                        struct task_struct *other) {
  __u32 tgid = key->key.tgid;
  struct sw_publisher *publisher = bpf_map_lookup_elem(&sw_publishers, &tgid);
  if (!publisher || publisher->start != BPF_CORE_READ(task, group_leader, start_boottime) / SW_TICK_NS ||
      sw_has_exec_ed(publisher, &key->key) || !BPF_CORE_READ(task, mm))
    return;
  struct sw_trace_record record;
  __u64 at;
  if (!sw_variable_of(task, publisher, &at, other)) goto unreadable;
  if (!at) return;
  if (!sw_trace_read(&at, sizeof(at), at, other)) goto unreadable;
  if (!at) return; /* it works on nothing */
  if (!sw_trace_read(&record, sizeof(record), at, other)) goto unreadable;
  if (!record.valid) return;
  bool traced = record.trace.trace[0] || record.trace.trace[1];
  if (record.valid == 1 && !traced && !record.trace.span) return; /* attributes only */
  if (record.valid == 1 && traced && record.trace.span)
    key->trace = record.trace;
  else
    sw_count_as(SW_UNTRACED_INVALID, 1);
  return;
unreadable:
  sw_count_as(SW_UNTRACED_UNREADABLE, 1);
}

static __noinline int sw_read_trace_of_current(struct task_struct *task, struct sw_traced_key *key) {
  if (key) sw_trace_of(task, key, 0);
  return 0;
}

static __always_inline void sw_trace_of_current(struct task_struct *task, struct sw_traced_key *key) {
  if (sw_control_value(SW_CONTROL_PUBLISHERS)) sw_read_trace_of_current(task, key);
}

#ifndef SW_KERNEL_5_8
static __noinline int sw_read_trace_of_other(struct task_struct *task, struct sw_traced_key *key) {
  if (key) sw_trace_of(task, key, task);
  return 0;
}

/* Of a task that waits; in sleepable programs. */
static __always_inline void sw_trace_of_other(struct task_struct *task, struct sw_traced_key *key) {
  if (sw_control_value(SW_CONTROL_PUBLISHERS)) sw_read_trace_of_other(task, key);
}
#endif
