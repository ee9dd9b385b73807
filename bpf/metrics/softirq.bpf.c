/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long a softirq waited from being raised to being run, by vector; each on the CPU that raised it. */
#include "latency.h"

#define SW_VECTORS 10 /* include/linux/interrupt.h, NR_SOFTIRQS */

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SW_VECTORS);
  __type(key, __u32);
  __type(value, __u64);
} sw_raised SEC(".maps");

SEC("tp_btf/softirq_raise")
int BPF_PROG(sw_softirq_raise, unsigned int vector) {
  __u64 *since = bpf_map_lookup_elem(&sw_raised, &vector);
  if (since && !*since) *since = bpf_ktime_get_ns(); /* raised again before it ran: the first counts */
  return 0;
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(sw_softirq_entry, unsigned int vector) {
  __u64 *since = bpf_map_lookup_elem(&sw_raised, &vector);
  if (!since || !*since) return 0;
  __u64 ns = bpf_ktime_get_ns() - *since;
  *since = 0;
  sw_count_latency(0, vector, 0, ns);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
