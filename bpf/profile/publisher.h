/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a process keeps its threads' OpenTelemetry context: the thread-local variable `otel_thread_ctx_v1`
 * (OTEP 4947), a pointer to the record of what the thread works on. The symbolizer finds it
 * (symbolizers/src/threads/place.rs states the same layout); native/bpf puts it into the kernel, by process.
 * Included by C (BPF) and C++.
 */
#pragma once

#include "sample.h"

/* Processes. */
#define SW_PUBLISHERS 1024

struct sw_publisher {
  __u64 start;  /* of the process, in ticks since boot, as in /proc/PID/stat: tells a reused pid */
  __s64 offset; /* of the variable: from the thread pointer, or in its module's block */
  __u64 exec;   /* the kernel's: number of execs and 1, of the program that this is about; 0: not seen yet */
  __u32 module; /* 0: the variable is at the same place from every thread pointer */
  __s16 vector; /* from the thread pointer: pointer to the vector of the modules' blocks (DTV) */
  __s8 count;   /* from the vector's start: how many entries it has */
  __u8 entry;   /* bytes of one */
};
SW_ASSERT(sizeof(struct sw_publisher) == 32);

/* The record as the process has it. Attributes follow, which nobody reads here. */
struct sw_trace_record {
  struct sw_trace trace;
  __u8 valid; /* 1: it is */
  __u8 flags;
  __u16 attributes; /* bytes */
};
