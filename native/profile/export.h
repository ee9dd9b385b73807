// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "merger.h"
#include "profile.h"

namespace stackwell {

/// What the rows do not say about a merged profile.
struct ExportOptions {
  std::string sample_type, sample_unit, period_type, period_unit;
  int64_t period = 0, time_nanos = 0, duration_nanos = 0;
  std::vector<std::string> comments;
  /// Needs a merger that keeps labels.
  bool sample_labels = false;
  bool reasons = false;
  /// Only what Go's compiler takes for profile-guided optimization: of each stack the innermost run of Go
  /// frames whose functions have a first line, under the names that Go's linker knows.
  bool go_only = false;
};

/// What was merged, as one profile that refers to the memory of `merger`. Reasons of unnamed locations are
/// added to the comments (docs/pprof.md). A sum that does not fit 64 bits becomes several samples.
Profile Export(const Merger& merger, const ExportOptions& options);

}  // namespace stackwell
