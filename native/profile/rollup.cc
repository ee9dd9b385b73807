// SPDX-License-Identifier: Apache-2.0
#include "rollup.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "failure.h"

namespace stackwell {
namespace {

constexpr SymbolRef kNowhere{UINT32_MAX, UINT32_MAX};

/// Where nodes that are in use can be found in the segments: in as few of them as there need be.
class Places {
 public:
  Places(const Merger& merger, const std::vector<bool>& used) : refs_(used.size(), kNowhere) {
    struct Candidate {
      const std::string* id;
      const Remap* remap;
      size_t uses = 0;
    };
    std::vector<Candidate> candidates;
    for (const auto& [id, remap] : merger.segments()) {
      Candidate candidate{&id, &remap};
      for (const uint32_t node : remap.nodes) candidate.uses += node < used.size() && used[node];
      candidates.push_back(candidate);
    }
    // The same in whatever order they were added.
    std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
      return a.uses != b.uses ? a.uses > b.uses : *a.id < *b.id;
    });
    for (const Candidate& candidate : candidates) {
      const auto position = static_cast<uint32_t>(segments_.size());
      bool taken = false;
      for (uint32_t row = 1; row < candidate.remap->nodes.size(); row++) {
        const uint32_t node = candidate.remap->nodes[row];
        if (node >= used.size() || !used[node] || refs_[node] != kNowhere) continue;
        refs_[node] = {position, row};
        taken = true;
      }
      if (taken) segments_.push_back(*candidate.id);
    }
    // The root is row 0 of any segment, and rows need one.
    if (segments_.empty() && !candidates.empty()) segments_.push_back(*candidates.front().id);
  }

  SymbolRef Of(uint32_t node) const { return node == 0 ? SymbolRef{} : refs_[node]; }
  std::vector<std::string>& segments() { return segments_; }

 private:
  std::vector<SymbolRef> refs_;
  std::vector<std::string> segments_;
};

/// Label sets without the labels that are not kept, as rows of columns of their own.
class KeptLabels {
 public:
  KeptLabels(const SymbolColumns& from, const std::vector<std::string>& keys)
      : from_(from), keys_(keys), rows_(from.label_set_count(), UINT32_MAX) {}

  uint32_t Of(uint32_t label_set) {
    if (rows_[label_set] == UINT32_MAX) rows_[label_set] = Add(label_set);
    return rows_[label_set];
  }
  const SymbolColumns& columns() const { return kept_.columns(); }

 private:
  uint32_t Add(uint32_t label_set) {
    std::vector<SymbolColumns::Label> labels;
    for (auto label : from_.LabelsOf(label_set)) {
      if (std::ranges::find(keys_, from_.strings[label.key]) == keys_.end()) continue;
      label.key = kept_.String(from_.strings[label.key]);
      label.str = kept_.String(from_.strings[label.str]);
      label.num_unit = kept_.String(from_.strings[label.num_unit]);
      labels.push_back(label);
    }
    return kept_.LabelSet(labels);
  }

  const SymbolColumns& from_;
  const std::vector<std::string>& keys_;
  Symbols kept_;
  std::vector<uint32_t> rows_;
};

void Encode(std::vector<Row>&& rows, RolledUp& result) {
  SumEqualRows(rows);
  result.row_count = static_cast<uint32_t>(rows.size());
  result.rows = EncodeRows(rows, static_cast<uint32_t>(result.segments.size()));
}

}  // namespace

RolledUp SumProfiles(const std::vector<Merger::Input>& profiles) {
  RolledUp result;
  std::unordered_map<std::string, uint32_t> positions;
  std::vector<uint32_t> now;
  std::vector<Row> rows, all;
  for (size_t i = 0; i < profiles.size(); i++) {
    const Bytes& bytes = profiles[i].rows;
    try {
      DecodeRows({bytes.data(), bytes.data() + bytes.size()},
                 static_cast<uint32_t>(profiles[i].segments.size()), rows);
    } catch (const Failure&) {
      result.damaged.push_back(i);
      continue;
    }
    now.clear();
    for (const auto& id : profiles[i].segments) {
      const auto [at, is_new] = positions.try_emplace(id, static_cast<uint32_t>(result.segments.size()));
      if (is_new) result.segments.push_back(id);
      now.push_back(at->second);
    }
    for (Row row : rows) {
      row.stack.segment = now[row.stack.segment];
      // The empty label set is the same in all.
      row.label_set =
          row.label_set.row == 0 ? SymbolRef{} : SymbolRef{now[row.label_set.segment], row.label_set.row};
      result.total += row.value;
      all.push_back(row);
    }
  }
  Encode(std::move(all), result);
  return result;
}

RolledUp RollUp(const Merger& merger, const std::vector<std::string>& kept_labels,
                const std::string& segment_prefix) {
  KeptLabels labels(merger.symbols(), kept_labels);
  std::map<std::pair<uint32_t, uint32_t>, Sum> sums;
  std::vector<bool> used(merger.symbols().nodes.size());
  for (size_t i = 0; i < merger.cells().size(); i++) {
    const auto& cell = merger.cells()[i];
    used[cell.node] = true;
    sums[{cell.node, labels.Of(cell.label_set)}] += merger.cell_sums()[i];
  }
  Places places(merger, used);
  RolledUp result;
  result.total = merger.sum();
  result.segments = std::move(places.segments());
  const auto own = static_cast<uint32_t>(result.segments.size());
  if (labels.columns().label_set_count() > 1) {
    result.segment = EncodeSegment(labels.columns());
    result.segment->id.insert(0, segment_prefix);
    result.segments.push_back(result.segment->id);
  }
  std::vector<Row> rows;
  rows.reserve(sums.size());
  for (const auto& [cell, sum] : sums) {
    const SymbolRef label_set = cell.second == 0 ? SymbolRef{} : SymbolRef{own, cell.second};
    Split(sum, [&](int64_t value) { rows.push_back({places.Of(cell.first), label_set, value}); });
  }
  Encode(std::move(rows), result);
  return result;
}

}  // namespace stackwell
