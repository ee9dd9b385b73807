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
  struct Values {
    std::vector<Sum> self;
    std::vector<Sum> total;
  };
  /// `right` is empty unless two are compared.
  Values left, right;

  size_t size() const { return parent.size(); }
};

/// Of the stacks with a sum other than 0. Sums are by node of `symbols`, and may be shorter. With `right`, of
/// those that have one on either side. `place` gets where each of the nodes is in the tree; UINT32_MAX for
/// one that is not.
Tree BuildTree(const SymbolColumns& symbols, const Frames& frames, const std::vector<Sum>& left,
               const std::vector<Sum>* right = nullptr, std::vector<uint32_t>* place = nullptr);

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

/// Two flame graphs with the same rows; functions, depths and what is omitted are those of `left`.
struct DiffColumns {
  FlameColumns left, right;
};
/// As Layout; the nodes are those with the greatest part of either side. `tree` has both.
DiffColumns LayoutDiff(const Tree& tree, const Frames& frames, size_t max_nodes);

/// At most `max_nodes` rows (at least 2): the nodes with the greatest totals, and one 'other' beside them for
/// each node that has children left out.
FlameColumns Layout(const Tree& tree, const Frames& frames, size_t max_nodes);

/// Nodes at which their function comes up for the first time on the way from the root: there its total
/// counts, once for each sample, however often it recurs.
std::vector<bool> FirstOnPath(const Tree& tree, const Frames& frames);
/// Self and total by frame.
struct ByFrame {
  std::vector<Sum> self, total;
  ByFrame(const Tree& tree, const std::vector<bool>& first, const Tree::Values& values, size_t frames);
};
/// Those in the tree, in the order of their names.
std::vector<uint32_t> FramesOf(const Tree& tree, const Frames& frames);
void AddFunction(FunctionColumns& functions, const Frames& frames, uint32_t frame);

/// Functions in the order of their names.
TopColumns Top(const Tree& tree, const Frames& frames);

}  // namespace stackwell
