// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stackwell {

/// A hash table of row numbers; what the rows are lies in columns elsewhere. Open addressing, linear probing,
/// at most half full; nothing is ever removed. The caller hashes (with ProcessSeed mixed in) and compares.
class IndexTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  /// The row with this hash for which `equal(row)` is true, or kNone.
  template <typename Equal>
  uint32_t Find(uint64_t hash, Equal equal) const {
    if (slots_.empty()) return kNone;
    const uint32_t short_hash = Shorten(hash);
    for (size_t at = short_hash & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.row == kNone) return kNone;
      if (slot.hash == short_hash && equal(slot.row)) return slot.row;
    }
  }

  /// Only for what Find did not find.
  void Insert(uint64_t hash, uint32_t row) {
    if ((count_ + 1) * 2 > slots_.size()) Grow();
    Place({Shorten(hash), row});
    count_++;
  }

  size_t size() const { return count_; }
  size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    uint32_t hash = 0;
    uint32_t row = kNone;
  };

  static uint32_t Shorten(uint64_t hash) { return static_cast<uint32_t>(hash ^ hash >> 32); }

  void Place(Slot slot) {
    size_t at = slot.hash & mask_;
    while (slots_[at].row != kNone) at = (at + 1) & mask_;
    slots_[at] = slot;
  }

  void Grow() {
    std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
    old.swap(slots_);
    mask_ = slots_.size() - 1;
    for (const Slot& slot : old)
      if (slot.row != kNone) Place(slot);
  }

  std::vector<Slot> slots_;
  size_t mask_ = 0;
  size_t count_ = 0;
};

}  // namespace stackwell
