/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maps that every profiling object has. `sw_control`, `sw_scope_*` and `sw_excluded` are one and the same in
 * all objects (the loader hands the descriptors on); the others are each object's own, so that a flood of
 * off-CPU rows cannot crowd out on-CPU ones.
 */
#pragma once

#include "../kernel.h"
#include "sample.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, SW_CONTROLS);
  __type(key, __u32);
  __type(value, __u64);
} sw_control SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u64);
  __type(value, __u8);
} sw_scope_cgroups SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, __u32);
  __type(value, __u8);
} sw_scope_tgids SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u8);
} sw_excluded SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SW_COUNTERS);
  __type(key, __u32);
  __type(value, __u64);
} sw_counters SEC(".maps");

static __always_inline void sw_count_as(enum sw_counter counter, __u64 n) {
  __u32 row = counter;
  __u64 *cell = bpf_map_lookup_elem(&sw_counters, &row);
  if (cell) *cell += n;
}

static __always_inline __u64 sw_control_value(enum sw_control control) {
  __u32 row = control;
  __u64 *value = bpf_map_lookup_elem(&sw_control, &row);
  return value ? *value : 0;
}
