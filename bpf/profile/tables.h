/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The unwind tables in the kernel: which file has which, and the rule for a place in it. All objects share
 * them. */
#pragma once

#include "maps.h"
#include "table.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, struct sw_file);
  __type(value, struct sw_table);
} sw_files SEC(".maps");

/* The loader knows whether this kernel can (bpf_task_pt_regs is 5.15), and whether it is wanted. */
const volatile bool sw_unwinds = false;

/* Files without a table, for user space. */
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} sw_wanted_tables SEC(".maps");

struct sw_slab {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, SW_SLAB_BLOCKS);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, SW_BLOCK_BYTES);
};

/* The loader sets how many there may be. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 1);
  __type(key, __u32);
  __array(values, struct sw_slab);
} sw_slabs SEC(".maps");

/*
 * Rules that were looked up lately, on this CPU: the same return addresses come again and again, and each
 * would cost a dozen cache lines of its table. Not for programs that another of the same object can
 * interrupt.
 */
#define SW_RECENT_RULES 2048
struct sw_recent_rule {
  __u32 root, offset, rule;
  __u32 epoch; /* SW_CONTROL_EPOCH: blocks of another time may be another file's now */
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SW_RECENT_RULES);
  __type(key, __u32);
  __type(value, struct sw_recent_rule);
} sw_recent_rules SEC(".maps");

static __always_inline void *sw_block(__u32 number) {
  __u32 slab = number / SW_SLAB_BLOCKS, place = number % SW_SLAB_BLOCKS;
  void *blocks = bpf_map_lookup_elem(&sw_slabs, &slab);
  return blocks ? bpf_map_lookup_elem(blocks, &place) : 0;
}

/* The rule for a file offset. Search by halves: of 680 rows, ten comparisons. */
static __noinline __u32 sw_rule_at(__u32 block, __u32 levels, __u64 offset) {
  for (int level = 1; level < SW_TABLE_LEVELS; level++) {
    if (levels <= 1) break;
    levels--;
    struct sw_inner *inner = sw_block(block);
    if (!inner) return SW_RULE_NONE;
    __u32 children = inner->children, at = 0;
    if (offset < inner->key[0]) return SW_RULE_NONE;
#pragma unroll
    for (__u32 step = 256; step; step >>= 1) {
      __u32 next = at + step;
      if (next < children && next < SW_INNER_CHILDREN && inner->key[next] <= offset) at = next;
    }
    if (at >= SW_INNER_CHILDREN) return SW_RULE_NONE;
    block = inner->child[at];
  }
  struct sw_leaf *leaf = sw_block(block);
  if (!leaf) return SW_RULE_NONE;
  __u64 within = offset - leaf->base;
  if (within > 0xffff) return SW_RULE_NONE;
  __u32 rows = leaf->rows, at = 0;
#pragma unroll
  for (__u32 step = 512; step; step >>= 1) {
    __u32 next = at + step;
    if (next < rows && next < SW_LEAF_ROWS && leaf->at[next] <= within) at = next;
  }
  return at < SW_LEAF_ROWS ? leaf->rule[at] : SW_RULE_NONE;
}

/* sw_rule_at() through sw_recent_rules. */
static __always_inline __u32 sw_recent_rule_at(__u32 root, __u32 levels, __u64 offset, __u32 epoch) {
  __u32 place = (((__u32)offset * 0x9e3779b1u) >> 21) ^ (root & (SW_RECENT_RULES - 1));
  struct sw_recent_rule *recent = bpf_map_lookup_elem(&sw_recent_rules, &place);
  if (!recent || offset > 0xffffffff) return sw_rule_at(root, levels, offset);
  if (recent->offset != (__u32)offset || recent->root != root || recent->epoch != epoch) {
    recent->rule = sw_rule_at(root, levels, offset);
    recent->offset = offset;
    recent->root = root;
    recent->epoch = epoch;
  }
  return recent->rule;
}
