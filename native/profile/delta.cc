// SPDX-License-Identifier: Apache-2.0
#include "delta.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "canonical.h"
#include "compact.h"
#include "sum.h"

namespace stackwell {
namespace {

/// A process that started again counts from 0. Less than one part of this many of what was counted may be
/// missing without that: runtimes that scale what they sample round a little differently each time.
constexpr int64_t kNoise = 1000;

bool Before(const Hash128& a, const Hash128& b) { return a.high != b.high ? a.high < b.high : a.low < b.low; }

/// Samples of one stack and label set become one. Returns their keys, in order, with the sample that has the
/// sums.
std::pair<std::vector<Hash128>, std::vector<uint32_t>> SumAlike(Profile& profile, uint64_t max_depth) {
  const Canonical canonical(profile, max_depth);
  const size_t types = profile.sample_types.size();
  std::vector<Hash128> key_of(profile.samples.size());
  for (size_t i = 0; i < key_of.size(); i++) {
    const Hash128 parts[] = {canonical.StackHash(canonical.StackOf(i)),
                             canonical.LabelSetHash(canonical.LabelSetOf(i))};
    key_of[i] = LocalHash(parts, sizeof parts);
  }
  std::vector<uint32_t> order(key_of.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return key_of[a] == key_of[b] ? a < b : Before(key_of[a], key_of[b]);
  });
  std::vector<Hash128> keys;
  std::vector<uint32_t> samples;
  int64_t* values = profile.samples.values.data();
  for (const uint32_t sample : order) {
    if (keys.empty() || keys.back() != key_of[sample]) {
      keys.push_back(key_of[sample]);
      samples.push_back(sample);
      continue;
    }
    for (size_t t = 0; t < types; t++) {
      int64_t& sum = values[samples.back() * types + t];
      sum = Saturate(Sum{sum} + std::exchange(values[sample * types + t], 0));
    }
  }
  return {std::move(keys), std::move(samples)};
}

/// Leaves out sample types: columns, in order.
void DropTypes(Profile& profile, const std::vector<size_t>& columns) {
  const size_t types = profile.sample_types.size();
  std::vector<bool> dropped(types);
  for (const size_t column : columns) dropped[column] = true;
  size_t to = 0;
  for (size_t i = 0; i < profile.samples.values.size(); i++)
    if (!dropped[i % types]) profile.samples.values[to++] = profile.samples.values[i];
  profile.samples.values.resize(to);
  to = 0;
  for (size_t t = 0; t < types; t++) {
    if (!dropped[t])
      profile.sample_types[to++] = profile.sample_types[t];
    else if (profile.sample_types[t].type == profile.default_sample_type)
      profile.default_sample_type = 0;
  }
  profile.sample_types.resize(to);
}

/// Leaves out samples that say nothing.
void DropEmpty(Profile& profile) {
  const size_t types = profile.sample_types.size();
  auto& s = profile.samples;
  auto& l = profile.labels;
  Profile::Samples kept;
  size_t labels = 0;
  for (size_t i = 0; i < s.size(); i++) {
    const auto values = s.values.begin() + i * types;
    if (std::all_of(values, values + types, [](int64_t value) { return value == 0; })) continue;
    kept.values.insert(kept.values.end(), values, values + types);
    kept.location.insert(kept.location.end(), s.location.begin() + s.location_offset[i],
                         s.location.begin() + s.location_offset[i + 1]);
    kept.location_offset.push_back(static_cast<uint32_t>(kept.location.size()));
    for (size_t at = s.label_offset[i]; at < s.label_offset[i + 1]; at++, labels++) {
      l.key[labels] = l.key[at];
      l.str[labels] = l.str[at];
      l.num[labels] = l.num[at];
      l.num_unit[labels] = l.num_unit[at];
    }
    kept.label_offset.push_back(static_cast<uint32_t>(labels));
  }
  l.key.resize(labels);
  l.str.resize(labels);
  l.num.resize(labels);
  l.num_unit.resize(labels);
  s = std::move(kept);
}

}  // namespace

Delta::Result Delta::Add(Span data, const std::optional<Window>& window) {
  Profile profile = Decode(data, limits_);
  const size_t types = profile.sample_types.size();
  if (types == 0) Invalid("it has no sample type");
  Result result;
  if (profile.mappings.size() > 0) {
    result.program = profile.strings[profile.mappings.filename[0]];
    result.build_id = profile.strings[profile.mappings.build_id[0]];
  }
  // They would speak of this host's own sampling.
  std::erase_if(profile.comments,
                [&](uint32_t comment) { return profile.strings[comment].starts_with("stackwell."); });
  if (window) {
    profile.time_nanos = window->time_nanos;
    profile.duration_nanos = window->duration_nanos;
  }

  std::vector<size_t> at;  // columns that count
  std::vector<std::string> names;
  for (size_t t = 0; t < types; t++) {
    const std::string name(profile.strings[profile.sample_types[t].type]);
    if (std::ranges::find(counters_, name) == counters_.end()) continue;
    at.push_back(t);
    names.push_back(name);
  }
  if (!at.empty()) {
    const auto [keys, samples] = SumAlike(profile, limits_.max_depth);
    int64_t* values = profile.samples.values.data();
    std::vector<int64_t> counted;
    counted.reserve(keys.size() * at.size());
    for (const uint32_t sample : samples)
      for (const size_t t : at) counted.push_back(values[sample * types + t]);
    result.first = !known_ || names != columns_;

    // Both in order of their keys: rows that are in one only count as 0 in the other.
    std::vector<Sum> fallen(at.size()), before(at.size());
    std::vector<int64_t> grown(counted.size());
    for (size_t now = 0, then = 0; !result.first && (now < keys.size() || then < keys_.size());) {
      const bool gone = now == keys.size() || (then < keys_.size() && Before(keys_[then], keys[now]));
      const bool fresh = !gone && (then == keys_.size() || Before(keys[now], keys_[then]));
      for (size_t c = 0; c < at.size(); c++) {
        const Sum old = fresh ? 0 : values_[then * at.size() + c];
        const Sum change = (gone ? 0 : counted[now * at.size() + c]) - old;
        before[c] += old < 0 ? -old : old;
        if (change < 0) fallen[c] -= change;
        if (!gone) grown[now * at.size() + c] = change < 0 ? 0 : Saturate(change);
      }
      if (!gone) now++;
      if (!fresh) then++;
    }
    for (size_t c = 0; c < at.size(); c++)
      if (fallen[c] * kNoise > before[c]) result.restarted = true;
    // A process that started again has counted all of it since; of one that is new to us, no one knows when.
    const auto& changes = result.restarted ? counted : grown;
    if (result.first)
      DropTypes(profile, at);
    else
      for (size_t row = 0; row < samples.size(); row++)
        for (size_t c = 0; c < at.size(); c++)
          values[samples[row] * types + at[c]] = changes[row * at.size() + c];
    known_ = true;
    columns_ = std::move(names);
    keys_ = keys;
    values_ = std::move(counted);
    keys_.shrink_to_fit();
    values_.shrink_to_fit();
  }
  DropEmpty(profile);
  Compact(profile);
  result.samples = static_cast<uint32_t>(profile.samples.size());
  result.pprof = Encode(profile, 0);
  return result;
}

void Delta::Forget() {
  known_ = false;
  std::vector<Hash128>().swap(keys_);
  std::vector<int64_t>().swap(values_);
}

}  // namespace stackwell
