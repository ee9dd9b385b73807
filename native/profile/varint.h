// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace stackwell {

using Bytes = std::vector<uint8_t>;

/// Reads a little-endian base-128 number and moves `p` behind it. False, with `p` anywhere up to `end`, when
/// it does not end before `end` or does not fit 64 bits.
inline bool ReadVarint(const uint8_t*& p, const uint8_t* end, uint64_t& value) {
  if (p < end && *p < 0x80) {
    value = *p++;
    return true;
  }
  uint64_t sum = 0;
  for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
    const uint64_t byte = *p++;
    // The tenth byte has room for one bit.
    if (shift == 63 && byte > 1) return false;
    sum |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = sum;
      return true;
    }
  }
  return false;
}

inline void AppendVarint(Bytes& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<uint8_t>(value) | 0x80);
    value >>= 7;
  }
  out.push_back(static_cast<uint8_t>(value));
}

/// Small negative numbers become small: 0, -1, 1, -2 … → 0, 1, 2, 3 …
inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t UnZigZag(uint64_t value) { return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1)); }

}  // namespace stackwell
