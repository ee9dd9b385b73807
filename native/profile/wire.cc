// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include "failure.h"

namespace stackwell {
namespace {

constexpr int kDeepestGroup = 64;

}  // namespace

void FailNumber(const uint8_t* at, const uint8_t* end) {
  Invalid(at == end ? "a number is cut off" : "a number has over 64 bits");
}

void Reader::FailLength(uint32_t number) {
  Invalid("field " + std::to_string(number) + " is longer than its message");
}

bool Reader::NextOfAny(Field& field) {
  while (at_ < end_) {
    ReadTag(field);
    if (field.wire == Wire::kEndGroup) Invalid("a group ends that did not start");
    if (field.wire != Wire::kStartGroup) {
      ReadPayload(field);
      return true;
    }
    SkipGroup(field.number);
  }
  return false;
}

void Reader::ReadTag(Field& field) {
  const uint64_t tag = ReadVarintOrFail(at_, end_);
  const uint64_t number = tag >> 3;
  if (number == 0 || number >= 1u << 29)
    Invalid("there is no field number " + std::to_string(number) + " in protobuf");
  if ((tag & 7) > 5) Invalid("there is no wire type " + std::to_string(tag & 7) + " in protobuf");
  field.number = static_cast<uint32_t>(number);
  field.wire = static_cast<Wire>(tag & 7);
}

void Reader::ReadPayload(Field& field) {
  uint64_t size = 0;
  switch (field.wire) {
    case Wire::kVarint:
      field.value = ReadVarintOrFail(at_, end_);
      return;
    case Wire::kFixed64:
      size = 8;
      break;
    case Wire::kFixed32:
      size = 4;
      break;
    default:
      size = ReadVarintOrFail(at_, end_);
  }
  if (size > static_cast<uint64_t>(end_ - at_)) FailLength(field.number);
  field.bytes = {at_, at_ + size};
  at_ += size;
}

// Iterative, so that the depth of hostile nesting costs no native stack.
void Reader::SkipGroup(uint32_t number) {
  uint32_t open[kDeepestGroup];
  int depth = 0;
  open[depth++] = number;
  while (depth > 0) {
    if (at_ == end_) Invalid("a group does not end");
    Field field{};
    ReadTag(field);
    if (field.wire == Wire::kStartGroup) {
      if (depth == kDeepestGroup) Invalid("groups are nested too deep");
      open[depth++] = field.number;
    } else if (field.wire == Wire::kEndGroup) {
      if (field.number != open[--depth]) Invalid("a group ends that did not start");
    } else {
      ReadPayload(field);
    }
  }
}

}  // namespace stackwell
