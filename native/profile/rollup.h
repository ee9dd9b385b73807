// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "merger.h"

namespace stackwell {

/// RolledUp of index.d.ts.
struct RolledUp {
  std::vector<std::string> segments;
  Bytes rows;
  uint32_t row_count = 0;
  Sum total = 0;
  /// What no segment has that was there: label sets that are parts of others.
  std::optional<EncodedSegment> segment;
  /// Positions of profiles that are damaged.
  std::vector<size_t> damaged;
};

/// Sums rows as they are: what two segments both have stays two rows.
RolledUp SumProfiles(const std::vector<Merger::Input>& profiles);

/// Everything that was added to `merger`, which keeps labels, in rows that point into the segments that were
/// added. Of the sample labels only those in `kept_labels` stay.
RolledUp RollUp(const Merger& merger, const std::vector<std::string>& kept_labels,
                const std::string& segment_prefix);

}  // namespace stackwell
