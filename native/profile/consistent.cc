// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "profile.h"

namespace stackwell {
namespace {

template <typename... Columns>
void SameLength(const char* kind, size_t size, const Columns&... columns) {
  if (((columns.size() != size) || ...)) Invalid(std::string("columns of ") + kind + " differ in length");
}

template <typename T>
void Below(const char* what, const std::vector<T>& references, size_t rows) {
  for (const T reference : references)
    if (static_cast<uint64_t>(reference) >= rows)
      Invalid(std::string(what) + " " + std::to_string(reference) + " does not exist");
}

// -1 stands for none.
void BelowOrNone(const char* what, const std::vector<int32_t>& references, size_t rows) {
  for (const int32_t reference : references)
    if (reference < -1 || (reference >= 0 && static_cast<size_t>(reference) >= rows))
      Invalid(std::string(what) + " " + std::to_string(reference) + " does not exist");
}

void Offsets(const char* what, const std::vector<uint32_t>& offsets, size_t rows, size_t end) {
  if (offsets.size() != rows + 1 || offsets.front() != 0 || offsets.back() != end ||
      !std::is_sorted(offsets.begin(), offsets.end()))
    Invalid(std::string("offsets of ") + what + " are not in order");
}

}  // namespace

void CheckConsistent(const Profile& p) {
  const size_t strings = p.strings.size();
  if (strings == 0 || !p.strings[0].empty()) Invalid("the first string is not ''");
  std::vector<uint32_t> texts{p.default_sample_type, p.drop_frames, p.keep_frames, p.doc_url};
  for (const auto& type : p.sample_types) texts.insert(texts.end(), {type.type, type.unit});
  if (p.period_type) texts.insert(texts.end(), {p.period_type->type, p.period_type->unit});
  Below("string", texts, strings);
  Below("string", p.comments, strings);

  const auto& m = p.mappings;
  SameLength("mappings", m.size(), m.limit, m.offset, m.filename, m.build_id, m.flags);
  Below("string", m.filename, strings);
  Below("string", m.build_id, strings);

  const auto& f = p.functions;
  SameLength("functions", f.size(), f.system_name, f.filename, f.start_line);
  Below("string", f.name, strings);
  Below("string", f.system_name, strings);
  Below("string", f.filename, strings);

  SameLength("lines", p.lines.size(), p.lines.line, p.lines.column);
  BelowOrNone("function", p.lines.function, f.size());
  SameLength("locations", p.locations.size(), p.locations.mapping, p.locations.is_folded);
  BelowOrNone("mapping", p.locations.mapping, m.size());
  Offsets("lines", p.locations.line_offset, p.locations.size(), p.lines.size());

  const auto& s = p.samples;
  if (s.location_offset.empty()) Invalid("offsets of locations are not in order");
  const size_t samples = s.location_offset.size() - 1;
  Offsets("locations", s.location_offset, samples, s.location.size());
  Offsets("labels", s.label_offset, samples, p.labels.size());
  Below("location", s.location, p.locations.size());
  if (s.values.size() != samples * p.sample_types.size())
    Invalid("there is not one value for each sample and type");
  SameLength("labels", p.labels.size(), p.labels.str, p.labels.num, p.labels.num_unit);
  Below("string", p.labels.key, strings);
  Below("string", p.labels.str, strings);
  Below("string", p.labels.num_unit, strings);
}

}  // namespace stackwell
