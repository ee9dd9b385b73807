// SPDX-License-Identifier: Apache-2.0
#include "rows.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "block.h"
#include "sum.h"

namespace stackwell {
namespace {

constexpr std::string_view kMagic{"SWR\x01", 4};
constexpr uint64_t kMostBytes = 32ull << 20;
constexpr int kLevel = 3;

const std::string kName = "rows";

uint64_t Magnitude(int64_t value) {
  return value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
}

// Row 0 of every segment is the same empty label set. The others interleave the segments, so that one number
// names both: few profiles have labels from more than one.
uint64_t PackLabelSet(SymbolRef ref, uint32_t segments) {
  return ref.row == 0 ? 0 : 1 + (uint64_t{ref.row} - 1) * segments + ref.segment;
}

}  // namespace

void SumEqualRows(std::vector<Row>& rows) {
  std::ranges::sort(rows, {}, [](const Row& row) { return std::tie(row.stack, row.label_set); });
  std::vector<Row> sums;
  sums.reserve(rows.size());
  for (auto row = rows.begin(); row != rows.end();) {
    const Row first = *row;
    Sum sum = 0;
    for (; row != rows.end() && row->stack == first.stack && row->label_set == first.label_set; ++row)
      sum += row->value;
    Split(sum, [&](int64_t value) { sums.push_back({first.stack, first.label_set, value}); });
  }
  rows.swap(sums);
}

Bytes EncodeRows(const std::vector<Row>& rows, uint32_t segment_count) {
  Bytes out;
  AppendVarint(out, rows.size());

  // How many rows have their stack in each segment.
  auto row = rows.begin();
  for (uint32_t segment = 0; segment < segment_count; segment++) {
    const auto begin = row;
    while (row != rows.end() && row->stack.segment == segment) ++row;
    AppendVarint(out, static_cast<uint64_t>(row - begin));
  }

  SymbolRef previous;
  for (const Row& r : rows) {
    AppendVarint(out, r.stack.row - (r.stack.segment == previous.segment ? previous.row : 0));
    previous = r.stack;
  }

  uint64_t last = 0;
  for (const Row& r : rows) {
    const uint64_t label_set = PackLabelSet(r.label_set, segment_count);
    AppendVarint(out, ZigZag(static_cast<int64_t>(label_set - last)));
    last = label_set;
  }

  // Values of a sampler are multiples of its period.
  uint64_t divisor = 0;
  for (const Row& r : rows) divisor = std::gcd(divisor, Magnitude(r.value));
  if (divisor == 0) divisor = 1;
  AppendVarint(out, divisor);
  // -2^63 has no positive counterpart, so signs go beside the magnitudes, not through ZigZag.
  for (const Row& r : rows) AppendVarint(out, Magnitude(r.value) / divisor);
  for (const Row& r : rows) AppendVarint(out, r.value < 0);
  return Pack(kMagic, out, kLevel);
}

uint64_t RowBytes(Span bytes) { return std::min(UnpackedBytes(kMagic, bytes), kMostBytes); }

void DecodeRows(Span bytes, uint32_t segment_count, std::vector<Row>& rows) {
  const Bytes content = Unpack(kMagic, bytes, kMostBytes, kName);
  Cursor in(content, kName);
  const uint32_t count = in.Count(4, "rows");
  rows.assign(count, Row{});

  uint32_t at = 0;
  for (uint32_t segment = 0; segment < segment_count; segment++) {
    const uint64_t of_segment = in.Number();
    if (of_segment > count - at) in.Fail("too many rows of a segment");
    for (const uint64_t end = at + of_segment; at < end; at++) rows[at].stack.segment = segment;
  }
  if (at != count) in.Fail("a row has no segment");

  SymbolRef previous;
  for (Row& row : rows) {
    const uint64_t base = row.stack.segment == previous.segment ? previous.row : 0;
    const uint64_t delta = in.Number();
    if (delta > UINT32_MAX - base) in.Fail("a stack does not exist");
    row.stack.row = static_cast<uint32_t>(base + delta);
    previous = row.stack;
  }

  uint64_t label_set = 0;
  SymbolRef ref;
  for (Row& row : rows) {
    const int64_t delta = in.Signed();
    if (delta == 0) {
      row.label_set = ref;
      continue;
    }
    label_set += static_cast<uint64_t>(delta);
    if (label_set == 0) {
      ref = {};
      continue;
    }
    const uint64_t number = (label_set - 1) / segment_count;
    if (number >= UINT32_MAX) in.Fail("a label set does not exist");
    ref = {static_cast<uint32_t>((label_set - 1) % segment_count), static_cast<uint32_t>(number + 1)};
    row.label_set = ref;
  }

  const uint64_t divisor = in.Number();
  for (Row& row : rows) {
    uint64_t magnitude;
    if (__builtin_mul_overflow(in.Number(), divisor, &magnitude) || magnitude > 1ull << 63)
      in.Fail("a value is over 64 bits");
    row.value = static_cast<int64_t>(magnitude);
  }
  for (Row& row : rows) {
    const bool negative = in.Row(2, "a sign") != 0;
    // As positive number, 2^63 is what -2^63 is.
    if (!negative && row.value < 0) in.Fail("a value is over 64 bits");
    if (negative) row.value = static_cast<int64_t>(-static_cast<uint64_t>(row.value));
  }
  in.ExpectEnd();
}

}  // namespace stackwell
