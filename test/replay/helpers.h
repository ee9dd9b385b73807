/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's helper functions over a recording: maps are arrays, memory is what was recorded. */
#pragma once

#include "../../bpf/profile/take.h"
#include "areas.h"

#define REPLAY_MOST_FILES 64

static struct {
  const struct recording *recording;
  __u64 control[SW_CONTROLS];
  __u64 counters[SW_COUNTERS];
  struct sw_recent_rule rules[SW_RECENT_RULES];
  struct {
    struct sw_file file;
    struct sw_table table;
  } files[REPLAY_MOST_FILES];
  size_t file_count;
  size_t wanted; /* files that user space was told of */
  __u32 slab;    /* stands for the inner map that was looked up last */
  size_t calls;
  bool tells_missing; /* prints what is not in the recording and was asked for */
} replay;

static struct sw_file replay_file(__u64 number) {
  if (number == FILE_VDSO) return (struct sw_file)SW_VDSO_FILE;
  return (struct sw_file){.inode = number, .device = 1};
}

static struct sw_table *replay_table(const struct sw_file *file) {
  for (size_t i = 0; i < replay.file_count; i++)
    if (!memcmp(&replay.files[i].file, file, sizeof(*file))) return &replay.files[i].table;
  return 0;
}

static void *replay_block(__u64 number) {
  const struct recording *recording = replay.recording;
  for (size_t i = 0; i < recording->block_count; i++)
    if (recording->blocks[i].number == number) return recording->blocks[i].bytes;
  if (replay.tells_missing) printf("block %llu\n", number);
  return 0;
}

static void *bpf_map_lookup_elem(void *map, const void *key) {
  __u32 row = *(const __u32 *)key;
  replay.calls++;
  if (map == &sw_files) return replay_table(key);
  if (map == &sw_control) return row < SW_CONTROLS ? &replay.control[row] : 0;
  if (map == &sw_counters) return row < SW_COUNTERS ? &replay.counters[row] : 0;
  if (map == &sw_recent_rules) return row < SW_RECENT_RULES ? &replay.rules[row] : 0;
  if (map == &sw_jvms) return row == (__u32)host.task->tgid ? replay.recording->jvm : 0;
  if (map == &sw_slabs) {
    replay.slab = row;
    return &replay.slab;
  }
  if (map == &replay.slab)
    return row < SW_SLAB_BLOCKS ? replay_block(replay.slab * (__u64)SW_SLAB_BLOCKS + row) : 0;
  return 0; /* a map that is empty */
}

static long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags) {
  replay.calls++;
  if (map != &sw_files || flags != BPF_NOEXIST) return -22; /* EINVAL */
  if (replay_table(key)) return -17;                        /* EEXIST */
  if (replay.file_count == REPLAY_MOST_FILES) return -7;    /* E2BIG */
  memcpy(&replay.files[replay.file_count].file, key, sizeof(struct sw_file));
  memcpy(&replay.files[replay.file_count++].table, value, sizeof(struct sw_table));
  return 0;
}

/* Only ever of what was put in last. */
static long bpf_map_delete_elem(void *map, const void *key) {
  if (map != &sw_files || !replay_table(key)) return -2; /* ENOENT */
  replay.file_count--;
  return 0;
}

static long bpf_ringbuf_output(void *ring, void *record, __u64 size, __u64 flags) {
  replay.calls++;
  if (ring == &sw_wanted_tables && size == sizeof(struct sw_wanted)) replay.wanted++;
  return 0;
}

static long bpf_probe_read_user(void *to, __u32 size, const void *from) {
  const struct recording *recording = replay.recording;
  replay.calls++;
  for (size_t i = 0; i < recording->memory_count; i++) {
    const struct recorded_memory *memory = &recording->memory[i];
    __u64 at = (__u64)from - memory->address;
    if (at >= memory->size || size > memory->size - at) continue;
    memcpy(to, memory->bytes + at, size);
    return 0;
  }
  if (replay.tells_missing) printf("memory %llx %u\n", (__u64)from, size);
  memset(to, 0, size); /* as the kernel does */
  return -14;          /* EFAULT */
}

static long bpf_copy_from_user_task(void *to, __u32 size, const void *from, struct task_struct *task,
                                    __u64 flags) {
  return task == host.task ? bpf_probe_read_user(to, size, from) : -14;
}

static long bpf_probe_read_kernel(void *to, __u32 size, const void *from) {
  replay.calls++;
  if (!host_may_read(from, size)) {
    memset(to, 0, size);
    return -14;
  }
  memcpy(to, from, size);
  return 0;
}

/* Nothing here takes the kernel's part. */
static long bpf_get_stack(void *context, void *to, __u32 size, __u64 flags) { return -14; }

static struct task_struct *bpf_get_current_task_btf(void) { return host.task; }

static long bpf_task_pt_regs(struct task_struct *task) { return (long)host.regs; }

static long bpf_loop(__u32 count, void *function, void *context, __u64 flags) {
  long (*each)(__u64, void *) = function;
  for (__u32 i = 0; i < count; i++)
    if (each(i, context)) return i + 1;
  return count;
}

/* As in a fresh kernel: the files of the recording have their tables, nobody was asked for anything. */
static void replay_reset(void) {
  const struct recording *recording = replay.recording;
  replay.file_count = replay.wanted = replay.calls = 0;
  for (size_t i = 0; i < recording->table_count && i < REPLAY_MOST_FILES; i++) {
    const struct recorded_table *table = &recording->tables[i];
    replay.files[replay.file_count].file = replay_file(table->file);
    replay.files[replay.file_count++].table =
        (struct sw_table){.state = SW_TABLE_READY, .root = table->root, .levels = table->levels};
  }
  replay.control[SW_CONTROL_EPOCH]++;
}
