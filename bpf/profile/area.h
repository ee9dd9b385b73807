/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which mapping an address is in: found in the kernel's own tree of areas. So every process's mappings are
 * known at its first sample, nothing is registered or kept for a process, and nothing is stale after an mmap.
 *
 * The tree is read without its lock. Areas and nodes are freed after an RCU grace period (6.4; programs run
 * inside one); whatever is read besides is proven by the area itself, which must belong to this address space
 * and hold the address. A look-up that meets a change at the wrong moment finds nothing, never something
 * wrong.
 */
#pragma once

#include "../kernel.h"
#include "table.h"

enum sw_area_kind {
  SW_AREA_NONE = 0,
  SW_AREA_FILE,
  SW_AREA_ANONYMOUS,
  SW_AREA_VDSO,
};

struct sw_area {
  __u64 start, end;
  __u64 offset; /* in the file, of start */
  struct sw_file file;
  __u32 kind; /* enum sw_area_kind; NONE also where nothing may be executed */
  __u32 unused;
};

/* log2 of the page size: vm_pgoff counts pages. */
const volatile __u32 sw_page_shift = 12;

#define SW_PIVOTS 15

/* lib/maple_tree.c: an entry is a node's address with its type in bits 3 to 6; nodes are aligned to 256. */
enum { SW_MAPLE_LEAF = 1, SW_MAPLE_ALLOCATION = 3 };
#define SW_MAPLE_NODE(entry) ((entry) & ~255ull)
#define SW_MAPLE_TYPE(entry) ((entry) >> 3 & 15)
#define SW_MAPLE_IS_NODE(entry) (((entry) & 3) == 2 && (entry) > 4096)
#define SW_MAPLE_LEVELS 8

/* A look-up on its way down the tree; in scratch memory. */
struct sw_maple {
  __u64 address;
  __u64 entry; /* next to look at, at last the area; 0: nothing is mapped there */
  __u64 max;   /* the last address of what `entry` is about */
  __u64 pivot[SW_PIVOTS];
};

/*
 * One level down; 1 when there is no further. As mtree_range_walk() and ma_data_end(). Global, so that the
 * verifier looks at it once: it takes as long for all the turns of the loop as for a whole other program.
 */
__noinline int sw_maple_down(struct sw_maple *maple) {
  if (!maple) return 1;
  __u64 node = SW_MAPLE_NODE(maple->entry);
  __u32 type = SW_MAPLE_TYPE(maple->entry);
  maple->entry = 0;
  struct maple_range_64 *range = (void *)node;
  struct maple_arange_64 *allocation = (void *)node;
  bool allocates = type == SW_MAPLE_ALLOCATION;
  const void *pivots = allocates ? (void *)__builtin_preserve_access_index(&allocation->pivot[0])
                                 : (void *)__builtin_preserve_access_index(&range->pivot[0]);
  __u32 count = allocates ? 9 : SW_PIVOTS;
  if (bpf_probe_read_kernel(maple->pivot, SW_PIVOTS * sizeof(__u64), pivots)) return 1;
  /* The last pivot tells whether the node is full; a node that is not says how far it goes. */
  __u64 last = maple->pivot[allocates ? 8 : SW_PIVOTS - 1];
  __u32 end = last == maple->max ? count - 1 : count;
  if (!last) end = allocates ? BPF_CORE_READ(allocation, meta.end) : BPF_CORE_READ(range, meta.end);
  __u32 at = 0;
  for (__u32 i = 0; i < SW_PIVOTS; i++) {
    if (i >= end || maple->pivot[i] >= maple->address) break;
    at = i + 1;
  }
  if (at < end && at < SW_PIVOTS) maple->max = maple->pivot[at];
  void **slots = allocates ? __builtin_preserve_access_index(&allocation->slot[0])
                           : __builtin_preserve_access_index(&range->slot[0]);
  if (bpf_probe_read_kernel(&maple->entry, sizeof(maple->entry), slots + at)) {
    maple->entry = 0;
    return 1;
  }
  return type <= SW_MAPLE_LEAF || !maple->entry;
}

/* 0: nothing is mapped there. */
static __always_inline __u64 sw_maple_find(__u64 mm, __u64 address, struct sw_maple *maple) {
  maple->entry = (__u64)BPF_CORE_READ((struct mm_struct *)mm, mm_mt.ma_root);
  if (!SW_MAPLE_IS_NODE(maple->entry)) return maple->entry; /* a single area */
  maple->address = address;
  maple->max = ~0ull;
  for (int level = 0; level < SW_MAPLE_LEVELS; level++)
    if (sw_maple_down(maple)) return maple->entry;
  return 0;
}

/* As find_vma() did before 6.1. */
static __noinline __u64 sw_rb_find(__u64 mm, __u64 address) {
  struct rb_node *node = BPF_CORE_READ((struct mm_struct___before_6_1 *)mm, mm_rb.rb_node);
  __u64 place = bpf_core_field_offset(struct vm_area_struct___before_6_1, vm_rb);
  for (int level = 0; level < 40 && node; level++) {
    struct vm_area_struct *area = (void *)((__u64)node - place);
    if (address < BPF_CORE_READ(area, vm_start))
      node = BPF_CORE_READ(node, rb_left);
    else if (address >= BPF_CORE_READ(area, vm_end))
      node = BPF_CORE_READ(node, rb_right);
    else
      return (__u64)area;
  }
  return 0;
}

/* One read for all that is wanted of an area: each costs as much as copying all of it. */
#define SW_AREA_BYTES 192
#define SW_AREA_FIELD(bytes, field)                                   \
  ({                                                                  \
    __u32 at_ = bpf_core_field_offset(struct vm_area_struct, field);  \
    at_ <= SW_AREA_BYTES - 8 ? *(__u64 *)((__u8 *)(bytes) + at_) : 0; \
  })

/* Scratch memory, as it does not fit a program's stack. */
union sw_area_scratch {
  struct sw_maple maple;
  __u64 area[SW_AREA_BYTES / 8];
};

static __always_inline void sw_identify_file(struct file *file, struct sw_file *to) {
  struct inode *inode = BPF_CORE_READ(file, f_inode);
  to->inode = BPF_CORE_READ(inode, i_ino);
  to->generation = BPF_CORE_READ(inode, i_generation);
  to->device = BPF_CORE_READ(inode, i_sb, s_dev);
}

/* Fills `area` with what is mapped at `address` in the address space `mm`; false if nothing is. */
static __noinline bool sw_find_area(__u64 mm, __u64 address, struct sw_area *area,
                                    union sw_area_scratch *scratch) {
  if (!area || !scratch) return false;
  area->kind = SW_AREA_NONE;
  area->start = area->end = 0;
  __u64 found;
  if (bpf_core_field_exists(struct mm_struct, mm_mt))
    found = sw_maple_find(mm, address, &scratch->maple);
  else
    found = sw_rb_find(mm, address);
  if (!found || bpf_probe_read_kernel(scratch->area, SW_AREA_BYTES, (void *)found)) return false;
  __u64 start = SW_AREA_FIELD(scratch->area, vm_start), end = SW_AREA_FIELD(scratch->area, vm_end);
  if (SW_AREA_FIELD(scratch->area, vm_mm) != mm || address < start || address >= end) return false;
  area->start = start;
  area->end = end;
  if (!(SW_AREA_FIELD(scratch->area, vm_flags) & SW_VM_EXEC)) return true;
  area->offset = SW_AREA_FIELD(scratch->area, vm_pgoff) << sw_page_shift;
  struct file *file = (void *)SW_AREA_FIELD(scratch->area, vm_file);
  if (file) {
    sw_identify_file(file, &area->file);
    area->kind = SW_AREA_FILE;
  } else if ((__u64)BPF_CORE_READ((struct mm_struct *)mm, context.vdso) == start) {
    area->offset = 0;
    area->file = (struct sw_file)SW_VDSO_FILE;
    area->kind = SW_AREA_VDSO;
  } else {
    area->kind = SW_AREA_ANONYMOUS;
  }
  return true;
}
