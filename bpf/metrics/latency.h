/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long things took, counted for each cgroup (and what else there is to tell apart) in buckets that suit
 * the subject. Rows are per CPU: no CPU waits for another.
 */
#pragma once

#include "../cgroup.h"

#define SW_BUCKETS 12

/* Upper bounds of the buckets but the last, ns, ascending; what is longer than all falls into the last. */
const volatile __u64 sw_bounds[SW_BUCKETS - 1] = {};

struct sw_latency_key {
  __u64 cgroup; /* 0: of no one in particular */
  __u32 what;   /* what the program tells apart: a vector, a disk, … */
  __u32 stage;  /* and of it */
};

struct sw_latency {
  __u64 ns;
  __u64 bucket[SW_BUCKETS];
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 4096);
  __type(key, struct sw_latency_key);
  __type(value, struct sw_latency);
} sw_latencies SEC(".maps");

/* What found no row. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct sw_latency);
} sw_others SEC(".maps");

static __always_inline void sw_add_latency(struct sw_latency *row, __u64 ns) {
  __u32 bucket = SW_BUCKETS - 1;
  for (__u32 i = 0; i < SW_BUCKETS - 1; i++)
    if (ns <= sw_bounds[i]) {
      bucket = i;
      break;
    }
  row->ns += ns;
  row->bucket[bucket]++;
}

static __always_inline void sw_count_latency(__u64 cgroup, __u32 what, __u32 stage, __u64 ns) {
  static const struct sw_latency nothing;
  struct sw_latency_key key = {.cgroup = cgroup, .what = what, .stage = stage};
  struct sw_latency *row = bpf_map_lookup_elem(&sw_latencies, &key);
  if (!row) {
    bpf_map_update_elem(&sw_latencies, &key, &nothing, BPF_NOEXIST);
    row = bpf_map_lookup_elem(&sw_latencies, &key);
  }
  if (!row) {
    __u32 zero = 0;
    row = bpf_map_lookup_elem(&sw_others, &zero);
    if (!row) return; /* cannot be: the array has this row */
  }
  sw_add_latency(row, ns);
}
