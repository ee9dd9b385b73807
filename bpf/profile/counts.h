/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows by key, in two sets that are drained by turns, and the ring that carries each row's stack once. */
#pragma once

#include "maps.h"

/* Sizes are set by the loader. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, struct sw_key);
  __type(value, struct sw_value);
} sw_counts_0 SEC(".maps"), sw_counts_1 SEC(".maps");

/* Rows of threads whose trace is known. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 2048);
  __type(key, struct sw_traced_key);
  __type(value, struct sw_value);
} sw_traced_0 SEC(".maps"), sw_traced_1 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20);
} sw_stacks SEC(".maps");

/* Hands the stack to user space; false if the ring has no room, so that the row's next hit tries again. */
static __noinline bool sw_send_stack(struct sw_stack *stack, __u32 set) {
  __u32 frames = (__u32)stack->head.kernel_frames + stack->head.user_frames;
  if (frames > SW_MAX_FRAMES + SW_MAX_USER) frames = SW_MAX_FRAMES + SW_MAX_USER;
  stack->head.set = set;
  /* User space asks a few times a second: waking it for each stack would cost more than the stack. */
  long error =
      bpf_ringbuf_output(&sw_stacks, stack, sizeof(stack->head) + frames * sizeof(__u64), BPF_RB_NO_WAKEUP);
  if (error) sw_count_as(SW_LOST_STACK_RING_FULL, 1);
  return error == 0;
}

struct sw_hit {
  __u64 count;
  __u64 ns;
  __u64 now;
  struct task_struct *task; /* for its name, when the row is new */
};

static __always_inline struct sw_value *sw_row(void *map, const void *key, const struct sw_hit *hit,
                                               __u32 sent) {
  struct sw_value *value = bpf_map_lookup_elem(map, key);
  if (value) return value;
  struct sw_value fresh = {.first_ns = hit->now, .sent = sent};
  struct task_struct *task = hit->task;
  BPF_CORE_READ_STR_INTO(&fresh.comm, task, comm);
  /* Another CPU may have made the row meanwhile: then this fails, and the row is found. */
  bpf_map_update_elem(map, key, &fresh, BPF_NOEXIST);
  return bpf_map_lookup_elem(map, key);
}

/* The row of a thread whose trace is known; null if there is no room for it. */
static __always_inline struct sw_value *sw_traced_row(const struct sw_traced_key *key,
                                                      const struct sw_hit *hit, __u32 set, __u32 sent) {
  struct sw_value *value = set ? sw_row(&sw_traced_1, key, hit, sent) : sw_row(&sw_traced_0, key, hit, sent);
  if (!value) sw_count_as(SW_UNTRACED_FULL, hit->count);
  return value;
}

/*
 * Counts one hit of `key`. `stack` are the frames behind its stack, or null when user space has them from
 * before. False if there was no room: rows that exist go on counting then, so the hottest stacks are never
 * the lost ones. A trace that finds no room is left out, the hit is not.
 */
static __noinline bool sw_count(struct sw_traced_key *key, struct sw_hit *hit, struct sw_stack *stack) {
  if (!key || !hit) return false;
  __u32 set = sw_control_value(SW_CONTROL_SET) & 1;
  __u32 sent = stack ? SW_NOT_SENT : SW_SENT_BEFORE;
  struct sw_value *value = 0;
  if (key->trace.span) value = sw_traced_row(key, hit, set, sent);
  if (!value)
    value = set ? sw_row(&sw_counts_1, &key->key, hit, sent) : sw_row(&sw_counts_0, &key->key, hit, sent);
  if (!value) {
    sw_count_as(SW_LOST_COUNTS_FULL, hit->count);
    return false;
  }
  __sync_fetch_and_add(&value->count, hit->count);
  __sync_fetch_and_add(&value->ns, hit->ns);
  value->last_ns = hit->now;
  if (stack && value->sent != SW_SENT && sw_send_stack(stack, set)) value->sent = SW_SENT;
  return true;
}
