// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index_table.h"
#include "limits.h"
#include "varint.h"
#include "wire.h"

namespace stackwell {

/// Rows of one kind of message by their pprof id. Ids are any numbers; those that count from 1 need no table.
class IdMap {
 public:
  /// The row of `id`, or -1.
  int64_t Find(uint64_t id) const;
  /// Throws Invalid for 0 and for an id that is there already.
  void Add(uint64_t id, const char* kind);
  uint32_t size() const { return static_cast<uint32_t>(ids_.size()); }
  void Reserve(size_t count) { ids_.reserve(count); }

 private:
  std::vector<uint64_t> ids_;
  // Whether ids_[i] == i + 1 for all i: then the others are empty.
  bool counted_ = true;
  // Of small ids, which nearly all writers use: row + 1 by id, 0 where there is none. Larger ones are in
  // table_.
  std::vector<uint32_t> rows_;
  IndexTable table_;

  void Place(uint64_t id, uint32_t row);
};

/// A pprof profile as columns; the meaning of each is in index.d.ts (ProfileColumns).
struct Profile {
  struct ValueType {
    uint32_t type = 0;
    uint32_t unit = 0;
  };
  struct Mappings {
    std::vector<uint64_t> start, limit, offset;
    std::vector<uint32_t> filename, build_id;
    std::vector<uint8_t> flags;
    size_t size() const { return start.size(); }
  };
  struct Functions {
    std::vector<uint32_t> name, system_name, filename;
    std::vector<int64_t> start_line;
    size_t size() const { return name.size(); }
  };
  struct Locations {
    std::vector<int32_t> mapping;
    std::vector<uint64_t> address;
    std::vector<uint8_t> is_folded;
    std::vector<uint32_t> line_offset{0};
    size_t size() const { return address.size(); }
  };
  struct Lines {
    std::vector<int32_t> function;
    std::vector<int64_t> line, column;
    size_t size() const { return function.size(); }
  };
  struct Samples {
    std::vector<uint32_t> location_offset{0};
    std::vector<uint32_t> location;
    std::vector<int64_t> values;
    std::vector<uint32_t> label_offset{0};
    size_t size() const { return label_offset.size() - 1; }
  };
  struct Labels {
    std::vector<uint32_t> key, str;
    std::vector<int64_t> num;
    std::vector<uint32_t> num_unit;
    size_t size() const { return key.size(); }
  };

  // What `strings` points into. Movable without moving the bytes: neither container has a small-size buffer.
  Bytes message;
  std::deque<std::string> owned_text;

  std::vector<std::string_view> strings;
  std::vector<ValueType> sample_types;
  std::optional<ValueType> period_type;
  int64_t period = 0;
  int64_t time_nanos = 0;
  int64_t duration_nanos = 0;
  std::vector<uint32_t> comments;
  uint32_t default_sample_type = 0;
  uint32_t drop_frames = 0;
  uint32_t keep_frames = 0;
  uint32_t doc_url = 0;
  Mappings mappings;
  Functions functions;
  Locations locations;
  Lines lines;
  Samples samples;
  Labels labels;

  /// Rows of `locations` by the ids in the message: comments name locations by id.
  IdMap location_ids;

  Profile() = default;
  Profile(Profile&&) = default;
  Profile& operator=(Profile&&) = default;
};

/// Decodes a message, plain or gzipped. Stacks come out whole, whatever Limits::max_depth is. Throws Failure.
Profile Decode(Span data, const Limits& limits);

/// Encodes in the order of field numbers, ids counting from 1, repeated numbers packed. `gzip_level` 0 leaves
/// it plain. The profile must be consistent (see CheckConsistent).
Bytes Encode(const Profile& profile, int gzip_level);

/// Throws Invalid unless all columns of a kind are of one length and every reference has its row.
void CheckConsistent(const Profile& profile);

}  // namespace stackwell
