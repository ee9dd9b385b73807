// SPDX-License-Identifier: Apache-2.0
// Sums are 128 bits wide: no number of 64-bit values that fits a machine overflows them, so addition commutes
// and associates, and the total is the same in whatever order profiles come.
#pragma once

#include <cstdint>
#include <limits>

namespace stackwell {

using Sum = __int128;

/// Calls `emit` with 64-bit values that add up to `sum`: one, unless it does not fit; none for 0.
template <typename Emit>
void Split(Sum sum, Emit emit) {
  constexpr Sum kMin = std::numeric_limits<int64_t>::min();
  constexpr Sum kMax = std::numeric_limits<int64_t>::max();
  while (sum != 0) {
    const Sum part = sum < kMin ? kMin : sum > kMax ? kMax : sum;
    emit(static_cast<int64_t>(part));
    sum -= part;
  }
}

inline Sum Absolute(Sum value) { return value < 0 ? -value : value; }

inline int64_t Saturate(Sum sum) {
  if (sum < std::numeric_limits<int64_t>::min()) return std::numeric_limits<int64_t>::min();
  if (sum > std::numeric_limits<int64_t>::max()) return std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(sum);
}

}  // namespace stackwell
