/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long tasks were held up to free memory that they or others ask for: direct reclaim, reclaim within a
 * memory cgroup's limit, compaction; and how long kswapd works when it is woken.
 */
#include "latency.h"

enum sw_reclaim { SW_DIRECT = 0, SW_MEMCG = 1, SW_COMPACTION = 2, SW_KSWAPD = 3 };

struct sw_began {
  __u32 tid;
  __u32 kind;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, struct sw_began);
  __type(value, __u64);
} sw_since SEC(".maps");

static __always_inline int sw_begin(__u32 kind) {
  struct sw_began key = {.tid = (__u32)bpf_get_current_pid_tgid(), .kind = kind};
  __u64 now = bpf_ktime_get_ns();
  bpf_map_update_elem(&sw_since, &key, &now, BPF_NOEXIST); /* nested: the outermost counts */
  return 0;
}

static __always_inline int sw_end(__u32 kind) {
  struct sw_began key = {.tid = (__u32)bpf_get_current_pid_tgid(), .kind = kind};
  __u64 *since = bpf_map_lookup_elem(&sw_since, &key);
  if (!since) return 0;
  __u64 ns = bpf_ktime_get_ns() - *since;
  bpf_map_delete_elem(&sw_since, &key);
  sw_count_latency(kind == SW_KSWAPD ? 0 : sw_cgroup_of_known(bpf_get_current_task_btf()), kind, 0, ns);
  return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(sw_direct_begin) { return sw_begin(SW_DIRECT); }

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(sw_direct_end) { return sw_end(SW_DIRECT); }

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(sw_memcg_begin) { return sw_begin(SW_MEMCG); }

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(sw_memcg_end) { return sw_end(SW_MEMCG); }

SEC("tp_btf/mm_compaction_begin")
int BPF_PROG(sw_compaction_begin) { return sw_begin(SW_COMPACTION); }

SEC("tp_btf/mm_compaction_end")
int BPF_PROG(sw_compaction_end) { return sw_end(SW_COMPACTION); }

SEC("tp_btf/mm_vmscan_kswapd_wake")
int BPF_PROG(sw_kswapd_wake) { return sw_begin(SW_KSWAPD); }

SEC("tp_btf/mm_vmscan_kswapd_sleep")
int BPF_PROG(sw_kswapd_sleep) { return sw_end(SW_KSWAPD); }

char LICENSE[] SEC("license") = "Dual BSD/GPL";
