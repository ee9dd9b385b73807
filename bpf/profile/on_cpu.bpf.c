/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One sample each time a CPU's software clock has run for a period. */
#include "counts.h"
#include "take.h"
#include "tasks.h"
#include "trace.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct sw_walk);
} sw_scratch SEC(".maps");

SEC("perf_event")
int sw_on_cpu(void *ctx) {
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  struct sw_traced_key key = {.key.kind = SW_ON_CPU};
  if (BPF_CORE_READ(task, pid) == 0) {
    sw_count_as(SW_SKIPPED_IDLE, 1);
    return 0;
  }
  if (!sw_identify(task, &key.key)) return 0;

  __u32 zero = 0;
  struct sw_walk *walk = bpf_map_lookup_elem(&sw_scratch, &zero);
  if (!walk) return 0; /* cannot be: the array has this row */
  struct sw_stack *stack = &walk->stack;
  bool user = !(BPF_CORE_READ(task, flags) & SW_PF_KTHREAD);
  sw_take_stack(ctx, walk, true, user);
  stack->head.tgid = key.key.tgid;
  key.key.stack = stack->head.hash = sw_hash(stack);
  struct sw_hit hit = {.count = 1, .now = bpf_ktime_get_ns(), .task = task};
  if (user) sw_trace_of_current(task, &key);
  sw_count(&key, &hit, stack);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
