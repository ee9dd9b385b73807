/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A stopped thread as record.mjs wrote it down: registers, mappings, the memory around its frames, and the
 * unwind tables of the files that it runs through. 64-bit words, little-endian:
 *
 *   magic, machine, program counter, stack pointer, frame pointer, link register (arm64), number of the
 * system call (negative: none), address of the vDSO, register that HotSpot's interpreter has its bytecode in;
 * what is known of a Java virtual machine: number of 64-bit words (0: it is none), and these (struct sw_jvm);
 * number of areas; of each: start, end, offset in the
 * file, file, vm_flags; number of pieces of memory; of each: address, bytes (a multiple of 8), and these;
 *   number of tables; of each: file, root, levels, number of blocks; of each block: its number, and 4096
 * bytes.
 *
 * A file is a number that the recording gives: 0 is none, 1 the vDSO. A block that no frame needed may be
 * left out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDING_MAGIC 0x3359414c50455253ull /* SREPLAY3 */
/* More of anything is no recording. */
#define RECORDING_MOST 4096
#define RECORDING_BLOCK 4096
#if defined(__TARGET_ARCH_arm64)
#define RECORDING_MACHINE 183 /* EM_AARCH64 */
#else
#define RECORDING_MACHINE 62 /* EM_X86_64 */
#endif

enum { FILE_NONE = 0, FILE_VDSO = 1 };

struct recorded_area {
  uint64_t start, end, offset, file, flags;
};

struct recorded_memory {
  uint64_t address, size;
  uint8_t *bytes; /* of its own, so that a sanitizer sees its end */
};

struct recorded_block {
  uint64_t number;
  uint8_t *bytes;
};

struct recorded_table {
  uint64_t file, root, levels;
};

struct recording {
  uint64_t ip, sp, fp, lr, call, vdso, bytecode;
  uint8_t *jvm; /* null: no Java virtual machine */
  uint64_t jvm_size;
  struct recorded_area *areas;
  struct recorded_memory *memory;
  struct recorded_table *tables;
  struct recorded_block *blocks; /* of all tables */
  size_t area_count, memory_count, table_count, block_count;
};

static void not_a_recording(const char *why) {
  fprintf(stderr, "not a recording: %s\n", why);
  exit(2);
}

static void *room_for(size_t count, size_t size) {
  void *room = calloc(count ? count : 1, size);
  if (!room) not_a_recording("too large");
  return room;
}

static void read_bytes(FILE *from, void *to, size_t size) {
  if (fread(to, 1, size, from) != size) not_a_recording("it ends too early");
}

static uint64_t read_word(FILE *from) {
  uint64_t word;
  read_bytes(from, &word, sizeof(word));
  return word;
}

static size_t read_count(FILE *from) {
  uint64_t count = read_word(from);
  if (count > RECORDING_MOST) not_a_recording("too many of something");
  return count;
}

static void read_tables(struct recording *recording, FILE *from) {
  recording->table_count = read_count(from);
  recording->tables = room_for(recording->table_count, sizeof(*recording->tables));
  recording->blocks = room_for(RECORDING_MOST, sizeof(*recording->blocks));
  for (size_t i = 0; i < recording->table_count; i++) {
    struct recorded_table *table = &recording->tables[i];
    table->file = read_word(from);
    table->root = read_word(from);
    table->levels = read_word(from);
    for (size_t blocks = read_count(from); blocks; blocks--) {
      if (recording->block_count == RECORDING_MOST) not_a_recording("too many blocks");
      struct recorded_block *block = &recording->blocks[recording->block_count++];
      block->number = read_word(from);
      block->bytes = room_for(1, RECORDING_BLOCK);
      read_bytes(from, block->bytes, RECORDING_BLOCK);
    }
  }
}

static struct recording read_recording(FILE *from) {
  struct recording recording = {0};
  if (read_word(from) != RECORDING_MAGIC) not_a_recording("another magic");
  if (read_word(from) != RECORDING_MACHINE) not_a_recording("another machine's");
  recording.ip = read_word(from);
  recording.sp = read_word(from);
  recording.fp = read_word(from);
  recording.lr = read_word(from);
  recording.call = read_word(from);
  recording.vdso = read_word(from);
  recording.bytecode = read_word(from);
  recording.jvm_size = read_count(from) * sizeof(uint64_t);
  if (recording.jvm_size) {
    recording.jvm = room_for(recording.jvm_size, 1);
    read_bytes(from, recording.jvm, recording.jvm_size);
  }
  recording.area_count = read_count(from);
  recording.areas = room_for(recording.area_count, sizeof(*recording.areas));
  read_bytes(from, recording.areas, recording.area_count * sizeof(*recording.areas));
  uint64_t end = 0;
  for (size_t i = 0; i < recording.area_count; i++) {
    struct recorded_area *area = &recording.areas[i];
    if (area->start < end || area->end <= area->start) not_a_recording("areas are out of order");
    end = area->end;
  }
  recording.memory_count = read_count(from);
  recording.memory = room_for(recording.memory_count, sizeof(*recording.memory));
  for (size_t i = 0; i < recording.memory_count; i++) {
    struct recorded_memory *memory = &recording.memory[i];
    memory->address = read_word(from);
    memory->size = read_word(from);
    if (memory->size > 16 << 20 || memory->size % 8) not_a_recording("memory of an odd size");
    memory->bytes = room_for(memory->size, 1);
    read_bytes(from, memory->bytes, memory->size);
  }
  read_tables(&recording, from);
  if (fgetc(from) != EOF) not_a_recording("it goes on");
  return recording;
}
