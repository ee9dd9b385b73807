// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "failure.h"

namespace stackwell {

/// Bounds on what one profile may ask of us; documented in index.d.ts.
struct Limits {
  uint64_t max_bytes = 64ull << 20;
  uint64_t max_samples = 1'000'000;
  uint64_t max_locations = 1'000'000;
  uint64_t max_strings = 2'000'000;
  uint64_t max_string_bytes = 64 << 10;
  uint64_t max_depth = 1024;
  uint64_t max_labels = 64;

  // Two bytes of input can make twenty of columns (an empty label, line or value). What is counted for each
  // sample or location is therefore bounded in all, too.
  uint64_t AllLabels() const { return 8 * max_samples; }
  uint64_t AllFrames() const { return 32 * max_samples; }
  uint64_t AllValues() const { return 8 * max_samples; }
  uint64_t AllLines() const { return 4 * max_locations; }
};

/// No stack that is merged may be deeper: depths are 16 bits wide in the flame graph.
inline constexpr uint64_t kDeepest = 32'768;

/// Each becomes a profile of its own; real profiles have up to about ten.
inline constexpr uint64_t kMostSampleTypes = 256;

inline void Check(const char* limit, uint64_t value, uint64_t max) {
  if (value > max) OverLimit(limit, value, max);
}

}  // namespace stackwell
