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

/* Asks user space for the table of `record->file`, which has none, unless somebody else has. */
static __always_inline void sw_ask_for_table(const struct sw_wanted *record, __u32 window) {
  struct sw_file file = record->file;
  struct sw_table wanted = {.state = SW_TABLE_WANTED, .used = window};
  long error = bpf_map_update_elem(&sw_files, &file, &wanted, BPF_NOEXIST);
  if (error == -17) return; /* EEXIST */
  if (error) {
    sw_count_as(SW_LOST_FILES_FULL, 1);
    return;
  }
  if (bpf_ringbuf_output(&sw_wanted_tables, (void *)record, sizeof(*record), BPF_RB_NO_WAKEUP)) {
    bpf_map_delete_elem(&sw_files, &file);
    sw_count_as(SW_LOST_WANTED_FULL, 1);
  }
}

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

/*
 * 1 if a < b, both less than 2^63; without a branch. The verifier goes through every way that branches can
 * go, and a search of ten steps has a thousand.
 */
static __always_inline __u64 sw_below(__u64 a, __u64 b) {
  __u64 difference = a - b;
  __asm__ volatile("" : "+r"(difference)); /* or clang makes a branch of it */
  return difference >> 63;
}

/* Position of the last of `count` keys that is not greater than `key`; 0 if all are. Keys of 2 or 4 bytes. */
#define SW_SEARCH(first_key, size, steps, count, key)                                               \
  ({                                                                                                \
    __u64 at_ = 0;                                                                                  \
    _Pragma("unroll") for (__u64 step_ = 1u << (steps - 1); step_; step_ >>= 1) {                   \
      __u64 next_ = at_ + step_;                                                                    \
      /* Within the block wherever it is: what is there does not count past `count`. */             \
      __u64 found_ = *(size *)((__u8 *)(first_key) + sizeof(size) * (next_ & ((1u << steps) - 1))); \
      __u64 taken_ = sw_below(next_, count) & (1 ^ sw_below(key, found_));                          \
      at_ += step_ & (0 - taken_);                                                                  \
    }                                                                                               \
    at_;                                                                                            \
  })

/*
 * The rule for a file offset. Search by halves: of 680 rows, ten comparisons. A global function, which the
 * verifier looks at once, not on every way that leads here.
 */
__noinline __u32 sw_rule_at(__u32 block, __u32 levels, __u64 offset) {
  for (int level = 1; level < SW_TABLE_LEVELS; level++) {
    if (levels <= 1) break;
    levels--;
    struct sw_inner *inner = sw_block(block);
    if (!inner || offset < inner->key[0]) return SW_RULE_NONE;
    __u64 at = SW_SEARCH(inner->key, __u32, 9, inner->children, offset);
    if (at >= SW_INNER_CHILDREN) return SW_RULE_NONE;
    block = inner->child[at];
  }
  struct sw_leaf *leaf = sw_block(block);
  if (!leaf) return SW_RULE_NONE;
  if (offset < leaf->base) return SW_RULE_NONE;
  __u64 within = offset - leaf->base;
  if (within > 0xffff) within = 0xffff; /* the last row holds up to the next leaf, however far that is */
  __u64 at = SW_SEARCH(leaf->at, __u16, 10, leaf->rows, within);
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
