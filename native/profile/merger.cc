// SPDX-License-Identifier: Apache-2.0
#include "merger.h"

#include <algorithm>
#include <variant>

#include "ahead.h"
#include "canonical.h"
#include "facets.h"
#include "hash.h"

namespace stackwell {

std::vector<std::pair<size_t, Failure>> Merger::AddSegments(const std::vector<StoredSegment>& segments) {
  using Result = std::variant<DecodedSegment, Failure>;
  std::vector<std::pair<size_t, Failure>> damaged;
  const auto bytes = [&](size_t i) { return SegmentBytes(SpanOf(segments[i].bytes)); };
  const auto decode = [&](size_t i) -> Result {
    try {
      return DecodeSegment(segments[i].id, SpanOf(segments[i].bytes));
    } catch (const Failure& failure) {
      return failure;
    }
  };
  DecodeAhead(segments.size(), bytes, decode, [&](size_t i, const Result& result) {
    if (const auto* failure = std::get_if<Failure>(&result)) {
      damaged.emplace_back(i, *failure);
      return;
    }
    if (segments_.contains(segments[i].id)) return;
    Remap remap = symbols_.Absorb(std::get<DecodedSegment>(result).symbols);
    segment_bytes_ += (remap.nodes.size() + remap.label_sets.size()) * sizeof(uint32_t);
    segments_.emplace(segments[i].id, std::move(remap));
  });
  return damaged;
}

std::vector<size_t> Merger::AddProfiles(const std::vector<Input>& inputs, Side side) {
  using Rows = std::optional<std::vector<Row>>;
  std::vector<size_t> damaged;
  const auto bytes = [&](size_t i) { return RowBytes(SpanOf(inputs[i].rows)); };
  const auto decode = [&](size_t i) -> Rows {
    Rows rows(std::in_place);
    try {
      DecodeRows(SpanOf(inputs[i].rows), static_cast<uint32_t>(inputs[i].segments.size()), *rows);
    } catch (const Failure&) {
      rows.reset();
    }
    return rows;
  };
  DecodeAhead(inputs.size(), bytes, decode, [&](size_t i, const Rows& rows) {
    if (!rows || !AddRows(inputs[i], *rows, side)) damaged.push_back(i);
  });
  return damaged;
}

bool Merger::AddRows(const Input& input, const std::vector<Row>& rows, Side side) {
  std::vector<const Remap*> remaps;
  for (const auto& id : input.segments) {
    const auto found = segments_.find(id);
    if (found == segments_.end()) return false;
    remaps.push_back(&found->second);
  }
  // All of it is checked before any of it is added.
  scratch_cells_.resize(rows.size());
  for (size_t i = 0; i < rows.size(); i++) {
    const auto& nodes = remaps[rows[i].stack.segment]->nodes;
    const auto& label_sets = remaps[rows[i].label_set.segment]->label_sets;
    if (rows[i].stack.row >= nodes.size() || rows[i].label_set.row >= label_sets.size()) return false;
    scratch_cells_[i] = {nodes[rows[i].stack.row], label_sets[rows[i].label_set.row]};
  }
  for (size_t i = 0; i < rows.size(); i++) Add(scratch_cells_[i], rows[i].value, side, input.replicate);
  return true;
}

void Merger::AddPprof(Span data, const std::string& sample_type, Side side, uint32_t replicate) {
  const Profile profile = Decode(data, limits_);
  const size_t types = profile.sample_types.size();
  if (types == 0) Invalid("it has no sample type");
  size_t column = types - 1;
  if (!sample_type.empty()) {
    column = 0;
    while (column < types && profile.strings[profile.sample_types[column].type] != sample_type) column++;
    if (column == types) BadQuery("the profile has no sample type " + sample_type);
  }
  const Canonical canonical(profile, limits_.max_depth);
  truncated_ += canonical.truncated();
  Naming naming(canonical, symbols_);
  std::vector<uint32_t> nodes, label_sets;
  for (uint32_t i = 0; i < canonical.stack_count(); i++) nodes.push_back(naming.Node(i));
  for (uint32_t i = 0; i < canonical.label_set_count(); i++) label_sets.push_back(naming.LabelSet(i));
  for (size_t sample = 0; sample < profile.samples.size(); sample++)
    Add({nodes[canonical.StackOf(sample)], label_sets[canonical.LabelSetOf(sample)]},
        profile.samples.values[sample * types + column], side, replicate);
}

void Merger::Add(Cell cell, int64_t value, Side side, uint32_t replicate) {
  if (value == 0 || (!matchers_[side].empty() && !Matches(cell.label_set, side))) return;
  if (cell.node >= node_sums_[side].size()) {
    // Never shorter than the sums of either side.
    node_seen_.resize(symbols().nodes.size());
    node_sums_[side].resize(symbols().nodes.size());
  }
  sums_[side] += value;
  node_sums_[side][cell.node] += value;
  if (replicate != kNoReplicate) replicates_.Add(replicate, cell.node, value);
  if (!node_seen_[cell.node]) {
    node_seen_[cell.node] = true;
    stacks_++;
  }
  if (side == kRight) return;
  if (cell.label_set >= label_set_sums_.size()) label_set_sums_.resize(symbols().label_set_count());
  label_set_sums_[cell.label_set] += value;
  if (keep_labels_) CellSum({cell.node, Kept(cell.label_set)}) += value;
}

uint32_t Merger::Kept(uint32_t label_set) {
  if (!choice_ || label_set == 0) return label_set;
  if (label_set >= kept_.size()) kept_.resize(symbols().label_set_count(), UINT32_MAX);
  if (kept_[label_set] == UINT32_MAX) {
    std::vector<SymbolColumns::Label> labels;
    for (const auto& label : symbols().LabelsOf(label_set))
      if (choice_->Keeps(symbols().strings[label.key])) labels.push_back(label);
    kept_[label_set] = symbols_.LabelSet(labels);
  }
  return kept_[label_set];
}

std::vector<Sum> Merger::NodeWeights() const {
  std::vector<Sum> weights(node_seen_.size());
  for (const auto& sums : node_sums_)
    for (size_t i = 0; i < sums.size(); i++) weights[i] += Absolute(sums[i]);
  return weights;
}

Sum& Merger::CellSum(Cell cell) {
  const uint64_t hash = Mix(uint64_t{cell.node} << 32 | cell.label_set, ProcessSeed());
  uint32_t row = cell_table_.Find(hash, [&](uint32_t r) { return cells_[r] == cell; });
  if (row == IndexTable::kNone) {
    row = static_cast<uint32_t>(cells_.size());
    cell_table_.Insert(hash, row);
    cells_.push_back(cell);
    cell_sums_.push_back(0);
  }
  return cell_sums_[row];
}

// Rows without the label match as ''. Of several values one must match; none may be what a negative matcher
// names.
bool Merger::Matches(uint32_t label_set, Side side) {
  auto& verdicts = verdicts_[side];
  if (label_set >= verdicts.size()) verdicts.resize(symbols().label_set_count(), Verdict::kNotAsked);
  Verdict& verdict = verdicts[label_set];
  if (verdict == Verdict::kNotAsked) {
    verdict = Verdict::kYes;
    for (const auto& [name, matcher] : matchers_[side]) {
      size_t values = 0, matching = 0;
      for (const auto& label : symbols().LabelsOf(label_set)) {
        if (symbols().strings[label.key] != name) continue;
        values++;
        matching += matcher.Test(
            LabelText(symbols().strings[label.str], label.num, symbols().strings[label.num_unit]));
      }
      const bool ok = values == 0 ? matcher.Test("") : matcher.negative() ? matching == values : matching > 0;
      if (!ok) verdict = Verdict::kNo;
    }
  }
  return verdict == Verdict::kYes;
}

size_t Merger::bytes() const {
  return symbols_.bytes() + segment_bytes_ + replicates_.bytes() +
         (node_sums_[kLeft].capacity() + node_sums_[kRight].capacity() + label_set_sums_.capacity()) *
             sizeof(Sum) +
         cells_.capacity() * (sizeof(Cell) + sizeof(Sum)) + cell_table_.bytes() +
         scratch_cells_.capacity() * sizeof(Cell);
}

}  // namespace stackwell
