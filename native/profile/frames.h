// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matching.h"
#include "symbols.h"

namespace stackwell {

/// What a reader sees of a location: functions without lines and addresses. A frame with a name is identified
/// by (name, file), one without by (base name of the mapping, build ID, offset in the file, reason).
/// With `matching`, by what is left of these. `symbols` must outlive it.
class Frames {
 public:
  explicit Frames(const SymbolColumns& symbols, const Matching* matching = nullptr);

  /// Frames of a location, the outermost function first.
  std::span<const uint32_t> Of(uint32_t location) const {
    return {frames_.data() + offset_[location], frames_.data() + offset_[location + 1]};
  }
  size_t size() const { return rows_.size(); }
  /// Place of a frame in the order of names: the same for whatever order the profiles came in.
  uint32_t Rank(uint32_t frame) const { return rank_[frame]; }

  std::string_view Name(uint32_t frame) const { return rows_[frame].name; }
  std::string_view File(uint32_t frame) const { return rows_[frame].file; }
  std::string_view Module(uint32_t frame) const { return rows_[frame].module; }
  std::string_view Reason(uint32_t frame) const { return rows_[frame].reason; }
  /// Of a frame without a name only.
  std::string_view BuildId(uint32_t frame) const { return rows_[frame].build_id; }

 private:
  struct Row {
    std::string name, file;
    std::string_view module, reason, build_id;
  };

  void Order();

  std::vector<uint32_t> offset_;
  std::vector<uint32_t> frames_;
  std::vector<Row> rows_;
  std::vector<uint32_t> rank_;
};

}  // namespace stackwell
