// SPDX-License-Identifier: Apache-2.0
#include "replicates.h"

#include <algorithm>
#include <functional>

namespace stackwell {
namespace {

constexpr size_t kLoose = 1024;
constexpr uint32_t kNone = UINT32_MAX;

}  // namespace

void Replicates::Add(uint32_t replicate, uint32_t node, int64_t value) {
  if (replicate >= lists_.size()) lists_.resize(replicate + 1);
  List& list = lists_[replicate];
  capacity_ -= list.parts.capacity();
  list.parts.push_back({node, value});
  if (list.parts.size() > 2 * list.sorted + kLoose) Compact(list);
  capacity_ += list.parts.capacity();
}

void Replicates::Compact(List& list) {
  auto& parts = list.parts;
  if (list.sorted == parts.size()) return;
  std::ranges::sort(parts, {}, &Part::node);
  size_t size = 0;
  for (const Part& part : parts) {
    if (size > 0 && parts[size - 1].node == part.node)
      parts[size - 1].sum += part.sum;
    else
      parts[size++] = part;
  }
  parts.resize(size);
  list.sorted = size;
}

void Replicates::Move(const std::vector<uint32_t>& to) {
  for (List& list : lists_) {
    for (Part& part : list.parts) part.node = to[part.node];
    list.sorted = 0;
    Compact(list);
  }
}

const std::vector<Replicates::Part>& Replicates::Of(uint32_t replicate) {
  Compact(lists_[replicate]);
  return lists_[replicate].parts;
}

FunctionMatrix Functions(const Tree& tree, const std::vector<uint32_t>& place, const Frames& frames,
                         Replicates& replicates, size_t max_functions) {
  const std::vector<bool> first = FirstOnPath(tree, frames);
  const ByFrame left(tree, first, tree.left, frames.size()), right(tree, first, tree.right, frames.size());
  const auto share = [](Sum part, Sum whole) {
    return whole == 0 ? 0 : static_cast<double>(Absolute(part)) / static_cast<double>(Absolute(whole));
  };
  std::vector<double> weight(frames.size());
  // By name first, so that what weighs the same is always in the same order.
  std::vector<uint32_t> order = FramesOf(tree, frames);
  for (const uint32_t frame : order)
    weight[frame] = std::max(
        {share(left.total[frame], tree.left.total[0]), share(left.self[frame], tree.left.total[0]),
         share(right.total[frame], tree.right.total[0]), share(right.self[frame], tree.right.total[0])});
  std::ranges::stable_sort(order, std::greater{}, [&](uint32_t frame) { return weight[frame]; });
  FunctionMatrix matrix;
  const size_t count = std::min(order.size(), max_functions);
  matrix.omitted = static_cast<uint32_t>(order.size() - count);
  std::vector<uint32_t> row(frames.size(), kNone);
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t frame = order[i];
    row[frame] = i;
    AddFunction(matrix.functions, frames, frame);
    matrix.left_self.push_back(static_cast<double>(left.self[frame]));
    matrix.left_total.push_back(static_cast<double>(left.total[frame]));
    matrix.right_self.push_back(static_cast<double>(right.self[frame]));
    matrix.right_total.push_back(static_cast<double>(right.total[frame]));
  }

  const size_t columns = replicates.size();
  matrix.sum.resize(columns);
  matrix.self.resize(count * columns);
  matrix.total.resize(count * columns);
  // By node of the tree; only what one replicate touches is used, and cleared after it.
  std::vector<double> inclusive(tree.size());
  std::vector<bool> is_touched(tree.size());
  std::vector<uint32_t> touched;
  for (uint32_t column = 0; column < columns; column++) {
    Sum sum = 0;
    for (const auto& [node, value] : replicates.Of(column)) {
      sum += value;
      const uint32_t at = node < place.size() ? place[node] : kNone;
      if (at == kNone) continue;  // it cancels out on the whole, and is in no tree
      inclusive[at] += static_cast<double>(value);
      if (at != 0 && row[tree.frame[at]] != kNone)
        matrix.self[row[tree.frame[at]] * columns + column] += static_cast<double>(value);
      for (uint32_t up = at; !is_touched[up]; up = tree.parent[up]) {
        is_touched[up] = true;
        touched.push_back(up);
      }
    }
    matrix.sum[column] = static_cast<double>(sum);
    std::ranges::sort(touched, std::greater{});
    for (const uint32_t at : touched) {
      if (at != 0) {
        if (first[at] && row[tree.frame[at]] != kNone)
          matrix.total[row[tree.frame[at]] * columns + column] += inclusive[at];
        inclusive[tree.parent[at]] += inclusive[at];
      }
      inclusive[at] = 0;
      is_touched[at] = false;
    }
    touched.clear();
  }
  return matrix;
}

}  // namespace stackwell
