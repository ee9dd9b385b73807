// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "frames.h"
#include "sum.h"
#include "symbols.h"

namespace stackwell {

/// The call tree by frames, in preorder; children in the order of their names. Node 0 is the root, which has
/// no frame.
struct Tree {
  std::vector<uint32_t> parent;
  std::vector<uint32_t> frame;
  std::vector<uint32_t> child_count;
  std::vector<Sum> self;
  std::vector<Sum> total;

  size_t size() const { return parent.size(); }
};

/// Of the stacks with a sum other than 0. `sums` is by node of `symbols`, and may be shorter.
Tree BuildTree(const SymbolColumns& symbols, const Frames& frames, const std::vector<Sum>& sums);

/// FlameColumns and TopColumns of index.d.ts.
struct FunctionColumns {
  std::vector<std::string> name, file, module, reason, build_id;
};
struct FlameColumns {
  FunctionColumns functions;
  std::vector<uint16_t> depth;
  std::vector<double> start, total, self;
  std::vector<uint32_t> function;
  uint32_t omitted_nodes = 0;
};
struct TopColumns {
  FunctionColumns functions;
  std::vector<double> self, total;
};

/// At most `max_nodes` rows (at least 2): the nodes with the greatest totals, and one 'other' beside them for
/// each node that has children left out.
FlameColumns Layout(const Tree& tree, const Frames& frames, size_t max_nodes);

/// Functions in the order of their names.
TopColumns Top(const Tree& tree, const Frames& frames);

}  // namespace stackwell
