// SPDX-License-Identifier: Apache-2.0
// Names that are found after a profile was stored: what asks for them, and what they are.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sum.h"

namespace stackwell {

/// Unnamed of index.d.ts: places in files that have a build id, where no one knew a name. A location that
/// ends some stacks and calls in others is two rows.
struct UnnamedPlaces {
  std::vector<std::string> build_ids;
  std::vector<uint32_t> build_id;
  std::vector<double> offset;
  std::vector<uint8_t> is_leaf;
  std::vector<uint32_t> location;
};

/// LateNames of index.d.ts.
struct LateNames {
  std::vector<uint32_t> location;
  std::vector<uint8_t> is_leaf;
  std::vector<std::string> strings;
  /// Frames of row i: [frame_offset[i], frame_offset[i + 1]), innermost first.
  std::vector<uint32_t> frame_offset;
  std::vector<uint32_t> name, system_name, file, line, start_line;

  bool IsConsistent(size_t locations) const;
};

/// What frames without a name weigh in the selected rows: a frame as much as the values of the stacks through
/// it.
struct Weights {
  Sum named = 0, all = 0;
};
using WeightsByReason = std::map<std::string, Weights, std::less<>>;

}  // namespace stackwell
