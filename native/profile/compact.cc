// SPDX-License-Identifier: Apache-2.0
#include "compact.h"

#include <utility>

namespace stackwell {
namespace {

constexpr uint32_t kUnused = UINT32_MAX;

/// New rows of what is used, by old row, in the old order.
class Rows {
 public:
  explicit Rows(size_t count) : to_(count, kUnused) {}

  void Use(uint32_t row) { to_[row] = 0; }
  void Use(int32_t row) {
    if (row >= 0) to_[row] = 0;
  }

  void Number() {
    for (uint32_t& row : to_)
      if (row != kUnused) row = count_++;
  }

  uint32_t operator[](uint32_t row) const { return to_[row]; }
  int32_t Of(int32_t row) const { return row < 0 ? row : static_cast<int32_t>(to_[row]); }

  /// Leaves what is used in a column.
  template <typename T>
  void Keep(std::vector<T>& column) const {
    for (uint32_t row = 0; row < to_.size(); row++)
      if (to_[row] != kUnused) column[to_[row]] = std::move(column[row]);
    column.resize(count_);
  }

 private:
  std::vector<uint32_t> to_;
  uint32_t count_ = 0;
};

void KeepLines(Profile& profile, const Rows& locations, Rows& functions) {
  const auto& offsets = profile.locations.line_offset;
  auto& lines = profile.lines;
  std::vector<uint32_t> kept{0};
  uint32_t at = 0;
  for (uint32_t location = 0; location + 1 < offsets.size(); location++) {
    if (locations[location] == kUnused) continue;
    for (uint32_t line = offsets[location]; line < offsets[location + 1]; line++, at++) {
      functions.Use(lines.function[line]);
      lines.function[at] = lines.function[line];
      lines.line[at] = lines.line[line];
      lines.column[at] = lines.column[line];
    }
    kept.push_back(at);
  }
  lines.function.resize(at);
  lines.line.resize(at);
  lines.column.resize(at);
  profile.locations.line_offset = std::move(kept);
}

void KeepStrings(Profile& profile) {
  std::vector<uint32_t*> references{&profile.default_sample_type, &profile.drop_frames, &profile.keep_frames,
                                    &profile.doc_url};
  const auto all = [&](std::vector<uint32_t>& column) {
    for (uint32_t& string : column) references.push_back(&string);
  };
  for (auto& type : profile.sample_types) references.insert(references.end(), {&type.type, &type.unit});
  if (profile.period_type)
    references.insert(references.end(), {&profile.period_type->type, &profile.period_type->unit});
  for (auto* column : {&profile.comments, &profile.mappings.filename, &profile.mappings.build_id,
                       &profile.functions.name, &profile.functions.system_name, &profile.functions.filename,
                       &profile.labels.key, &profile.labels.str, &profile.labels.num_unit})
    all(*column);
  Rows strings(profile.strings.size());
  strings.Use(0u);  // '' is the first of every profile
  for (const uint32_t* reference : references) strings.Use(*reference);
  strings.Number();
  for (uint32_t* reference : references) *reference = strings[*reference];
  strings.Keep(profile.strings);
}

}  // namespace

void Compact(Profile& profile) {
  Rows locations(profile.locations.size());
  Rows functions(profile.functions.size());
  Rows mappings(profile.mappings.size());
  for (const uint32_t location : profile.samples.location) locations.Use(location);
  locations.Number();
  KeepLines(profile, locations, functions);
  functions.Number();

  auto& from = profile.locations;
  locations.Keep(from.mapping);
  locations.Keep(from.address);
  locations.Keep(from.is_folded);
  if (profile.mappings.size() > 0) mappings.Use(0u);
  for (const int32_t mapping : from.mapping) mappings.Use(mapping);
  mappings.Number();

  for (uint32_t& location : profile.samples.location) location = locations[location];
  for (int32_t& function : profile.lines.function) function = functions.Of(function);
  for (int32_t& mapping : from.mapping) mapping = mappings.Of(mapping);
  functions.Keep(profile.functions.name);
  functions.Keep(profile.functions.system_name);
  functions.Keep(profile.functions.filename);
  functions.Keep(profile.functions.start_line);
  mappings.Keep(profile.mappings.start);
  mappings.Keep(profile.mappings.limit);
  mappings.Keep(profile.mappings.offset);
  mappings.Keep(profile.mappings.filename);
  mappings.Keep(profile.mappings.build_id);
  mappings.Keep(profile.mappings.flags);
  KeepStrings(profile);

  profile.location_ids = IdMap();
  for (uint64_t id = 1; id <= from.size(); id++) profile.location_ids.Add(id, "location");
}

}  // namespace stackwell
