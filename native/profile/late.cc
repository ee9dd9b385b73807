// SPDX-License-Identifier: Apache-2.0
#include "late.h"

#include <algorithm>
#include <unordered_map>

#include "limits.h"
#include "merger.h"

namespace stackwell {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
/// Offsets are numbers of JavaScript: exact up to here, and no file is larger.
constexpr uint64_t kMostOffset = 1ull << 53;

/// How selected stacks go through a node.
struct Use {
  /// Some end here, some go on to a child.
  bool as_leaf = false, as_caller = false;
  /// What is deeper than this node at its deepest, in frames.
  uint32_t below = 0;
  /// Values of the stacks that end here or below.
  Sum total = 0;
};

uint32_t FramesOf(const SymbolColumns& symbols, uint32_t location) {
  return std::max<uint32_t>(1, static_cast<uint32_t>(symbols.LinesOf(location).size()));
}

/// Of every node; only those with a use are on a selected stack.
std::vector<Use> Uses(const SymbolColumns& symbols, const std::vector<bool>& seen,
                      const std::vector<Sum>& sums) {
  std::vector<Use> uses(seen.size());
  for (size_t i = seen.size(); i-- > 1;) {
    if (seen[i]) {
      uses[i].as_leaf = true;
      uses[i].total += sums[i];
    }
    if (!uses[i].as_leaf && !uses[i].as_caller) continue;
    const auto& node = symbols.nodes[i];
    Use& parent = uses[node.parent];
    parent.as_caller = true;
    parent.below = std::max(parent.below, uses[i].below + FramesOf(symbols, node.location));
    parent.total += uses[i].total;
  }
  return uses;
}

/// Whether a later look-up can name it: where in which file it is must be known.
bool CanBeNamed(const SymbolColumns& symbols, uint32_t location) {
  const uint32_t build_id = symbols.mappings[symbols.locations[location].mapping].build_id;
  return build_id != 0 && symbols.LinesOf(location).empty() &&
         symbols.OffsetInFile(location).value_or(kMostOffset) < kMostOffset;
}

}  // namespace

bool LateNames::IsConsistent(size_t locations) const {
  const size_t rows = location.size(), frames = name.size();
  const auto below = [](const std::vector<uint32_t>& column, size_t size) {
    return std::ranges::all_of(column, [size](uint32_t row) { return row < size; });
  };
  return is_leaf.size() == rows && frame_offset.size() == rows + 1 && frame_offset.front() == 0 &&
         frame_offset.back() == frames && std::ranges::is_sorted(frame_offset) &&
         system_name.size() == frames && file.size() == frames && line.size() == frames &&
         start_line.size() == frames && below(location, locations) && below(name, strings.size()) &&
         below(system_name, strings.size()) && below(file, strings.size());
}

UnnamedPlaces Merger::Unnamed() const {
  UnnamedPlaces places;
  const SymbolColumns& symbols = this->symbols();
  std::vector<bool> wanted(symbols.locations.size());
  bool any = false;
  for (uint32_t i = 1; i < wanted.size(); i++)
    if (CanBeNamed(symbols, i)) wanted[i] = any = true;
  if (!any) return places;

  const std::vector<Use> uses = Uses(symbols, node_seen_, NodeWeights());
  std::vector<Use> used(wanted.size());
  for (size_t i = 1; i < uses.size(); i++) {
    Use& location = used[symbols.nodes[i].location];
    location.as_leaf |= uses[i].as_leaf;
    location.as_caller |= uses[i].as_caller;
  }
  std::unordered_map<uint32_t, uint32_t> build_ids;
  for (uint32_t i = 1; i < wanted.size(); i++) {
    if (!wanted[i]) continue;
    const uint32_t build_id = symbols.mappings[symbols.locations[i].mapping].build_id;
    for (const bool leaf : {false, true}) {
      if (!(leaf ? used[i].as_leaf : used[i].as_caller)) continue;
      const auto next = static_cast<uint32_t>(places.build_ids.size());
      const auto [id, is_new] = build_ids.try_emplace(build_id, next);
      if (is_new) places.build_ids.emplace_back(symbols.strings[build_id]);
      places.build_id.push_back(id->second);
      places.offset.push_back(static_cast<double>(*symbols.OffsetInFile(i)));
      places.is_leaf.push_back(leaf);
      places.location.push_back(i);
    }
  }
  return places;
}

WeightsByReason Merger::Name(const LateNames& names) {
  // The location with these names, by the one without.
  std::vector<uint32_t> as_leaf(symbols().locations.size(), kNone), as_caller = as_leaf;
  std::vector<uint32_t> strings;
  for (const auto& text : names.strings) strings.push_back(symbols_.String(text));
  std::vector<SymbolColumns::Line> lines;
  for (size_t i = 0; i < names.location.size(); i++) {
    const uint32_t unnamed = names.location[i];
    lines.clear();
    for (uint32_t at = names.frame_offset[i]; at < names.frame_offset[i + 1]; at++)
      lines.push_back({symbols_.Function({strings[names.name[at]], strings[names.system_name[at]],
                                          strings[names.file[at]], names.start_line[at]}),
                       names.line[at], 0});
    if (lines.empty() || !symbols().LinesOf(unnamed).empty()) continue;
    auto location = symbols().locations[unnamed];
    location.reason = 0;
    symbols_.AddFlags(location.mapping, lines.size() > 1 ? 0b1111 : 0b111);
    (names.is_leaf[i] ? as_leaf : as_caller)[unnamed] = symbols_.Location(location, lines);
  }

  // Stacks that go through a named location move to new nodes. A parent comes before its children here too:
  // what it became is known when they ask.
  const std::vector<Sum> node_weights = NodeWeights();
  const std::vector<Use> uses = Uses(symbols(), node_seen_, node_weights);
  const size_t count = uses.size();
  std::vector<uint32_t> caller(count), leaf(count);
  std::vector<uint32_t> depth(symbols().nodes.size());
  WeightsByReason weights;
  for (uint32_t i = 1; i < count; i++) {
    caller[i] = leaf[i] = i;
    const Use& use = uses[i];
    if (!use.as_leaf && !use.as_caller) continue;
    const auto [parent, location] = symbols().nodes[i];
    const uint32_t below = caller[parent];
    const bool is_unnamed = symbols().LinesOf(location).empty();
    Weights* weight = nullptr;
    if (is_unnamed) {
      const std::string_view reason = symbols().strings[symbols().locations[location].reason];
      const auto found = weights.find(reason);
      weight = found != weights.end() ? &found->second : &weights[std::string(reason)];
    }
    const auto place = [&](const std::vector<uint32_t>& names_of, uint32_t deeper, Sum value) {
      uint32_t to = location;
      if (is_unnamed) {
        weight->all += Absolute(value);
        const uint32_t named = location < names_of.size() ? names_of[location] : kNone;
        // Inlined calls make stacks longer, and those have a bound.
        if (named != kNone && depth[below] + FramesOf(symbols(), named) + deeper <= kDeepest) {
          weight->named += Absolute(value);
          to = named;
        }
      }
      const uint32_t node = below == parent && to == location ? i : symbols_.Node(below, to);
      if (node >= depth.size()) depth.resize(node + 1);
      depth[node] = depth[below] + FramesOf(symbols(), to);
      return node;
    };
    if (use.as_caller)
      caller[i] = place(as_caller, use.below, use.total - (use.as_leaf ? node_weights[i] : 0));
    if (use.as_leaf) leaf[i] = place(as_leaf, 0, node_weights[i]);
  }
  Move(leaf);
  return weights;
}

void Merger::Move(const std::vector<uint32_t>& to) {
  std::vector<bool> seen(symbols().nodes.size());
  for (size_t i = 0; i < node_seen_.size(); i++)
    if (node_seen_[i]) seen[to[i]] = true;
  node_seen_ = std::move(seen);
  for (auto& node_sums : node_sums_) {
    std::vector<Sum> sums(node_sums.empty() ? 0 : node_seen_.size());
    for (size_t i = 0; i < node_sums.size(); i++) sums[to[i]] += node_sums[i];
    node_sums = std::move(sums);
  }
  replicates_.Move(to);
  stacks_ = static_cast<size_t>(std::ranges::count(node_seen_, true));
  const std::vector<Cell> cells = std::exchange(cells_, {});
  const std::vector<Sum> cell_sums = std::exchange(cell_sums_, {});
  cell_table_ = {};
  for (size_t i = 0; i < cells.size(); i++) CellSum({to[cells[i].node], cells[i].label_set}) += cell_sums[i];
}

}  // namespace stackwell
