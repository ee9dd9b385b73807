// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "varint.h"
#include "wire.h"

namespace stackwell {

/// A row of one of the segments that a profile names, by position.
struct SymbolRef {
  uint32_t segment = 0;
  uint32_t row = 0;
  auto operator<=>(const SymbolRef&) const = default;
};

/// Value of one stack with one label set in one profile. The root is row 0 of any segment, as is the empty
/// label set.
struct Row {
  SymbolRef stack;
  SymbolRef label_set;
  int64_t value = 0;
};

/// Sorts by (stack, label set) and sums what is equal there. Rows of 0 are left out; a sum that does not fit
/// 64 bits stays several rows.
void SumEqualRows(std::vector<Row>& rows);

/// Rows as they are stored, sorted by (stack, label set); the format is in docs/storage.md.
Bytes EncodeRows(const std::vector<Row>& rows, uint32_t segment_count);

/// How large they are before they are decoded, for who must not have too many at once.
uint64_t RowBytes(Span bytes);

/// Fills `rows` (which is given, so that its memory is used again). Throws Damaged unless every reference is
/// to one of `segment_count` segments; whether the segment has such a row is for the caller to check.
void DecodeRows(Span bytes, uint32_t segment_count, std::vector<Row>& rows);

}  // namespace stackwell
