/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Damages what the unwinder reads, and mends it again. The same seed damages the same. */
#pragma once

#include "helpers.h"

static __u64 mutation_state;

/* xorshift */
static __u64 mutation_random(void) {
  mutation_state ^= mutation_state << 13;
  mutation_state ^= mutation_state >> 7;
  mutation_state ^= mutation_state << 17;
  return mutation_state * 0x2545f4914f6cdd1dull;
}

static __u64 mutation_below(__u64 most) { return most ? (mutation_random() >> 11) % most : 0; }

#define MUTATION_MOST 16
struct mutation {
  __u8 *at;
  __u8 before[8];
};

static struct mutation mutations[MUTATION_MOST];
static size_t mutation_count;

/* What may be most trying in place of `word`. */
static __u64 mutation_of(__u64 word) {
  const struct recording *recording = replay.recording;
  switch (mutation_below(8)) {
    case 0:
      return 0;
    case 1:
      return ~0ull;
    case 2:
      return mutation_random();
    case 3:
      return word ^ 1ull << mutation_below(64);
    case 4:
      return word + 8 * (mutation_below(33) - 16);
    case 5: { /* somewhere in the program, or at its edge */
      if (!recording->area_count) return 1;
      const struct recorded_area *area = &recording->areas[mutation_below(recording->area_count)];
      return mutation_below(2) ? area->end - mutation_below(2)
                               : area->start + mutation_below(area->end - area->start);
    }
    case 6: { /* somewhere on its stack: loops */
      if (!recording->memory_count) return 8;
      const struct recorded_memory *memory = &recording->memory[mutation_below(recording->memory_count)];
      return memory->address + mutation_below(memory->size / 8) * 8;
    }
    default:
      return mutation_below(1 << 16);
  }
}

static void mutate_bytes(void *at, size_t size) {
  if (mutation_count == MUTATION_MOST || size > 8) return;
  struct mutation *mutation = &mutations[mutation_count++];
  mutation->at = at;
  memcpy(mutation->before, at, 8);
  __u64 word;
  memcpy(&word, at, sizeof(word));
  word = mutation_of(word);
  memcpy(at, &word, size);
}

static void mutate(void) {
  const struct recording *recording = replay.recording;
  /* Of a Java virtual machine, what is known of it: user space told it. */
  if (recording->jvm && !mutation_below(8)) {
    mutate_bytes(recording->jvm + mutation_below(recording->jvm_size - 8), 1 + mutation_below(8));
    return;
  }
  switch (mutation_below(8)) {
    case 0: {
      __u64 *registers = (__u64 *)host.regs;
      mutate_bytes(&registers[mutation_below(sizeof(*host.regs) / 8)], 8);
      break;
    }
    case 1: { /* an area that changes while it is looked at: the tree is as it was */
      if (!host.area_count) break;
      struct vm_area_struct *area = &host.areas[mutation_below(host.area_count)]->now;
      unsigned long *of[] = {&area->vm_start, &area->vm_end, &area->vm_flags, &area->vm_pgoff};
      mutate_bytes(of[mutation_below(4)], 8);
      break;
    }
    case 2: {
      if (!replay.file_count) break;
      struct sw_table *table = &replay.files[mutation_below(replay.file_count)].table;
      mutate_bytes(mutation_below(2) ? &table->state : &table->levels, 8);
      break;
    }
    case 3:
    case 4: { /* a block: anywhere, or how many rows or children it has */
      if (!recording->block_count) break;
      __u8 *block = recording->blocks[mutation_below(recording->block_count)].bytes;
      size_t size = 1 + mutation_below(8);
      mutate_bytes(block + (mutation_below(2) ? 0 : mutation_below(RECORDING_BLOCK - 8)), size);
      break;
    }
    default: {
      if (!recording->memory_count) break;
      struct recorded_memory *memory = &recording->memory[mutation_below(recording->memory_count)];
      if (memory->size >= 8) mutate_bytes(memory->bytes + mutation_below(memory->size / 8) * 8, 8);
    }
  }
}

static void mend(void) {
  while (mutation_count) {
    struct mutation *mutation = &mutations[--mutation_count];
    memcpy(mutation->at, mutation->before, 8);
  }
}
