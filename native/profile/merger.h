// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "failure.h"
#include "late.h"
#include "matcher.h"
#include "profile.h"
#include "replicates.h"
#include "rows.h"
#include "segment.h"
#include "sum.h"
#include "symbols.h"

namespace stackwell {

struct LabelMatcher {
  std::string name;
  Matcher matcher;
};

/// The Merger of index.d.ts, without its queue: one thread at a time.
class Merger {
 public:
  /// A row of one profile: one stack with one label set.
  struct Cell {
    uint32_t node;
    uint32_t label_set;
    bool operator==(const Cell&) const = default;
  };
  enum Side : uint8_t { kLeft, kRight };
  static constexpr uint32_t kNoReplicate = UINT32_MAX;
  struct Input {
    std::vector<std::string> segments;
    Bytes rows;
    uint32_t replicate = kNoReplicate;
  };
  struct StoredSegment {
    std::string id;
    Bytes bytes;
  };

  /// Labels that are kept, or, if `except`, those that are not.
  struct LabelChoice {
    std::vector<std::string> names;
    bool except = false;
    bool Keeps(std::string_view name) const {
      return (std::ranges::find(names, name) != names.end()) != except;
    }
  };

  /// `matchers` are those of each side. Without `choice` all labels are kept.
  Merger(std::array<std::vector<LabelMatcher>, 2> matchers, bool keep_labels, const Limits& limits,
         std::optional<LabelChoice> choice = std::nullopt)
      : matchers_(std::move(matchers)),
        keep_labels_(keep_labels),
        choice_(std::move(choice)),
        limits_(limits) {}

  /// Those that are there already are left alone. Tells which are damaged, by position, and how: those are
  /// left out. What is decoded ahead is bounded.
  std::vector<std::pair<size_t, Failure>> AddSegments(const std::vector<StoredSegment>& segments);
  /// Positions of those that were left out, because their rows are damaged or name what no added segment has.
  /// To the right go profiles that the others are compared with: only their sums by node are kept. Rows are
  /// decoded on another thread while those before them are added.
  /// Those of a `replicate` also count in its sums.
  std::vector<size_t> AddProfiles(const std::vector<Input>& inputs, Side side = kLeft);
  /// `sample_type` '' is the last one. Throws Failure and changes nothing.
  void AddPprof(Span data, const std::string& sample_type, Side side = kLeft,
                uint32_t replicate = kNoReplicate);

  /// What selected rows go through and no one could name (late.cc).
  UnnamedPlaces Unnamed() const;
  /// Gives names to what Unnamed told. `names` must be consistent.
  WeightsByReason Name(const LateNames& names);

  const SymbolColumns& symbols() const { return symbols_.columns(); }
  Sum sum(Side side = kLeft) const { return sums_[side]; }
  /// By node; may be shorter than there are nodes.
  const std::vector<Sum>& node_sums(Side side = kLeft) const { return node_sums_[side]; }
  /// By label set; may be shorter than there are label sets.
  const std::vector<Sum>& label_set_sums() const { return label_set_sums_; }
  bool keep_labels() const { return keep_labels_; }
  Replicates& replicates() { return replicates_; }
  /// With keep_labels only.
  const std::vector<Cell>& cells() const { return cells_; }
  const std::vector<Sum>& cell_sums() const { return cell_sums_; }

  size_t stacks() const { return stacks_; }
  size_t rows() const { return keep_labels_ ? cells_.size() : stacks_; }
  uint64_t truncated() const { return truncated_; }
  size_t bytes() const;

 private:
  /// False, with nothing changed, when it names what no added segment has.
  bool AddRows(const Input& input, const std::vector<Row>& rows, Side side);
  void Add(Cell cell, int64_t value, Side side, uint32_t replicate = kNoReplicate);
  /// What a node weighs on both sides together.
  std::vector<Sum> NodeWeights() const;
  bool Matches(uint32_t label_set, Side side);
  /// The label set with the labels that are kept.
  uint32_t Kept(uint32_t label_set);
  /// Sum of a row of cells_, which is made when there is none.
  Sum& CellSum(Cell cell);
  /// Gives what ends at node i to node to[i].
  void Move(const std::vector<uint32_t>& to);

  const std::array<std::vector<LabelMatcher>, 2> matchers_;
  const bool keep_labels_;
  const std::optional<LabelChoice> choice_;
  const Limits limits_;
  Symbols symbols_;
  std::unordered_map<std::string, Remap> segments_;
  size_t segment_bytes_ = 0;

  std::array<Sum, 2> sums_{};
  std::array<std::vector<Sum>, 2> node_sums_;
  std::vector<Sum> label_set_sums_;
  Replicates replicates_;
  std::vector<bool> node_seen_;  // on either side
  std::vector<Cell> cells_;
  std::vector<Sum> cell_sums_;
  IndexTable cell_table_;
  size_t stacks_ = 0;
  uint64_t truncated_ = 0;

  enum class Verdict : uint8_t { kNotAsked, kYes, kNo };
  std::array<std::vector<Verdict>, 2> verdicts_;  // of the matchers, by label set
  std::vector<uint32_t> kept_;                    // by label set; UINT32_MAX before it is asked for

  // Memory that is used again for each profile.
  std::vector<Cell> scratch_cells_;
};

}  // namespace stackwell
