/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tells a Java method from another one that has its place later. An interpreted method is named seconds
 * after it was seen, by its address; in between its class may have been unloaded, and the memory given to
 * another one, often of the same shape. So a hash of what makes it this very method goes along: where its
 * class, its constants and its names are, and the first words of the names' symbols. A symbol has a random
 * number there, so another one in its place differs.
 *
 * symbolizers/src/java/identity.rs computes the same when the method is named.
 */
#pragma once

#include "jvm.h"

/* The word: index of the bytecode, … */
#define SW_METHOD_NATIVE 0xffff
/* … what of the identity could be read: a page that is not in memory cannot, … */
#define SW_METHOD_CLASS (1ull << 16)
#define SW_METHOD_NAME (1ull << 17)
/* … and the hash. */
#define SW_METHOD_HASH_SHIFT 18

static __always_inline __u64 sw_method_mix(__u64 hash, __u64 word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
  return hash ^ hash >> 32;
}

/* What makes a symbol this very one; 0 if it cannot be read. How many use it changes. */
static __always_inline __u64 sw_method_symbol(const struct sw_jvm *jvm, __u64 symbol,
                                              struct task_struct *other) {
  __u64 head = 0;
  if (!sw_read(&head, sizeof(head), symbol, other)) return 0;
  head &= ~(0xffffull << (8 * (jvm->refcount & 7)));
  return sw_method_mix(sw_method_mix(0, symbol), head);
}

/* `shape`: four numbers of the ConstMethod: size of the bytecode, indices of name and signature, idnum. */
static __always_inline __u64 sw_method_identity(const struct sw_jvm *jvm, __u64 constant, __u64 shape,
                                                struct task_struct *other) {
  __u64 hash = sw_method_mix(sw_method_mix(0, constant), shape), seen = 0;
  __u64 pool = 0, class = 0, name = 0, symbol = 0;
  if (!sw_read(&pool, sizeof(pool), constant + jvm->constants, other)) pool = 0;
  if (pool && sw_read(&class, sizeof(class), pool + jvm->pool_holder, other) &&
      sw_read(&name, sizeof(name), class + jvm->class_name, other) &&
      (symbol = sw_method_symbol(jvm, name, other))) {
    hash = sw_method_mix(sw_method_mix(hash, class), symbol);
    seen |= SW_METHOD_CLASS;
  }
  __u64 entry = pool + jvm->pool_entries + 8 * (shape >> 16 & 0xffff);
  if (pool && sw_read(&name, sizeof(name), entry, other) && (symbol = sw_method_symbol(jvm, name, other))) {
    hash = sw_method_mix(sw_method_mix(hash, pool), symbol);
    seen |= SW_METHOD_NAME;
  }
  return hash << SW_METHOD_HASH_SHIFT | seen;
}
