// SPDX-License-Identifier: Apache-2.0
#include "tree.h"

#include <algorithm>
#include <numeric>

#include "hash.h"
#include "index_table.h"

namespace stackwell {
namespace {

constexpr uint32_t kRoot = 0;

/// Calls `each` with the values of both sides; of one that is not asked for there are none.
template <typename Each>
void BothSides(Tree& tree, Each each) {
  each(tree.left);
  if (!tree.right.self.empty()) each(tree.right);
}

constexpr uint32_t kGone = UINT32_MAX;

/// Stacks that differ in addresses only are one path, and may cancel out: without a value on or above it, a
/// node goes. Where each node is then.
std::vector<uint32_t> DropEmpty(Tree& tree) {
  std::vector<bool> kept(tree.size());
  kept[kRoot] = true;
  for (size_t i = tree.size(); i-- > 1;) {
    if (tree.left.self[i] != 0 || (!tree.right.self.empty() && tree.right.self[i] != 0)) kept[i] = true;
    if (kept[i]) kept[tree.parent[i]] = true;
  }
  std::vector<uint32_t> now(tree.size(), kGone);
  uint32_t size = 0;
  for (size_t i = 0; i < tree.size(); i++) {
    if (!kept[i]) {
      if (kept[tree.parent[i]]) tree.child_count[now[tree.parent[i]]]--;
      continue;
    }
    now[i] = size;
    tree.parent[size] = now[tree.parent[i]];
    tree.frame[size] = tree.frame[i];
    tree.child_count[size] = tree.child_count[i];
    BothSides(tree, [&](auto& side) { side.self[size] = side.self[i]; });
    size++;
  }
  for (auto* column : {&tree.parent, &tree.frame, &tree.child_count}) column->resize(size);
  BothSides(tree, [&](auto& side) { side.self.resize(size); });
  return now;
}

/// Nodes in the order in which stacks need them: parents before children, otherwise any. `right` may be null,
/// and so may `places`.
Tree Grow(const SymbolColumns& symbols, const Frames& frames, const std::vector<Sum>& left,
          const std::vector<Sum>* right, std::vector<uint32_t>* places) {
  const size_t count = std::max(left.size(), right == nullptr ? 0 : right->size());
  const auto of = [](const std::vector<Sum>& sums, size_t i) { return i < sums.size() ? sums[i] : Sum{0}; };
  const auto right_of = [&](size_t i) { return right == nullptr ? Sum{0} : of(*right, i); };
  // Symbols hold more stacks than one query selects: only paths to those with a value are taken.
  std::vector<bool> used(count);
  for (size_t i = count; i-- > 1;) {
    if (of(left, i) != 0 || right_of(i) != 0) used[i] = true;
    if (used[i]) used[symbols.nodes[i].parent] = true;
  }
  Tree tree;
  const auto add = [&](uint32_t parent, uint32_t frame) {
    tree.parent.push_back(parent);
    tree.frame.push_back(frame);
    tree.child_count.push_back(0);
    tree.left.self.push_back(0);
    if (right != nullptr) tree.right.self.push_back(0);
    return static_cast<uint32_t>(tree.parent.size() - 1);
  };
  add(kRoot, 0);
  IndexTable table;
  const auto child = [&](uint32_t parent, uint32_t frame) {
    const uint64_t hash = Mix(uint64_t{parent} << 32 | frame, ProcessSeed());
    uint32_t node = table.Find(
        hash, [&](uint32_t row) { return tree.parent[row] == parent && tree.frame[row] == frame; });
    if (node == IndexTable::kNone) {
      node = add(parent, frame);
      tree.child_count[parent]++;
      table.Insert(hash, node);
    }
    return node;
  };
  std::vector<uint32_t> place(count, kGone);
  for (size_t i = 0; i < count; i++) {
    if (i != 0 && !used[i]) continue;
    uint32_t node = kRoot;
    if (i != 0) {
      node = place[symbols.nodes[i].parent];
      for (const uint32_t frame : frames.Of(symbols.nodes[i].location)) node = child(node, frame);
    }
    place[i] = node;
    tree.left.self[node] += of(left, i);
    if (right != nullptr) tree.right.self[node] += right_of(i);
  }
  const std::vector<uint32_t> now = DropEmpty(tree);
  if (places != nullptr) {
    for (auto& one : place)
      if (one != kGone) one = now[one];
    *places = std::move(place);
  }
  BothSides(tree, [&](auto& side) {
    side.total = side.self;
    for (size_t i = tree.size(); i-- > 1;) side.total[tree.parent[i]] += side.total[i];
  });
  return tree;
}

/// Preorder of `tree`, siblings by rank: two counting sorts, no comparison of names.
std::vector<uint32_t> Preorder(const Tree& tree, const Frames& frames) {
  const size_t size = tree.size();
  std::vector<uint32_t> by_rank(size - 1);
  std::vector<uint32_t> at(frames.size() + 1);
  for (size_t i = 1; i < size; i++) at[frames.Rank(tree.frame[i]) + 1]++;
  std::partial_sum(at.begin(), at.end(), at.begin());
  for (uint32_t i = 1; i < size; i++) by_rank[at[frames.Rank(tree.frame[i])]++] = i;

  std::vector<uint32_t> first(size + 1);
  for (size_t i = 0; i < size; i++) first[i + 1] = first[i] + tree.child_count[i];
  std::vector<uint32_t> children(size - 1);
  std::vector<uint32_t> next(first.begin(), first.end() - 1);
  for (const uint32_t node : by_rank) children[next[tree.parent[node]]++] = node;

  std::vector<uint32_t> order;
  order.reserve(size);
  std::vector<uint32_t> open{kRoot};
  while (!open.empty()) {
    const uint32_t node = open.back();
    open.pop_back();
    order.push_back(node);
    for (uint32_t i = first[node + 1]; i-- > first[node];) open.push_back(children[i]);
  }
  return order;
}

/// Which nodes to show: those that weigh most, as long as they and the 'other' nodes that are needed beside
/// them fit. Values may be negative, so a node weighs the most that is below it: a parent is never lighter
/// than its children, and with ties in preorder it always comes first. `weight` starts as that of each node
/// by itself.
template <typename Weight>
std::vector<bool> Choose(const Tree& tree, size_t max_nodes, std::vector<Weight> weight) {
  const size_t size = tree.size();
  if (size <= max_nodes) return std::vector<bool>(size, true);
  for (size_t i = size; i-- > 1;) weight[tree.parent[i]] = std::max(weight[tree.parent[i]], weight[i]);
  std::vector<uint32_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  const auto heavier = [&](uint32_t a, uint32_t b) {
    return weight[a] != weight[b] ? weight[a] > weight[b] : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + max_nodes, order.end(), heavier);

  // How many rows the first k nodes need with their 'other' nodes; the greatest k that fits.
  std::vector<uint32_t> missing(tree.child_count);
  size_t others = 0;
  size_t best = 1;
  for (size_t k = 1; k <= max_nodes; k++) {
    const uint32_t node = order[k - 1];
    if (tree.child_count[node] > 0) others++;
    if (node != kRoot && --missing[tree.parent[node]] == 0) others--;
    if (k + others <= max_nodes) best = k;
  }
  std::vector<bool> kept(size);
  for (size_t i = 0; i < best; i++) kept[order[i]] = true;
  return kept;
}

/// Rows of `functions` for frames, as they come to be needed.
class FunctionRows {
 public:
  FunctionRows(const Frames& frames, FunctionColumns& columns)
      : frames_(frames), columns_(columns), row_(frames.size(), UINT32_MAX) {}

  uint32_t Of(uint32_t frame) {
    if (row_[frame] == UINT32_MAX) {
      row_[frame] = static_cast<uint32_t>(columns_.name.size());
      AddFunction(columns_, frames_, frame);
    }
    return row_[frame];
  }
  /// One that is no frame's.
  uint32_t Add(std::string_view name) {
    columns_.name.emplace_back(name);
    for (auto* column : {&columns_.file, &columns_.module, &columns_.reason, &columns_.build_id})
      column->emplace_back();
    return static_cast<uint32_t>(columns_.name.size() - 1);
  }

 private:
  const Frames& frames_;
  FunctionColumns& columns_;
  std::vector<uint32_t> row_;
};

}  // namespace

Tree BuildTree(const SymbolColumns& symbols, const Frames& frames, const std::vector<Sum>& left,
               const std::vector<Sum>* right, std::vector<uint32_t>* places) {
  const Tree grown = Grow(symbols, frames, left, right, places);
  const std::vector<uint32_t> order = Preorder(grown, frames);
  std::vector<uint32_t> place(order.size());
  for (uint32_t i = 0; i < order.size(); i++) place[order[i]] = i;
  Tree tree;
  const auto copy = [](const Tree::Values& from, Tree::Values& to, uint32_t node) {
    if (from.self.empty()) return;
    to.self.push_back(from.self[node]);
    to.total.push_back(from.total[node]);
  };
  for (const uint32_t node : order) {
    tree.parent.push_back(place[grown.parent[node]]);
    tree.frame.push_back(grown.frame[node]);
    tree.child_count.push_back(grown.child_count[node]);
    copy(grown.left, tree.left, node);
    copy(grown.right, tree.right, node);
  }
  if (places != nullptr)
    for (auto& one : *places)
      if (one != kGone) one = place[one];
  return tree;
}

namespace {

/// Rows of a flame graph: `put(function, depth, values)` for each, where values has one entry for each side.
class Layouter {
 public:
  Layouter(const Tree& tree, const Frames& frames, const std::vector<bool>& kept)
      : tree_(tree), frames_(frames), kept_(kept) {}

  /// `flames` has one for each side; functions and depths go to the first one.
  void Run(std::vector<FlameColumns*> flames) {
    const std::vector<const Tree::Values*> sides{&tree_.left, &tree_.right};
    const size_t size = tree_.size(), count = flames.size();
    // What the children that are left out add up to, by parent.
    std::vector<std::vector<Sum>> folded(count, std::vector<Sum>(size));
    std::vector<bool> has_folded(size);
    for (size_t i = 1; i < size; i++) {
      if (kept_[i]) continue;
      flames[0]->omitted_nodes++;
      const uint32_t parent = tree_.parent[i];
      if (!kept_[parent]) continue;
      has_folded[parent] = true;
      for (size_t side = 0; side < count; side++) folded[side][parent] += sides[side]->total[i];
    }

    FunctionRows functions(frames_, flames[0]->functions);
    const uint32_t root_function = functions.Add("total");
    uint32_t other_function = UINT32_MAX;
    const auto put = [&](uint32_t function, uint16_t depth) {
      flames[0]->function.push_back(function);
      flames[0]->depth.push_back(depth);
    };
    const auto put_values = [&](size_t side, Sum start, Sum total, Sum self) {
      flames[side]->start.push_back(static_cast<double>(start));
      flames[side]->total.push_back(static_cast<double>(total));
      flames[side]->self.push_back(static_cast<double>(self));
    };
    // By node: its depth, and where its next child starts.
    std::vector<uint16_t> depth(size);
    std::vector<std::vector<Sum>> next(count, std::vector<Sum>(size));
    // The path to the current node. What is left out of a node comes last among its children.
    std::vector<uint32_t> path;
    const auto leave = [&] {
      const uint32_t node = path.back();
      path.pop_back();
      if (!has_folded[node]) return;
      if (other_function == UINT32_MAX) other_function = functions.Add("other");
      put(other_function, static_cast<uint16_t>(depth[node] + 1));
      for (size_t side = 0; side < count; side++)
        put_values(side, next[side][node], folded[side][node], folded[side][node]);
    };
    for (uint32_t i = 0; i < size; i++) {
      if (!kept_[i]) continue;
      if (i != kRoot) {
        const uint32_t parent = tree_.parent[i];
        while (path.back() != parent) leave();
        depth[i] = static_cast<uint16_t>(depth[parent] + 1);
        for (size_t side = 0; side < count; side++) {
          next[side][i] = next[side][parent];
          next[side][parent] += sides[side]->total[i];
        }
      }
      put(i == kRoot ? root_function : functions.Of(tree_.frame[i]), depth[i]);
      for (size_t side = 0; side < count; side++)
        put_values(side, next[side][i], sides[side]->total[i], sides[side]->self[i]);
      path.push_back(i);
    }
    while (!path.empty()) leave();
  }

 private:
  const Tree& tree_;
  const Frames& frames_;
  const std::vector<bool>& kept_;
};

}  // namespace

FlameColumns Layout(const Tree& tree, const Frames& frames, size_t max_nodes) {
  std::vector<Sum> weight;
  for (const Sum total : tree.left.total) weight.push_back(Absolute(total));
  const std::vector<bool> kept = Choose(tree, max_nodes, std::move(weight));
  FlameColumns flame;
  Layouter(tree, frames, kept).Run({&flame});
  return flame;
}

DiffColumns LayoutDiff(const Tree& tree, const Frames& frames, size_t max_nodes) {
  // Sides may differ in size: what counts is a node's part of its own.
  const auto share = [](const Tree::Values& side, size_t node) {
    const auto whole = static_cast<double>(Absolute(side.total[kRoot]));
    return whole == 0 ? 0 : static_cast<double>(Absolute(side.total[node])) / whole;
  };
  std::vector<double> weight;
  for (size_t i = 0; i < tree.size(); i++)
    weight.push_back(std::max(share(tree.left, i), share(tree.right, i)));
  const std::vector<bool> kept = Choose(tree, max_nodes, std::move(weight));
  DiffColumns diff;
  Layouter(tree, frames, kept).Run({&diff.left, &diff.right});
  return diff;
}

std::vector<bool> FirstOnPath(const Tree& tree, const Frames& frames) {
  std::vector<bool> first(tree.size());
  // Frames on the path to the current node, with how often.
  std::vector<uint32_t> on_path(frames.size());
  std::vector<uint32_t> path;
  for (uint32_t i = 1; i < tree.size(); i++) {
    while (!path.empty() && path.back() != tree.parent[i]) {
      on_path[tree.frame[path.back()]]--;
      path.pop_back();
    }
    first[i] = on_path[tree.frame[i]]++ == 0;
    path.push_back(i);
  }
  return first;
}

ByFrame::ByFrame(const Tree& tree, const std::vector<bool>& first, const Tree::Values& values, size_t frames)
    : self(frames), total(frames) {
  for (uint32_t i = 1; i < tree.size(); i++) {
    self[tree.frame[i]] += values.self[i];
    if (first[i]) total[tree.frame[i]] += values.total[i];
  }
}

std::vector<uint32_t> FramesOf(const Tree& tree, const Frames& frames) {
  std::vector<bool> seen(frames.size());
  for (uint32_t i = 1; i < tree.size(); i++) seen[tree.frame[i]] = true;
  std::vector<uint32_t> order;
  for (uint32_t frame = 0; frame < frames.size(); frame++)
    if (seen[frame]) order.push_back(frame);
  std::ranges::sort(order, {}, [&](uint32_t frame) { return frames.Rank(frame); });
  return order;
}

void AddFunction(FunctionColumns& functions, const Frames& frames, uint32_t frame) {
  functions.name.emplace_back(frames.Name(frame));
  functions.file.emplace_back(frames.File(frame));
  functions.module.emplace_back(frames.Module(frame));
  functions.reason.emplace_back(frames.Reason(frame));
  functions.build_id.emplace_back(frames.BuildId(frame));
}

TopColumns Top(const Tree& tree, const Frames& frames) {
  const ByFrame sums(tree, FirstOnPath(tree, frames), tree.left, frames.size());
  TopColumns top;
  for (const uint32_t frame : FramesOf(tree, frames)) {
    AddFunction(top.functions, frames, frame);
    top.self.push_back(static_cast<double>(sums.self[frame]));
    top.total.push_back(static_cast<double>(sums.total[frame]));
  }
  return top;
}

}  // namespace stackwell
