// SPDX-License-Identifier: Apache-2.0
// What segments and rows have in common: a magic, a zstd frame with a checksum, and columns of numbers
// inside.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "varint.h"
#include "wire.h"

namespace stackwell {

/// `magic` (4 bytes, the last one a version) and `content` as one zstd frame with its size and checksum.
Bytes Pack(std::string_view magic, const Bytes& content, int level);

/// The content of what Pack made, at most `max_bytes`. Throws Damaged(name, …).
Bytes Unpack(std::string_view magic, Span packed, uint64_t max_bytes, const std::string& name);

/// How large Unpack's content says that it is; 0 when nothing can be told.
uint64_t UnpackedBytes(std::string_view magic, Span packed);

/// Reads the columns of a content; nothing in it is trusted. Throws Damaged(name, …). `name` must outlive it.
class Cursor {
 public:
  Cursor(const Bytes& content, const std::string& name)
      : at_(content.data()), end_(content.data() + content.size()), name_(name) {}

  uint64_t Number() {
    uint64_t value;
    if (!ReadVarint(at_, end_, value)) Fail("a number is cut off");
    return value;
  }
  int64_t Signed() { return UnZigZag(Number()); }
  /// A row below `rows`.
  uint32_t Row(uint64_t rows, const char* kind) { return CheckRow(Number(), rows, kind); }
  uint32_t CheckRow(uint64_t row, uint64_t rows, const char* kind) {
    if (row >= rows) Fail(std::string(kind) + " does not exist");
    return static_cast<uint32_t>(row);
  }
  /// How many there are of something that takes at least `bytes_each` bytes of what is left.
  uint32_t Count(uint64_t bytes_each, const char* kind) {
    const uint64_t count = Number();
    // Row 0 of every kind is not written, so one more than the count must fit 32 bits.
    if (count >= UINT32_MAX || count * bytes_each > left()) Fail(std::string("too many ") + kind);
    return static_cast<uint32_t>(count);
  }
  std::string_view Text(uint64_t size) {
    if (size > left()) Fail("a string is cut off");
    const auto* begin = reinterpret_cast<const char*>(at_);
    at_ += size;
    return {begin, size};
  }
  uint64_t left() const { return static_cast<uint64_t>(end_ - at_); }
  void ExpectEnd() {
    if (at_ != end_) Fail("there is something behind its end");
  }
  [[noreturn]] void Fail(const std::string& reason) const;

 private:
  const uint8_t* at_;
  const uint8_t* end_;
  const std::string& name_;
};

/// Numbers that are mostly one more than the greatest before them (rows in the order of their first use):
/// those become 0, which compresses to almost nothing.
class FirstUse {
 public:
  uint64_t Encode(uint32_t row) {
    const uint64_t code = ZigZag(static_cast<int64_t>(next_) - row);
    if (row >= next_) next_ = uint64_t{row} + 1;
    return code;
  }
  /// Any number, also one that is no row: to be checked by the caller.
  uint64_t Decode(uint64_t code) {
    const uint64_t row = next_ - static_cast<uint64_t>(UnZigZag(code));
    if (row >= next_ && row < UINT32_MAX) next_ = row + 1;
    return row;
  }

 private:
  uint64_t next_ = 0;
};

}  // namespace stackwell
