// SPDX-License-Identifier: Apache-2.0
#include "writer.h"

#include <algorithm>
#include <cmath>

#include "facets.h"
#include "rows.h"

namespace stackwell {
namespace {

// A writer lives for a day of one service; this many segments in it mean that something is wrong, so it
// starts anew.
constexpr size_t kMostSegmentNames = 1 << 16;
// Batches whose store never answered. Forgetting one is a rollback, which is safe.
constexpr size_t kMostTickets = 1024;
// How long others wait for the lock, in look-ups.
constexpr size_t kLookUps = 4096;

}  // namespace

Batch SymbolWriter::Add(const Profile& profile, uint64_t max_depth, SegmentLimit limit) {
  const Canonical canonical(profile, max_depth);

  Places places = Look(canonical, limit);
  Pending pending;
  Batch batch;
  batch.segment = WriteMissing(canonical, places, pending);
  batch.segments = std::move(places.segments);
  batch.truncated = canonical.truncated();
  for (const auto comment : canonical.Comments()) batch.comments.emplace_back(comment);

  const size_t types = profile.sample_types.size();
  std::vector<Row> rows;
  for (size_t type = 0; type < types; type++) {
    StoredProfile& stored = batch.profiles.emplace_back();
    stored.sample_type = profile.strings[profile.sample_types[type].type];
    stored.sample_unit = profile.strings[profile.sample_types[type].unit];
    if (profile.period_type) {
      stored.period_type = profile.strings[profile.period_type->type];
      stored.period_unit = profile.strings[profile.period_type->unit];
    }
    stored.period = profile.period;
    stored.time_nanos = profile.time_nanos;
    stored.duration_nanos = profile.duration_nanos;

    // Samples of one stack and label set are one row.
    rows.clear();
    std::vector<double> weights(canonical.label_set_count());
    for (size_t sample = 0; sample < profile.samples.size(); sample++) {
      const int64_t value = profile.samples.values[sample * types + type];
      if (value == 0) continue;
      const uint32_t label_set = canonical.LabelSetOf(sample);
      rows.push_back({*places.stacks[canonical.StackOf(sample)], *places.label_sets[label_set], value});
      stored.total += value;
      weights[label_set] += std::abs(static_cast<double>(value));
    }
    SumEqualRows(rows);
    stored.row_count = static_cast<uint32_t>(rows.size());
    stored.rows = EncodeRows(rows, static_cast<uint32_t>(batch.segments.size()));
    stored.facets = FindFacets(canonical, weights, max_facet_values_);
  }
  batch.ticket = Issue(std::move(pending));
  return batch;
}

SymbolWriter::Places SymbolWriter::Look(const Canonical& canonical, SegmentLimit limit) {
  Places places;
  places.stacks.resize(canonical.stack_count());
  places.label_sets.resize(canonical.label_set_count());
  places.label_sets[0] = SymbolRef{};
  // First by the number that a segment has in this writer.
  std::map<uint32_t, size_t> uses;
  std::map<uint32_t, std::string> names;
  const auto look = [&](Known& known, auto& found, size_t begin, auto hash_of) {
    for (size_t i = begin; i < found.size();) {
      const std::lock_guard lock(known_mutex_);
      if (i == begin) TakeCommitted();
      for (const size_t end = std::min(found.size(), i + kLookUps); i < end; i++) {
        const SymbolRef* ref = known.Find(hash_of(static_cast<uint32_t>(i)));
        if (ref == nullptr) continue;
        found[i] = *ref;
        if (uses[ref->segment]++ == 0) names[ref->segment] = segments_[ref->segment - first_segment_];
      }
    }
  };
  look(stacks_, places.stacks, 0, [&](uint32_t i) { return canonical.StackHash(i); });
  look(label_sets_, places.label_sets, 1, [&](uint32_t i) { return canonical.LabelSetHash(i); });

  std::vector<std::pair<size_t, uint32_t>> order;
  for (const auto& [segment, count] : uses) order.emplace_back(count, segment);
  std::ranges::sort(order, std::greater());
  if (order.size() > limit.most) order.resize(limit.kept);
  std::map<uint32_t, uint32_t> positions;
  for (const auto& [count, segment] : order) {
    positions[segment] = static_cast<uint32_t>(places.segments.size());
    places.segments.push_back(names[segment]);
  }
  const auto place = [&](auto& found, size_t begin) {
    for (size_t i = begin; i < found.size(); i++) {
      if (!found[i]) continue;
      const auto position = positions.find(found[i]->segment);
      if (position == positions.end())
        found[i].reset();
      else
        found[i]->segment = position->second;
    }
  };
  place(places.stacks, 0);
  place(places.label_sets, 1);
  return places;
}

// known_mutex_ is held.
void SymbolWriter::TakeCommitted() {
  std::vector<Pending> committed;
  {
    const std::lock_guard lock(ticket_mutex_);
    committed.swap(committed_);
  }
  for (const Pending& pending : committed) {
    if (segments_.size() == kMostSegmentNames) {
      // Numbers are not used again: an Add that runs at the same time may hold some.
      first_segment_ += static_cast<uint32_t>(segments_.size());
      segments_.clear();
      stacks_.Clear();
      label_sets_.Clear();
    }
    const auto number = first_segment_ + static_cast<uint32_t>(segments_.size());
    segments_.push_back(pending.segment);
    for (const auto& [hash, row] : pending.stacks) stacks_.Remember(hash, {number, row});
    for (const auto& [hash, row] : pending.label_sets) label_sets_.Remember(hash, {number, row});
  }
  stack_count_ = stacks_.size();
  byte_count_ = stacks_.bytes() + label_sets_.bytes() + segments_.size() * 2 * sizeof(std::string);
}

std::optional<EncodedSegment> SymbolWriter::WriteMissing(const Canonical& canonical, Places& places,
                                                         Pending& pending) {
  const auto position = static_cast<uint32_t>(places.segments.size());
  Symbols symbols;
  Naming naming(canonical, symbols);
  for (uint32_t i = 0; i < places.stacks.size(); i++) {
    if (places.stacks[i]) continue;
    places.stacks[i] = {position, naming.Node(i)};
    pending.stacks.emplace_back(canonical.StackHash(i), places.stacks[i]->row);
  }
  for (uint32_t i = 1; i < places.label_sets.size(); i++) {
    if (places.label_sets[i]) continue;
    places.label_sets[i] = {position, naming.LabelSet(i)};
    pending.label_sets.emplace_back(canonical.LabelSetHash(i), places.label_sets[i]->row);
  }
  if (pending.stacks.empty() && pending.label_sets.empty()) return std::nullopt;
  EncodedSegment segment = EncodeSegment(symbols.columns());
  segment.id.insert(0, segment_prefix_);
  places.segments.push_back(segment.id);
  pending.segment = segment.id;
  return segment;
}

uint32_t SymbolWriter::Issue(Pending pending) {
  const std::lock_guard lock(ticket_mutex_);
  const uint32_t ticket = next_ticket_++;
  if (!pending.segment.empty()) {
    if (open_.size() == kMostTickets) open_.erase(open_.begin());
    open_.emplace(ticket, std::move(pending));
  }
  return ticket;
}

void SymbolWriter::Commit(uint32_t ticket) {
  const std::lock_guard lock(ticket_mutex_);
  const auto found = open_.find(ticket);
  if (found == open_.end()) return;
  stack_count_ += found->second.stacks.size();
  byte_count_ +=
      (found->second.stacks.size() + found->second.label_sets.size()) * sizeof(found->second.stacks[0]);
  committed_.push_back(std::move(found->second));
  open_.erase(found);
}

void SymbolWriter::Rollback(uint32_t ticket) {
  const std::lock_guard lock(ticket_mutex_);
  open_.erase(ticket);
}

}  // namespace stackwell
