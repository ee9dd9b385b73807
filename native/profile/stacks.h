// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "limits.h"
#include "wire.h"

namespace stackwell {

/// Formats that are stacks of names with a count, and nothing else.
enum class StackFormat {
  /// A line for each stack: `root;…;leaf count`.
  kFolded,
  /// A line for each sample: `root;…;leaf`.
  kLines,
  /// Nodes in preorder: length and bytes of a part of the folded text, count, number of children; numbers are
  /// varints.
  kTrie,
  /// Likewise, but each node is one frame.
  kTree,
};

/// What the counts are. A count is `scale` units.
struct StackType {
  std::string type, unit, period_type, period_unit;
  int64_t period = 0;
  int64_t scale = 1;
};

/// `data`, plain or gzipped, as pprof, not compressed. Throws Invalid and OverLimit.
Bytes ConvertStacks(Span data, StackFormat format, const StackType& type, const Limits& limits);

}  // namespace stackwell
