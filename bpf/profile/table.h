/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unwind tables: how to get from a frame to its caller's, for each place in a file's code. The symbolizer
 * makes them (symbolizers/src/unwind), native/bpf puts them into the kernel, the unwinder reads them.
 * Included by C (BPF) and C++; the Rust half states the same layout.
 *
 * A table is a B-tree of 4 kB blocks, keyed by file offset: a look-up visits one block for a small library,
 * two up to 300,000 rows, three beyond. Children are named by block number: within the table as it is made,
 * in the pool as it is in the kernel.
 */
#pragma once

#include <linux/types.h>

#define SW_BLOCK_BYTES 4096
#define SW_LEAF_ROWS 680
#define SW_INNER_CHILDREN 511
/* Levels of the deepest tree: an inner root, inner nodes, leaves. */
#define SW_TABLE_LEVELS 3

/* Row i holds from base + at[i] up to the next row, the last one up to the next leaf. at[0] is 0. */
struct sw_leaf {
  __u32 base;
  __u16 rows;
  __u16 unused;
  __u16 at[SW_LEAF_ROWS];
  __u32 rule[SW_LEAF_ROWS];
  __u8 padding[SW_BLOCK_BYTES - 8 - SW_LEAF_ROWS * 6];
};

/* Child i holds from key[i] up to key[i + 1]. */
struct sw_inner {
  __u32 children;
  __u32 unused;
  __u32 key[SW_INNER_CHILDREN];
  __u32 child[SW_INNER_CHILDREN];
};

/*
 * A rule, 32 bits. Bits 0 to 3: where the canonical frame address (CFA, the stack pointer before the call)
 * is.
 *
 * x86-64: the return address is at CFA - 8. Bits 4 to 15: the caller's frame pointer is at CFA - 8 * this;
 * 0: it is the same as the callee's; SW_FP_SLOT_AT_FP: it is where the callee's frame pointer points to (a
 * frame that the compiler aligned: its distance from the CFA is not known). arm64: bits 4 to 9: the caller's
 * frame pointer is at CFA - 8 * this, or 0: the same; bits 10 to 15: the return address likewise, 0: it is in
 * the link register.
 *
 * Bits 16 to 31, signed: offset in words of 8 bytes. For the two that read memory, bits 16 to 23, signed, are
 * the offset of what is read, and bits 24 to 31 are added to what was read, both in words.
 *
 * SW_RULE_V8: bit 4: it is the interpreter's; bits 5 to 31 are where members of this V8's objects are, not 0:
 * of a JSFunction its SharedFunctionInfo (5 bits, in words), of that its script (5 bits, in words) and its
 * number in the script (6 bits, in halves of words), and of the script its number (5 bits, in words; 0: not
 * known); of the SharedFunctionInfo its ScopeInfo (5 bits, in words), and whether that has the function's
 * place in front of the variables' names.
 *
 * SW_RULE_NONE has offset 1 for code whose rule is known but cannot be said in these terms, 0 for all else.
 */
enum sw_rule {
  SW_RULE_NONE = 0,   /* not code, or code without a rule */
  SW_RULE_SP = 1,     /* CFA = stack pointer + offset */
  SW_RULE_FP = 2,     /* CFA = frame pointer + offset */
  SW_RULE_PLT = 3,    /* CFA = stack pointer + 8, and 8 more from the 11th byte of each 16 on */
  SW_RULE_SIGNAL = 4, /* the frame that a signal handler returns to: all registers are in memory (ucontext) */
  SW_RULE_END = 5,    /* the outermost function: nobody called it */
  SW_RULE_SP_READ = 6, /* CFA = *(stack pointer + offset) + addend */
  SW_RULE_FP_READ = 7, /* CFA = *(frame pointer + offset) + addend */
  SW_RULE_V8 = 8,      /* by frame pointer; code of V8 */
};

#define SW_RULE_KIND(rule) ((rule) & 15)
#define SW_RULE_FP_SLOT(rule) ((rule) >> 4 & 0xfff)
#define SW_FP_SLOT_AT_FP 0xfff
#define SW_RULE_OFFSET(rule) ((__s32)(rule) >> 16)
#define SW_RULE_READ_OFFSET(rule) ((__s32)((rule) << 8) >> 24)
#define SW_RULE_READ_ADDEND(rule) ((rule) >> 24)
#define SW_RULE_V8_INTERPRETER(rule) ((rule) >> 4 & 1)
#define SW_RULE_V8_LAYOUT(rule) ((rule) >> 5)
#define SW_V8_SHARED(layout) (8ull * ((layout) & 31))
#define SW_V8_SCRIPT(layout) (8ull * ((layout) >> 5 & 31))
#define SW_V8_FUNCTION_NUMBER(layout) (4ull * ((layout) >> 10 & 63))
#define SW_V8_SCRIPT_NUMBER(layout) (8ull * ((layout) >> 16 & 31))
#define SW_V8_SCOPE(layout) (8ull * ((layout) >> 21 & 31))
#define SW_V8_PLACE_FIRST(layout) ((layout) >> 26 & 1)

/* A file as the kernel tells it from others. */
struct sw_file {
  __u64 inode;
  __u32 device;
  __u32 generation;
};

/* The vDSO is in no file; the whole machine has one for 64-bit programs. */
#define SW_VDSO_FILE {0, 0, 1}

enum sw_table_state {
  SW_TABLE_WANTED = 0, /* user space was told */
  SW_TABLE_READY = 1,
  SW_TABLE_NONE = 2, /* the file has no unwind information, or it cannot be read */
};

struct sw_table {
  __u32 state;
  __u32 root; /* block */
  __u32 levels;
  __u32 used; /* SW_CONTROL_WINDOW at the last use */
};

/* What user space is told of a file that has no table: who has it mapped, and where. */
struct sw_wanted {
  struct sw_file file;
  __u64 start, end, offset;
  __u32 tgid;
  __u32 unused;
};

/* Blocks of all tables are in slabs, made as they are needed. */
#define SW_SLAB_BLOCKS 64
