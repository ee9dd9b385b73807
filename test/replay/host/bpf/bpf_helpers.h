/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stands in for libbpf's header of this name: the helpers are functions of test/replay/helpers.h. */
#pragma once

#include <linux/types.h>

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))

#define SEC(name)
#define barrier_var(place)
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define __array(name, value) typeof(value) *name[]

struct task_struct;

static void *bpf_map_lookup_elem(void *map, const void *key);
static long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
static long bpf_map_delete_elem(void *map, const void *key);
static long bpf_ringbuf_output(void *ring, void *record, __u64 size, __u64 flags);
static long bpf_probe_read_user(void *to, __u32 size, const void *from);
static long bpf_copy_from_user_task(void *to, __u32 size, const void *from, struct task_struct *task,
                                    __u64 flags);
static long bpf_probe_read_kernel(void *to, __u32 size, const void *from);
static long bpf_get_stack(void *context, void *to, __u32 size, __u64 flags);
static struct task_struct *bpf_get_current_task_btf(void);
static long bpf_task_pt_regs(struct task_struct *task);
static long bpf_loop(__u32 count, void *function, void *context, __u64 flags);
