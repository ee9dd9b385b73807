/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the BPF programs and native/bpf share: the one description of it. Included by C (BPF) and C++. */
#pragma once

#include <linux/types.h>

#include "../hierarchy.h"

#ifdef __cplusplus
#define SW_ASSERT(condition) static_assert(condition)
#else
#define SW_ASSERT(condition) _Static_assert(condition, #condition)
#endif

/* Frames of the kernel part of a stack; kernel.perf_event_max_stack is 127 by default. */
#define SW_MAX_FRAMES 127
/* Words of the user part. */
#define SW_MAX_USER 255

enum sw_kind { SW_ON_CPU = 0, SW_OFF_CPU = 1 };

enum sw_phase { SW_BLOCKED = 0, SW_RUNQUEUE = 1, SW_PREEMPTED = 2 };

enum sw_stack_flag {
  SW_KERNEL_TRUNCATED = 1 << 0,
  SW_USER_TRUNCATED = 1 << 1,
  SW_USER_UNREADABLE = 1 << 2,
  SW_KERNEL_UNREADABLE = 1 << 3,
  /* The first frame of the part is the very instruction, not a return address. */
  SW_KERNEL_EXACT = 1 << 4,
  SW_USER_EXACT = 1 << 5,
};

/* How the user part ends; in the order of STACK_ENDS (src/profile/types.ts). */
enum sw_end {
  SW_END_ROOT = 0,
  SW_END_NO_USER,
  SW_END_DEPTH,
  SW_END_NO_TABLE,
  SW_END_UNSUPPORTED,
  SW_END_UNREADABLE,
  SW_END_UNMAPPED,
  SW_END_JIT,
  SW_END_RUNTIME,
  SW_END_NOT_TAKEN,
};

/*
 * A word of the user part is an address, or tagged in its top 4 bits, which no user address has. A Java or
 * JavaScript frame takes two words; the second is data whatever its bits are: of a JavaScript frame the
 * program counter or 0 (SW_V8_CODE), and above it which function it is (v8.h), or 0.
 */
#define SW_TAG_SHIFT 60
enum sw_tag {
  SW_TAG_ADDRESS = 0,          /* a return address; the leaf as SW_USER_EXACT says */
  SW_TAG_JAVA_INTERPRETED = 1, /* Method*; then bytecode index and identity (method.h) */
  SW_TAG_JAVA_COMPILED = 2,    /* program counter; then what tells the nmethod */
  SW_TAG_EXACT = 4,            /* the very instruction, though not the leaf: a signal interrupted it */
  SW_TAG_V8 = 5,               /* SharedFunctionInfo (JavaScript); then program counter and identity */
};

#define SW_V8_IDENTITY_SHIFT 48
#define SW_V8_CODE ((1ull << SW_V8_IDENTITY_SHIFT) - 1)

/* Members that share a value are counted together. */
struct sw_key {
  __u64 stack;    /* hash of the stack's content */
  __u64 start_ns; /* of the process, CLOCK_MONOTONIC: tells a reused pid */
  __u64 cgroup;
  __u32 tgid;
  __u32 tid;
  __u32 exec; /* how often the process has exec'ed: rows never mix across exec */
  __u8 kind;
  __u8 phase;
  __u8 state;
  __u8 unused;
};
SW_ASSERT(sizeof(struct sw_key) == 40);

/* What the thread worked on, in the order of bytes of W3C Trace Context. All 0: nothing that is known. */
struct sw_trace {
  __u64 trace[2];
  __u64 span;
};

/* Rows with a trace are apart from others: however many traces there are, no other row lacks room for them.
 */
struct sw_traced_key {
  struct sw_key key;
  struct sw_trace trace;
};
SW_ASSERT(sizeof(struct sw_traced_key) == 64);

enum sw_sent {
  SW_NOT_SENT = 0,    /* the ring was full at every hit so far */
  SW_SENT = 1,        /* the stack is in the ring */
  SW_SENT_BEFORE = 2, /* an open interval: its stack was sent in an earlier window */
};

struct sw_value {
  __u64 count;
  __u64 ns;
  __u64 first_ns;
  __u64 last_ns;
  char comm[16];
  __u32 sent;
  __u32 unused;
};
SW_ASSERT(sizeof(struct sw_value) == 56);

/* A record of the ring: this head, then only the words that are used, kernel before user, leaf first. */
struct sw_stack_head {
  __u64 hash;
  __u32 tgid;
  __u8 set;
  __u8 kernel_frames;
  __u8 user_frames; /* words */
  __u8 flags;
  __u32 end; /* enum sw_end */
  __u32 unused;
};
SW_ASSERT(sizeof(struct sw_stack_head) == 24);

/* Kernel addresses, without `to`. Both 0: not known. */
struct sw_range {
  __u64 from;
  __u64 to;
};

struct sw_stack {
  struct sw_stack_head head;
  __u64 frame[SW_MAX_FRAMES + SW_MAX_USER];
};
SW_ASSERT(sizeof(struct sw_stack) == 24 + 8 * 382);

/* Rows of the counters map: one for each return that leaves something uncounted. */
enum sw_counter {
  SW_LOST_COUNTS_FULL = 0,
  SW_LOST_STACK_RING_FULL,
  SW_LOST_PROCESSES_FULL, /* a child that belongs to the scope had no room in it */
  SW_LOST_TASK_STATE_FULL,
  SW_LOST_BAD_DELTA,
  SW_LOST_MISSED_WAKEUP,
  SW_LOST_FILES_FULL,  /* no room to remember a file: stacks through it go by frame pointers */
  SW_LOST_WANTED_FULL, /* user space was not told of a file that needs a table; it will be at the next sample
                        */
  SW_UNTRACED_FULL,    /* counted without its trace: no room for a row of its own */
  SW_UNTRACED_UNREADABLE, /* counted without its trace: it could not be read */
  SW_UNTRACED_INVALID,    /* counted without its trace: what was read is none */
  SW_SKIPPED_IDLE,
  SW_SKIPPED_SCOPE,
  SW_SKIPPED_EXCLUDED,
  SW_SKIPPED_SHORT, /* away for less than the minimum */
  SW_SKIPPED_LONG,  /* away for more than the maximum */
  SW_SKIPPED_STATE, /* the task state is not in the mask */
  SW_COUNTERS,
};

/* Rows of the control map. */
enum sw_control {
  SW_CONTROL_SET = 0,        /* which set of counts is written to: 0 or 1 */
  SW_CONTROL_SCOPE = 1,      /* enum sw_scope */
  SW_CONTROL_ATTACHED = 2,   /* CLOCK_MONOTONIC ns: nothing can have begun before */
  SW_CONTROL_PRIME = 3,      /* 1: the task iterator only notes who is asleep */
  SW_CONTROL_WINDOW = 4,     /* number of drains: tells what was used lately */
  SW_CONTROL_EPOCH = 5,      /* goes up, from 1, when blocks of unwind tables get another use */
  SW_CONTROL_PUBLISHERS = 6, /* how many processes publish what their threads work on */
  SW_CONTROLS,
};

enum sw_scope { SW_SCOPE_HOST = 0, SW_SCOPE_CGROUPS = 1, SW_SCOPE_PROCESSES = 2 };
