// SPDX-License-Identifier: Apache-2.0
// What a comparison needs to tell a difference from noise: sums of the same stacks, apart for each replicate.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "frames.h"
#include "sum.h"
#include "tree.h"

namespace stackwell {

/// Sums by node of each replicate: a list each, since one touches few of the nodes.
class Replicates {
 public:
  struct Part {
    uint32_t node;
    Sum sum;
  };

  void Add(uint32_t replicate, uint32_t node, int64_t value);
  /// Gives what is at node i to node to[i].
  void Move(const std::vector<uint32_t>& to);
  /// Greatest replicate that was added to, and 1.
  size_t size() const { return lists_.size(); }
  /// One entry for each node that has a sum, sorted.
  const std::vector<Part>& Of(uint32_t replicate);
  size_t bytes() const { return capacity_ * sizeof(Part); }

 private:
  struct List {
    std::vector<Part> parts;
    size_t sorted = 0;
  };
  void Compact(List& list);

  std::vector<List> lists_;
  size_t capacity_ = 0;
};

/// FunctionMatrix of index.d.ts.
struct FunctionMatrix {
  FunctionColumns functions;
  uint32_t omitted = 0;
  std::vector<double> left_self, left_total, right_self, right_total;
  /// Of each replicate.
  std::vector<double> sum;
  /// Function × replicate.
  std::vector<double> self, total;
};

/// Of the `max_functions` functions with the greatest part of either side. `place` is where nodes are in
/// `tree`.
FunctionMatrix Functions(const Tree& tree, const std::vector<uint32_t>& place, const Frames& frames,
                         Replicates& replicates, size_t max_functions);

}  // namespace stackwell
