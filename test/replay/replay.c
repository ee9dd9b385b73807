/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs the BPF unwinder on this machine, as a program, over a recorded thread (standard input; recording.h
 * says how it looks). The unwinder's sources are compiled as they are.
 *
 *   replay               prints how the stack ends, how many files asked for a table, and its words
 *   replay missing       the same, and before that what was asked for and is not in the recording: `memory
 *                        ADDRESS BYTES`, `block NUMBER`
 *   replay COUNT SEED    damages the recording COUNT times and prints how often the stack ended how
 *
 * It is unwound in four ways, which have to agree: as the running task and as another one, with areas in a
 * maple tree and in a red-black tree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "helpers.h"
#include "mutation.h"
#include "recording.h"

static void fail(const char *why) {
  fprintf(stderr, "%s\n", why);
  exit(1);
}

/* As the loader does: the knob is read-only for the program. */
static void turn_on(const volatile bool *knob) {
  long page = sysconf(_SC_PAGESIZE);
  void *start = (void *)((__u64)knob / page * page);
  if (mprotect(start, page, PROT_READ | PROT_WRITE)) fail("a knob cannot be set");
  *(volatile bool *)knob = true;
}

static void unwind(struct sw_walk *walk, bool before_6_1, bool other) {
  memset(walk, 0, sizeof(*walk));
  host_choose(before_6_1);
  if (other)
    sw_unwind_other(walk, host.task);
  else
    sw_unwind_current(walk, true);
}

static struct sw_walk walk, again;
static struct recording recording;

static const char *difference(const struct sw_walk *a, const struct sw_walk *b) {
  if (memcmp(&a->stack.head, &b->stack.head, sizeof(a->stack.head))) return "ends differ";
  if (memcmp(a->stack.frame, b->stack.frame, sizeof(a->stack.frame[0]) * a->stack.head.user_frames))
    return "frames differ";
  return 0;
}

/* In both trees, whoever is at the edges of an area and next to them. */
static void check_areas(void) {
  for (int i = 0; i < 8 * (int)host.area_count; i++) {
    const struct vm_area_struct *edge = &host.areas[i / 8]->now, *expected = 0;
    __u64 place = (i & 1 ? edge->vm_end : edge->vm_start) - (i >> 1 & 1);
    for (size_t other = 0; other < host.area_count; other++) {
      const struct vm_area_struct *area = &host.areas[other]->now;
      if (place >= area->vm_start && place < area->vm_end) expected = area;
    }
    host_choose(i >> 2 & 1);
    bool found = sw_find_area((__u64)host.mm, place, &walk.here.area, &walk.scratch);
    if (found != !!expected || (found && walk.here.area.start != expected->vm_start))
      fail("an area is not found, or found where it is not");
  }
}

/* Every row of every leaf that is there, in its first and its last byte. */
static void check_rules(const struct recorded_table *table, __u64 block, __u64 levels) {
  const void *bytes = replay_block(block);
  const struct sw_inner *inner = bytes;
  const struct sw_leaf *leaf = bytes;
  if (!bytes || !levels || levels > SW_TABLE_LEVELS) return;
  if (levels > 1) {
    for (__u32 i = 0; i < inner->children && i < SW_INNER_CHILDREN; i++)
      check_rules(table, inner->child[i], levels - 1);
    return;
  }
  for (__u32 row = 0; row < leaf->rows && row < SW_LEAF_ROWS; row++) {
    __u64 first = (__u64)leaf->base + leaf->at[row];
    __u64 last = row + 1 < leaf->rows ? (__u64)leaf->base + leaf->at[row + 1] - 1 : first;
    if (sw_rule_at(table->root, table->levels, first) != leaf->rule[row] ||
        sw_rule_at(table->root, table->levels, last) != leaf->rule[row])
      fail("a rule is not found");
  }
}

static void print(bool missing) {
  if (missing) {
    replay_reset();
    replay.tells_missing = true;
    unwind(&walk, false, false);
    replay.tells_missing = false;
  }
  check_areas();
  for (size_t i = 0; i < recording.table_count; i++)
    check_rules(&recording.tables[i], recording.tables[i].root, recording.tables[i].levels);
  replay_reset();
  unwind(&walk, false, false);
  size_t wanted = replay.wanted;
  for (int way = 1; way < 4; way++) {
    replay_reset();
    unwind(&again, way & 1, way & 2);
    const char *why = difference(&walk, &again);
    if (why) fail(why);
  }
  printf("%u %zu %u\n", walk.stack.head.end, wanted, walk.stack.head.flags);
  for (__u32 i = 0; i < walk.stack.head.user_frames; i++) printf("%llx\n", walk.stack.frame[i]);
}

/* A step asks for an area (a level of the tree is three reads), for a table, for a rule, and reads the stack.
 */
#define MOST_CALLS ((SW_MAX_USER + 2) * 150)

static void damage(unsigned long count, unsigned long seed) {
  unsigned long ends[SW_END_NOT_TAKEN + 1] = {0};
  mutation_state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (unsigned long i = 0; i < count; i++) {
    replay_reset();
    for (__u64 times = 1 + mutation_below(6); times; times--) mutate();
    unwind(&walk, mutation_below(2), mutation_below(2));
    if (walk.words > SW_MAX_USER + 1) fail("more words than there is room for");
    if (walk.stack.head.end >= SW_END_NOT_TAKEN) fail("an end that there is not");
    if (replay.calls > MOST_CALLS) fail("it took too many calls");
    ends[walk.stack.head.end]++;
    mend();
  }
  for (int end = 0; end < SW_END_NOT_TAKEN; end++) printf("%lu\n", ends[end]);
}

int main(int count, char **arguments) {
  recording = read_recording(stdin);
  if (recording.jvm && recording.jvm_size != sizeof(struct sw_jvm)) not_a_recording("another sw_jvm");
  replay.recording = &recording;
  turn_on(&sw_unwinds);
  host_take(&recording);
  if (count == 3)
    damage(strtoul(arguments[1], 0, 10), strtoul(arguments[2], 0, 10));
  else
    print(count == 2 && !strcmp(arguments[1], "missing"));
}
