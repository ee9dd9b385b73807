/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the unwinder knows of a Java virtual machine (HotSpot): where its generated code is, and where members
 * of its structures are in this version. The symbolizer makes it from what the JVM tells of itself
 * (symbolizers/src/java/description.rs states the same layout); native/bpf puts it into the kernel, by
 * process. Included by C (BPF) and C++.
 */
#pragma once

#include "sample.h"

/* Processes. */
#define SW_JVMS 1024
#define SW_JVM_HEAPS 4
/* /proc/PID/stat counts time in these. */
#define SW_TICK_NS 10000000

struct sw_jvm_heap {
  __u64 low;
  __u64 high;
  __u64 segments; /* a byte for each segment: how many to go back towards its block's first; 0 there, 255:
                     free */
};

enum sw_jvm_flag {
  SW_JVM_OFFSETS = 1 << 0,        /* a blob's bounds are 32-bit offsets from its start, not pointers */
  SW_JVM_SHORT_COMPLETE = 1 << 1, /* frame_complete has 16 bits */
  SW_JVM_DEOPT_OFFSETS = 1 << 2,  /* the deoptimization handlers are such offsets too */
};

struct sw_jvm {
  __u64 start; /* of the process, in ticks since boot, as in /proc/PID/stat: tells a reused pid */
  __u64 interpreter;
  __u64 interpreter_end;
  __u64 low; /* of all heaps */
  struct sw_jvm_heap heap[SW_JVM_HEAPS];
  /* Offsets of members: of a blob, … */
  __u16 name;
  __u16 code;
  __u16 code_end;
  __u16 frame_size;     /* words from the stack pointer up to and with the return address */
  __u16 frame_complete; /* offset in the code from which on the frame is there */
  /* … of a compiled method's, … */
  __u16 compile_id;
  __u16 deopt; /* what return addresses become when a frame's assumptions do not hold any more, … */
  __u16 deopt_mh;
  __u16 original_pc; /* … and where in the frame the one before is kept */
  /* … of Method and ConstMethod, … */
  __u16 const_method;
  __u16 bytecode;  /* size of ConstMethod: its bytecode follows */
  __u16 code_size; /* followed by the indices of name and signature, and the method's number in its class */
  __u16 constants;
  /* … of its class's constants, and of the class. */
  __u16 pool_holder;
  __u16 pool_entries; /* size of ConstantPool: the constants follow */
  __u16 class_name;
  __u8 heaps;
  __u8 segment_shift;
  __u8 header; /* bytes in front of a blob */
  __u8 flags;
  __u8 bytecode_slot; /* words below the frame pointer of an interpreted frame */
  __u8 refcount;      /* of a symbol: 16 bits among its first 64 */
  __u8 unused[2];
};
SW_ASSERT(sizeof(struct sw_jvm) == 168);
