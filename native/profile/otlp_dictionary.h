// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "limits.h"
#include "wire.h"

namespace stackwell {

/// ProfilesDictionary of OTLP (proto/opentelemetry/proto/profiles/v1development/profiles.proto) as columns.
/// All references between tables have been checked. Row 0 of each table stands for "none".
struct OtlpDictionary {
  struct Mapping {
    uint64_t start = 0, limit = 0, offset = 0;
    uint32_t filename = 0;
    std::string_view build_id;
  };
  struct Function {
    uint32_t name = 0, system_name = 0, filename = 0;
    int64_t start_line = 0;
  };
  struct Line {
    uint32_t function = 0;
    int64_t line = 0, column = 0;
  };
  struct Location {
    uint32_t mapping = 0;
    uint64_t address = 0;
    bool is_kernel = false;
    uint32_t first_line = 0, end_line = 0;
  };
  /// Key and value as text; '' for a value that is a list, a map or bytes.
  struct Attribute {
    std::string_view key, text;
  };
  /// Raw bytes, 16 and 8; empty when there is none.
  struct Link {
    Span trace, span;
  };

  // What the others point into, besides the message itself: repaired text, numbers as text.
  std::deque<std::string> owned;
  std::vector<std::string_view> strings;
  std::vector<Attribute> attributes;
  std::vector<Mapping> mappings;
  std::vector<Function> functions;
  std::vector<Line> lines;
  std::vector<Location> locations;
  std::vector<Link> links;
  /// Stack i is stack_locations[stack_offset[i]] … [stack_offset[i + 1]], leaf first.
  std::vector<uint32_t> stack_offset{0};
  std::vector<uint32_t> stack_locations;

  size_t stack_count() const { return stack_offset.size() - 1; }

  /// Throws Invalid where there is no such row.
  uint32_t String(uint64_t index) const;
  uint32_t AttributeRow(uint64_t index) const;

  /// `text` itself, or repaired. Throws OverLimit("bytes of a string").
  std::string_view Text(Span text, const Limits& limits);
  /// A value (AnyValue of OTLP) as text.
  std::string_view Value(Span any_value, const Limits& limits);
  /// A KeyValue of OTLP, its key by name or by index.
  Attribute KeyValue(Span message, const Limits& limits);
};

/// `messages` are the parts that the dictionary came in; they must outlive it. Throws Failure.
OtlpDictionary ReadDictionary(const std::vector<Span>& messages, const Limits& limits);

/// Throws Invalid when a field that is known has not the wire type that it has in this version of the
/// protocol.
void Expect(const Field& field, Wire wire, const char* message);
/// Likewise for a repeated number, which may be packed or not.
void ExpectNumbers(const Field& field, const char* message);

}  // namespace stackwell
