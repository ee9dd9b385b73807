// SPDX-License-Identifier: Apache-2.0
// The protobuf wire format: https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstdint>
#include <string_view>

#include "varint.h"

namespace stackwell {

/// A message, or the payload of a length-delimited field. Does not own its bytes.
struct Span {
  const uint8_t* begin = nullptr;
  const uint8_t* end = nullptr;

  uint64_t size() const { return static_cast<uint64_t>(end - begin); }
  std::string_view text() const { return {reinterpret_cast<const char*>(begin), size()}; }
};

inline Span SpanOf(const Bytes& bytes) { return {bytes.data(), bytes.data() + bytes.size()}; }

enum class Wire : uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5
};

struct Field {
  uint32_t number;
  Wire wire;
  /// For kVarint.
  uint64_t value;
  /// For kBytes.
  Span bytes;
};

[[noreturn]] void FailNumber(const uint8_t* at, const uint8_t* end);

inline uint64_t ReadVarintOrFail(const uint8_t*& at, const uint8_t* end) {
  uint64_t value;
  if (!ReadVarint(at, end, value)) FailNumber(at, end);
  return value;
}

/// Iterates over the fields of one message. Throws Invalid for what is not a message. Groups and fixed-width
/// fields do not occur in profile.proto, they are skipped.
class Reader {
 public:
  explicit Reader(Span message) : at_(message.begin), end_(message.end) {}

  /// False at the end of the message.
  bool Next(Field& field) {
    // All fields of profile.proto but three have numbers below 16: their tags are one byte.
    if (at_ < end_ && *at_ >= 8 && *at_ < 0x80 && (*at_ & 7) <= static_cast<uint8_t>(Wire::kBytes) &&
        (*at_ & 7) != static_cast<uint8_t>(Wire::kFixed64)) {
      field.number = *at_ >> 3;
      field.wire = static_cast<Wire>(*at_++ & 7);
      uint64_t value;
      if (!ReadVarint(at_, end_, value)) FailNumber(at_, end_);
      if (field.wire == Wire::kVarint) {
        field.value = value;
      } else {
        if (value > static_cast<uint64_t>(end_ - at_)) FailLength(field.number);
        field.bytes = {at_, at_ + value};
        at_ += value;
      }
      return true;
    }
    return NextOfAny(field);
  }

 private:
  bool NextOfAny(Field& field);
  void ReadTag(Field& field);
  void ReadPayload(Field& field);
  void SkipGroup(uint32_t number);
  [[noreturn]] static void FailLength(uint32_t number);

  const uint8_t* at_;
  const uint8_t* end_;
};

/// Calls `each` for the numbers of a repeated field, packed or not. Another wire type is an unknown field:
/// skipped.
template <typename Each>
void EachNumber(const Field& field, Each each) {
  if (field.wire == Wire::kVarint) {
    each(field.value);
  } else if (field.wire == Wire::kBytes) {
    for (const uint8_t* at = field.bytes.begin; at < field.bytes.end;)
      each(ReadVarintOrFail(at, field.bytes.end));
  }
}

/// Appends fields to `out`.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  /// Nothing for 0, the default.
  void Number(uint32_t field, uint64_t value) {
    if (value != 0) RepeatedNumber(field, value);
  }
  void Number(uint32_t field, int64_t value) { Number(field, static_cast<uint64_t>(value)); }
  void Number(uint32_t field, uint32_t value) { Number(field, static_cast<uint64_t>(value)); }
  void RepeatedNumber(uint32_t field, uint64_t value) {
    AppendVarint(out_, field << 3 | static_cast<uint32_t>(Wire::kVarint));
    AppendVarint(out_, value);
  }
  void LengthDelimited(uint32_t field, const void* data, uint64_t size) {
    AppendVarint(out_, field << 3 | static_cast<uint32_t>(Wire::kBytes));
    AppendVarint(out_, size);
    const auto* bytes = static_cast<const uint8_t*>(data);
    out_.insert(out_.end(), bytes, bytes + size);
  }
  void Message(uint32_t field, const Bytes& message) {
    LengthDelimited(field, message.data(), message.size());
  }

 private:
  Bytes& out_;
};

}  // namespace stackwell
