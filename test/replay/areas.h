/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's objects of a recorded process: task, registers, address space, and its areas in a maple tree
 * or a red-black tree. What BPF programs may read of the kernel is these objects and nothing else.
 */
#pragma once

#include "../../bpf/profile/area.h"
#include "recording.h"

struct host_area {
  union {
    struct vm_area_struct now;
    __u8 place[SW_HOST_BEFORE];
  };
  struct vm_area_struct___before_6_1 before;
  __u8 rest[SW_AREA_BYTES]; /* the kernel's are larger than what is read of them */
};
SW_ASSERT(offsetof(struct host_area, before) == SW_HOST_BEFORE);

/* The root of either tree is at the same place. */
union host_mm {
  struct mm_struct now;
  struct mm_struct___before_6_1 before;
};

struct host_object {
  const __u8 *at;
  __u64 size;
};

struct host {
  struct host_object *objects;
  size_t object_count;
  struct task_struct *task;
  struct pt_regs *regs;
  union host_mm *mm;
  struct host_area **areas;
  size_t area_count;
  void *maple; /* roots of both trees */
  struct rb_node *red_black;
};

static struct host host;

#define HOST_MOST_OBJECTS (RECORDING_MOST * 8)

static void *host_object(size_t size, size_t alignment) {
  size = (size + alignment - 1) / alignment * alignment;
  void *object = aligned_alloc(alignment, size);
  if (!object || host.object_count == HOST_MOST_OBJECTS) not_a_recording("too large");
  host.objects[host.object_count++] = (struct host_object){object, size};
  return memset(object, 0, size);
}

static bool host_may_read(const void *from, __u64 size) {
  for (size_t i = 0; i < host.object_count; i++) {
    const struct host_object *object = &host.objects[i];
    __u64 at = (__u64)from - (__u64)object->at;
    if (at < object->size && size <= object->size - at) return true;
  }
  return false;
}

/* What a node's slot leads to, and the last address that it holds for. */
struct host_entry {
  __u64 last;
  __u64 to;
};

/* Nodes are full, full but for one, and neither: how far one goes is told in three ways. */
static size_t host_fill(size_t node, size_t slots) {
  switch (node % 3) {
    case 0:
      return slots;
    case 1:
      return slots - 1;
    default:
      return slots / 2;
  }
}

static __u64 host_maple_node(const struct host_entry *entries, size_t count, bool leaf) {
  struct maple_range_64 *range = host_object(256, 256);
  struct maple_arange_64 *allocation = (void *)range;
  size_t pivots = leaf ? SW_PIVOTS : 9;
  for (size_t i = 0; i < count; i++) {
    /* The last pivot of a node with room left may be missing. */
    bool told = i + 1 < count || count + 1 >= pivots;
    if (i < pivots && told) *(leaf ? &range->pivot[i] : &allocation->pivot[i]) = entries[i].last;
    *(leaf ? &range->slot[i] : &allocation->slot[i]) = (void *)entries[i].to;
  }
  *(leaf ? &range->meta.end : &allocation->meta.end) = count - 1;
  return (__u64)range | (leaf ? SW_MAPLE_LEAF : SW_MAPLE_ALLOCATION) << 3 | 2;
}
SW_ASSERT(sizeof(struct maple_range_64) <= 256 && sizeof(struct maple_arange_64) <= 256);

/* Areas and the gaps between them, level by level. */
static void *host_maple_tree(void) {
  struct host_entry *entries = room_for(host.area_count * 2 + 1, sizeof(*entries));
  size_t count = 0;
  __u64 next = 0;
  for (size_t i = 0; i < host.area_count; i++) {
    struct vm_area_struct *area = &host.areas[i]->now;
    if (area->vm_start > next) entries[count++] = (struct host_entry){area->vm_start - 1, 0};
    entries[count++] = (struct host_entry){area->vm_end - 1, (__u64)area};
    next = area->vm_end;
  }
  entries[count++] = (struct host_entry){~0ull, 0};
  for (bool leaf = true; leaf || count > 1; leaf = false) {
    size_t made = 0;
    for (size_t at = 0, filled; at < count; at += filled) {
      filled = host_fill(made, leaf ? 16 : 10);
      if (filled > count - at) filled = count - at;
      __u64 last = entries[at + filled - 1].last;
      entries[made++] = (struct host_entry){last, host_maple_node(&entries[at], filled, leaf)};
    }
    count = made;
  }
  void *root = (void *)entries[0].to;
  free(entries);
  return root;
}

static struct rb_node *host_red_black_tree(size_t from, size_t to) {
  if (from >= to) return 0;
  size_t middle = from + (to - from) / 2;
  struct rb_node *node = &host.areas[middle]->before.vm_rb;
  node->rb_left = host_red_black_tree(from, middle);
  node->rb_right = host_red_black_tree(middle + 1, to);
  return node;
}

static struct file *host_file(__u64 number) {
  struct file *file = host_object(sizeof(*file), 16);
  file->f_inode = host_object(sizeof(*file->f_inode), 16);
  file->f_inode->i_sb = host_object(sizeof(*file->f_inode->i_sb), 16);
  file->f_inode->i_sb->s_dev = 1;
  file->f_inode->i_ino = number;
  return file;
}

static void host_take_areas(const struct recording *recording) {
  host.area_count = recording->area_count;
  host.areas = room_for(host.area_count, sizeof(*host.areas));
  for (size_t i = 0; i < host.area_count; i++) {
    const struct recorded_area *from = &recording->areas[i];
    struct vm_area_struct *area = host_object(sizeof(struct host_area), 64);
    host.areas[i] = (struct host_area *)area;
    area->vm_start = from->start;
    area->vm_end = from->end;
    area->vm_mm = &host.mm->now;
    area->vm_flags = from->flags;
    area->vm_pgoff = from->offset >> sw_page_shift;
    if (from->file > FILE_VDSO) area->vm_file = host_file(from->file);
  }
}

static void host_take(const struct recording *recording) {
  host.objects = room_for(HOST_MOST_OBJECTS, sizeof(*host.objects));
  host.mm = host_object(sizeof(*host.mm), 16);
  host.mm->now.context.vdso = (void *)recording->vdso;
  host.task = host_object(sizeof(*host.task), 16);
  host.task->mm = &host.mm->now;
  host.task->group_leader = host.task;
  host.task->tgid = host.task->pid = 1;
  host.regs = host_object(sizeof(*host.regs), 16);
#if defined(__TARGET_ARCH_arm64)
  host.regs->pc = recording->ip;
  host.regs->sp = recording->sp;
  host.regs->regs[29] = recording->fp;
  host.regs->regs[30] = recording->lr;
  host.regs->syscallno = recording->call;
#else
  host.regs->ip = recording->ip;
  host.regs->sp = recording->sp;
  host.regs->bp = recording->fp;
  host.regs->orig_ax = recording->call;
  host.regs->r13 = recording->bytecode;
  host.regs->cs = 0x33; /* __USER_CS */
#endif
  host_take_areas(recording);
  host.maple = host_maple_tree();
  host.red_black = host_red_black_tree(0, host.area_count);
}

static void host_choose(bool before_6_1) {
  sw_host_before_6_1 = before_6_1;
  if (before_6_1)
    host.mm->before.mm_rb.rb_node = host.red_black;
  else
    host.mm->now.mm_mt.ma_root = host.maple;
}
