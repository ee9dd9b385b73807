// SPDX-License-Identifier: Apache-2.0
#include "canonical.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace stackwell {

/// Content in an unambiguous form, for hashing. By its hash, what goes in here is known in the memory of a
/// writer only.
class Content {
 public:
  Content& Add(uint64_t value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof value);
    return *this;
  }
  Content& Add(const Hash128& hash) { return Add(hash.low).Add(hash.high); }
  Content& Add(std::string_view text) {
    Add(text.size());
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  Hash128 Take() {
    const Hash128 hash = LocalHash(bytes_.data(), bytes_.size());
    bytes_.clear();
    return hash;
  }

 private:
  Bytes bytes_;
};

namespace {

constexpr std::string_view kReasonPrefix = "stackwell.reason ";
constexpr size_t kReasonBytes = 64;
constexpr uint32_t kUnknown = UINT32_MAX;

/// The row with this content in `hashes`, which grows when it is new.
uint32_t Unique(const Hash128& hash, std::vector<Hash128>& hashes, IndexTable& table) {
  const uint64_t key = Mix(hash.low, ProcessSeed());
  uint32_t row = table.Find(key, [&](uint32_t r) { return hashes[r] == hash; });
  if (row == IndexTable::kNone) {
    row = static_cast<uint32_t>(hashes.size());
    hashes.push_back(hash);
    table.Insert(key, row);
  }
  return row;
}

// Where the loader put a position-independent file differs from process to process: what lies above 4 GiB was
// put there by chance, what lies below (non-PIE executables) was linked to be there, and the kernel half has
// its own rules. Addresses that were put by chance are counted from the start of the file.
bool PutByChance(uint64_t start, uint64_t limit) {
  return start >= 1ull << 32 && start < 1ull << 63 && limit > start;
}

}  // namespace

Canonical::Canonical(const Profile& profile, uint64_t max_depth) : profile_(profile) {
  ReadReasons();
  HashMappings();
  HashFunctions();
  FindStacks(max_depth);
  FindLabelSets();
}

// `stackwell.reason REASON I,J,…`. What is not of this form is somebody's comment and says nothing.
void Canonical::ReadReasons() {
  for (const uint32_t comment : profile_.comments) {
    std::string_view text = profile_.strings[comment];
    if (!text.starts_with(kReasonPrefix)) continue;
    text.remove_prefix(kReasonPrefix.size());
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || space == 0 || space > kReasonBytes) continue;
    if (reasons_.empty()) reasons_.resize(profile_.locations.size());
    const std::string_view reason = text.substr(0, space);
    const char* end = text.data() + text.size();
    for (const char* at = text.data() + space + 1; at < end; at++) {
      uint64_t id = 0;
      const auto [next, error] = std::from_chars(at, end, id);
      if (error != std::errc()) break;
      const int64_t row = profile_.location_ids.Find(id);
      const auto& offsets = profile_.locations.line_offset;
      if (row >= 0 && offsets[row] == offsets[row + 1]) reasons_[row] = reason;
      at = next;
    }
  }
}

void Canonical::HashMappings() {
  Content content;
  string_hashes_.resize(profile_.strings.size());
  const auto& m = profile_.mappings;
  for (size_t i = 0; i < m.size(); i++) {
    Region region{m.start[i], m.limit[i], m.offset[i], 0};
    if (PutByChance(region.start, region.limit)) {
      region.shift = region.offset - region.start;
      region.start += region.shift;
      region.limit += region.shift;
    }
    regions_.push_back(region);
    mapping_hashes_.push_back(content.Add(region.start)
                                  .Add(region.limit)
                                  .Add(region.offset)
                                  .Add(profile_.strings[m.filename[i]])
                                  .Add(profile_.strings[m.build_id[i]])
                                  .Take());
  }
}

void Canonical::HashFunctions() {
  Content content;
  // Of '' too: only a string that has not been hashed yet has zeros.
  const auto hashed = [this](uint32_t string) {
    Hash128& hash = string_hashes_[string];
    if (hash == Hash128{}) hash = LocalHash(profile_.strings[string]);
    return hash;
  };
  const auto& f = profile_.functions;
  function_hashes_.reserve(f.size());
  for (size_t i = 0; i < f.size(); i++)
    function_hashes_.push_back(content.Add(hashed(f.name[i]))
                                   .Add(hashed(f.system_name[i]))
                                   .Add(hashed(f.filename[i]))
                                   .Add(static_cast<uint64_t>(f.start_line[i]))
                                   .Take());
}

// An address outside of its mapping (0 where a writer has none) is left as it is.
uint64_t Canonical::Address(uint32_t location) const {
  const uint64_t address = profile_.locations.address[location];
  const int32_t mapping = profile_.locations.mapping[location];
  if (mapping < 0) return address;
  const auto& m = profile_.mappings;
  return address >= m.start[mapping] && address < m.limit[mapping] ? address + regions_[mapping].shift
                                                                   : address;
}

Hash128 Canonical::HashLocation(uint32_t location, Content& content) {
  const auto& l = profile_.locations;
  content.Add(l.mapping[location] < 0 ? Hash128{} : mapping_hashes_[l.mapping[location]])
      .Add(Address(location))
      .Add(uint64_t{l.is_folded[location] != 0})
      .Add(reasons_.empty() ? std::string_view() : reasons_[location]);
  for (uint32_t i = l.line_offset[location]; i < l.line_offset[location + 1]; i++) {
    const int32_t function = profile_.lines.function[i];
    content.Add(function < 0 ? Hash128{} : function_hashes_[function])
        .Add(static_cast<uint64_t>(profile_.lines.line[i]))
        .Add(static_cast<uint64_t>(profile_.lines.column[i]));
  }
  return content.Take();
}

// The leaf end is what a profile is about; the end that is cut is shared by many stacks.
std::span<const uint32_t> Canonical::CutStack(size_t sample, uint64_t max_depth) {
  const auto& samples = profile_.samples;
  const auto& offsets = profile_.locations.line_offset;
  const uint32_t begin = samples.location_offset[sample];
  const uint32_t end = samples.location_offset[sample + 1];
  uint64_t frames = 0;
  for (uint32_t i = begin; i < end; i++) {
    const uint32_t location = samples.location[i];
    frames += std::max(1u, offsets[location + 1] - offsets[location]);
    if (frames > max_depth) {
      if (i == begin) OverLimit("frames of a location", frames, max_depth);
      truncated_++;
      return {samples.location.data() + begin, samples.location.data() + i};
    }
  }
  return {samples.location.data() + begin, samples.location.data() + end};
}

void Canonical::FindStacks(uint64_t max_depth) {
  location_hashes_.reserve(profile_.locations.size());
  Content content;
  for (uint32_t i = 0; i < profile_.locations.size(); i++)
    location_hashes_.push_back(HashLocation(i, content));
  IndexTable table;
  std::vector<Hash128> path;
  for (size_t sample = 0; sample < profile_.samples.size(); sample++) {
    const auto stack = CutStack(sample, max_depth);
    path.clear();
    for (const uint32_t location : stack) path.push_back(location_hashes_[location]);
    const uint32_t row = Unique(LocalHash(path.data(), path.size() * sizeof(Hash128)), stack_hashes_, table);
    if (row == stacks_.size()) stacks_.push_back(stack);
    sample_stack_.push_back(row);
  }
}

void Canonical::FindLabelSets() {
  IndexTable table;
  Content content;
  Unique(content.Take(), label_set_hashes_, table);
  label_set_samples_.push_back(0);  // not looked at: the empty set
  std::vector<Label> labels;
  const auto& offsets = profile_.samples.label_offset;
  const auto& l = profile_.labels;
  for (size_t sample = 0; sample < profile_.samples.size(); sample++) {
    uint32_t row = 0;
    if (offsets[sample] != offsets[sample + 1]) {
      labels.clear();
      for (uint32_t i = offsets[sample]; i < offsets[sample + 1]; i++)
        labels.push_back({profile_.strings[l.key[i]], profile_.strings[l.str[i]],
                          profile_.strings[l.num_unit[i]], l.num[i]});
      std::ranges::sort(labels);
      for (const Label& label : labels)
        content.Add(label.key).Add(label.str).Add(label.num_unit).Add(static_cast<uint64_t>(label.num));
      row = Unique(content.Take(), label_set_hashes_, table);
      if (row == label_set_samples_.size()) label_set_samples_.push_back(sample);
    }
    sample_label_set_.push_back(row);
  }
}

std::vector<Canonical::Label> Canonical::Labels(uint32_t label_set) const {
  std::vector<Label> labels;
  if (label_set == 0) return labels;
  const size_t sample = label_set_samples_[label_set];
  const auto& l = profile_.labels;
  for (uint32_t i = profile_.samples.label_offset[sample]; i < profile_.samples.label_offset[sample + 1]; i++)
    labels.push_back(
        {profile_.strings[l.key[i]], profile_.strings[l.str[i]], profile_.strings[l.num_unit[i]], l.num[i]});
  std::ranges::sort(labels);
  return labels;
}

std::vector<std::string_view> Canonical::Comments() const {
  std::vector<std::string_view> comments;
  for (const uint32_t comment : profile_.comments)
    if (!profile_.strings[comment].starts_with(kReasonPrefix)) comments.push_back(profile_.strings[comment]);
  return comments;
}

Naming::Naming(const Canonical& canonical, Symbols& symbols)
    : canonical_(canonical),
      profile_(canonical.profile_),
      symbols_(symbols),
      strings_(profile_.strings.size(), kUnknown),
      mappings_(profile_.mappings.size(), kUnknown),
      functions_(profile_.functions.size(), kUnknown),
      locations_(profile_.locations.size(), kUnknown) {}

uint32_t Naming::String(uint32_t string) {
  if (strings_[string] == kUnknown) strings_[string] = symbols_.String(profile_.strings[string]);
  return strings_[string];
}

uint32_t Naming::Mapping(int32_t mapping) {
  if (mapping < 0) return 0;
  if (mappings_[mapping] == kUnknown) {
    const auto& region = canonical_.regions_[mapping];
    mappings_[mapping] = symbols_.Mapping({region.start, region.limit, region.offset,
                                           String(profile_.mappings.filename[mapping]),
                                           String(profile_.mappings.build_id[mapping]),
                                           static_cast<uint8_t>(profile_.mappings.flags[mapping] & 15)});
  }
  return mappings_[mapping];
}

uint32_t Naming::Function(int32_t function) {
  if (function < 0) return 0;
  if (functions_[function] == kUnknown) {
    const auto& f = profile_.functions;
    const uint32_t name = String(f.name[function]);
    const uint32_t system_name = String(f.system_name[function]);
    const uint32_t filename = String(f.filename[function]);
    functions_[function] = symbols_.Function({name, system_name, filename, f.start_line[function]});
  }
  return functions_[function];
}

uint32_t Naming::Location(uint32_t location) {
  if (locations_[location] == kUnknown) {
    const auto& l = profile_.locations;
    SymbolColumns::Location row;
    row.mapping = Mapping(l.mapping[location]);
    row.address = canonical_.Address(location);
    row.is_folded = l.is_folded[location] != 0;
    if (!canonical_.reasons_.empty()) row.reason = symbols_.String(canonical_.reasons_[location]);
    lines_.clear();
    for (uint32_t i = l.line_offset[location]; i < l.line_offset[location + 1]; i++)
      lines_.push_back(
          {Function(profile_.lines.function[i]), profile_.lines.line[i], profile_.lines.column[i]});
    locations_[location] = symbols_.Location(row, lines_);
  }
  return locations_[location];
}

uint32_t Naming::Node(uint32_t stack) {
  const auto locations = canonical_.stacks_[stack];
  uint32_t node = 0;
  for (size_t i = locations.size(); i-- > 0;) node = symbols_.Node(node, Location(locations[i]));
  return node;
}

uint32_t Naming::LabelSet(uint32_t label_set) {
  std::vector<SymbolColumns::Label> labels;
  for (const auto& label : canonical_.Labels(label_set)) {
    const uint32_t key = symbols_.String(label.key);
    const uint32_t str = symbols_.String(label.str);
    labels.push_back({key, str, symbols_.String(label.num_unit), label.num});
  }
  return symbols_.LabelSet(labels);
}

}  // namespace stackwell
