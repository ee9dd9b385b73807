/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stands in for libbpf's header of this name. The kernel's types are laid out as bpf/kernel.h writes them
 * down, but for what an older kernel has elsewhere: that has a place of its own in the same objects.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Where members of `..___before_...` types begin that share an object with their newer forms. */
#define SW_HOST_BEFORE 64

/* Areas are in a red-black tree, as before 6.1. */
static bool sw_host_before_6_1;

#define bpf_core_field_exists(...) (!(sw_host_before_6_1 && strstr(#__VA_ARGS__, "mm_mt")))
#define bpf_core_field_offset(type, field) \
  (offsetof(type, field) + (strstr(#type, "___before_") ? SW_HOST_BEFORE : 0))
#define bpf_core_enum_value_exists(...) true
#define __builtin_preserve_access_index(place) (place)

/* As bpf_core_read(): zeroes where nothing can be read. */
#define SW_HOST_READ(from, member)                                                                          \
  ({                                                                                                        \
    typeof((from)->member) value_;                                                                          \
    const char *place_ = (const char *)(from) + offsetof(typeof(*(from)), member);                          \
    if (bpf_probe_read_kernel(&value_, sizeof(value_), place_)) memset((void *)&value_, 0, sizeof(value_)); \
    value_;                                                                                                 \
  })
#define SW_HOST_READ_1(from, a) SW_HOST_READ(from, a)
#define SW_HOST_READ_2(from, a, b)                    \
  ({                                                  \
    typeof((from)->a) first_ = SW_HOST_READ(from, a); \
    SW_HOST_READ(first_, b);                          \
  })
#define SW_HOST_CHOOSE(a, b, name, ...) name
#define BPF_CORE_READ(from, ...) \
  SW_HOST_CHOOSE(__VA_ARGS__, SW_HOST_READ_2, SW_HOST_READ_1, 0)(from, __VA_ARGS__)
