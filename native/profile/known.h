// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "hash.h"
#include "index_table.h"
#include "rows.h"

namespace stackwell {

/// Where things are in acknowledged segments, by hash of their content. Bounded: two generations, and when
/// the young one has half of what is allowed, the old one is forgotten. What is asked for stays young. To
/// forget is safe: what is forgotten is written once more.
class Known {
 public:
  explicit Known(size_t max) : half_(max / 2 + 1) {}

  /// Null when it is not known.
  const SymbolRef* Find(const Hash128& hash) {
    const uint32_t row = young_.Find(hash);
    if (row != IndexTable::kNone) return &young_.refs[row];
    const uint32_t old_row = old_.Find(hash);
    if (old_row == IndexTable::kNone) return nullptr;
    const SymbolRef ref = old_.refs[old_row];
    Remember(hash, ref);
    return &young_.refs.back();
  }

  /// The last one given for a hash counts.
  void Remember(const Hash128& hash, SymbolRef ref) {
    const uint32_t row = young_.Find(hash);
    if (row != IndexTable::kNone) {
      young_.refs[row] = ref;
      return;
    }
    if (young_.refs.size() >= half_) {
      old_ = std::move(young_);
      young_ = {};
    }
    young_.table.Insert(Key(hash), static_cast<uint32_t>(young_.refs.size()));
    young_.hashes.push_back(hash);
    young_.refs.push_back(ref);
  }

  void Clear() { old_ = young_ = {}; }

  /// Some may be counted in both generations.
  size_t size() const { return young_.refs.size() + old_.refs.size(); }
  size_t bytes() const { return young_.bytes() + old_.bytes(); }

 private:
  struct Generation {
    std::vector<Hash128> hashes;
    std::vector<SymbolRef> refs;
    IndexTable table;

    uint32_t Find(const Hash128& hash) const {
      return table.Find(Key(hash), [&](uint32_t row) { return hashes[row] == hash; });
    }
    size_t bytes() const {
      return hashes.capacity() * sizeof(Hash128) + refs.capacity() * sizeof(SymbolRef) + table.bytes();
    }
  };

  static uint64_t Key(const Hash128& hash) { return Mix(hash.low, ProcessSeed()); }

  size_t half_;
  Generation young_, old_;
};

}  // namespace stackwell
