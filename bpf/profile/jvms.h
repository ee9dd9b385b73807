/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Java virtual machines that user space has described, by process. All objects share them. */
#pragma once

#include "../kernel.h"
#include "jvm.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, SW_JVMS);
  __type(key, __u32);
  __type(value, struct sw_jvm);
} sw_jvms SEC(".maps");

/* What is known of the process; null also for a description that was another process's of this number. */
static __always_inline struct sw_jvm *sw_find_jvm(__u32 tgid, __u64 start) {
  struct sw_jvm *jvm = bpf_map_lookup_elem(&sw_jvms, &tgid);
  return jvm && jvm->start == start ? jvm : 0;
}
