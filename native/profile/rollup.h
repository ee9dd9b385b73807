// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "merger.h"
#include "writer.h"

namespace stackwell {

/// Summed of index.d.ts.
struct Summed {
  std::vector<std::string> segments;
  Bytes rows;
  uint32_t row_count = 0;
  Sum total = 0;
  /// Positions of profiles that are damaged.
  std::vector<size_t> damaged;
};

/// Sums rows as they are: what two segments both have stays two rows.
Summed SumProfiles(const std::vector<Merger::Input>& profiles);

/// Everything that was added to `merger`, which keeps labels, as one profile with the symbols of `writer`, in
/// few segments: what the profiles of many agents have each in a segment of its own comes together here, and
/// the profiles that come next find it together.
Batch RollUp(const Merger& merger, SymbolWriter& writer);

}  // namespace stackwell
