// SPDX-License-Identifier: Apache-2.0
#include "symbols.h"

#include <algorithm>
#include <cstring>

#include "hash.h"

namespace stackwell {
namespace {

constexpr size_t kChunk = 64 << 10;

template <typename... Rest>
uint64_t MixAll(uint64_t first, Rest... rest) {
  uint64_t hash = Mix(first, ProcessSeed());
  ((hash = Mix(hash, static_cast<uint64_t>(rest))), ...);
  return hash;
}

uint64_t HashText(std::string_view text) {
  uint64_t hash = Mix(text.size(), ProcessSeed());
  const char* at = text.data();
  for (size_t left = text.size(); left > 0;) {
    uint64_t word = 0;
    const size_t size = std::min<size_t>(left, sizeof word);
    std::memcpy(&word, at, size);
    hash = Mix(hash, word);
    at += size;
    left -= size;
  }
  return hash;
}

/// The row of what `equal` recognizes, after `append` if there is none.
template <typename Equal, typename Append>
uint32_t Intern(IndexTable& table, uint64_t hash, size_t next, Equal equal, Append append) {
  const uint32_t found = table.Find(hash, equal);
  if (found != IndexTable::kNone) return found;
  append();
  table.Insert(hash, static_cast<uint32_t>(next));
  return static_cast<uint32_t>(next);
}

template <typename T>
size_t BytesOf(const std::vector<T>& column) {
  return column.capacity() * sizeof(T);
}

}  // namespace

std::string_view Symbols::Keep(std::string_view text) {
  if (chunk_left_ < text.size()) {
    chunk_left_ = std::max(text.size(), kChunk);
    chunks_.push_back(std::unique_ptr<char[]>(new char[chunk_left_]));
    text_bytes_ += chunk_left_;
  }
  // The chunk is filled from its end.
  chunk_left_ -= text.size();
  char* place = chunks_.back().get() + chunk_left_;
  std::memcpy(place, text.data(), text.size());
  return {place, text.size()};
}

uint32_t Symbols::String(std::string_view text) {
  if (text.empty()) return 0;
  auto& strings = columns_.strings;
  return Intern(
      string_table_, HashText(text), strings.size(), [&](uint32_t row) { return strings[row] == text; },
      [&] { strings.push_back(Keep(text)); });
}

uint32_t Symbols::Mapping(const SymbolColumns::Mapping& m) {
  auto& rows = columns_.mappings;
  const uint32_t row = Intern(
      mapping_table_, MixAll(m.start, m.limit, m.offset, m.filename, m.build_id), rows.size(),
      [&](uint32_t row) {
        const auto& r = rows[row];
        return r.start == m.start && r.limit == m.limit && r.offset == m.offset && r.filename == m.filename &&
               r.build_id == m.build_id;
      },
      [&] { rows.push_back(m); });
  rows[row].flags &= m.flags;
  return row;
}

uint32_t Symbols::Function(const SymbolColumns::Function& f) {
  auto& rows = columns_.functions;
  return Intern(
      function_table_, MixAll(f.name, f.system_name, f.filename, f.start_line), rows.size(),
      [&](uint32_t row) { return rows[row] == f; }, [&] { rows.push_back(f); });
}

uint32_t Symbols::Location(const SymbolColumns::Location& location,
                           std::span<const SymbolColumns::Line> lines) {
  uint64_t hash = MixAll(location.address, location.mapping, location.reason, location.is_folded);
  for (const auto& line : lines) hash = Mix(Mix(hash, line.function), Mix(line.line, line.column));
  auto& c = columns_;
  return Intern(
      location_table_, hash, c.locations.size(),
      [&](uint32_t row) { return c.locations[row] == location && std::ranges::equal(c.LinesOf(row), lines); },
      [&] {
        c.locations.push_back(location);
        c.lines.insert(c.lines.end(), lines.begin(), lines.end());
        c.line_offset.push_back(static_cast<uint32_t>(c.lines.size()));
      });
}

uint32_t Symbols::Node(uint32_t parent, uint32_t location) {
  auto& rows = columns_.nodes;
  const SymbolColumns::Node node{parent, location};
  return Intern(
      node_table_, MixAll(static_cast<uint64_t>(parent) << 32 | location), rows.size(),
      [&](uint32_t row) { return rows[row] == node; }, [&] { rows.push_back(node); });
}

uint32_t Symbols::LabelSet(std::span<const SymbolColumns::Label> labels) {
  if (labels.empty()) return 0;
  uint64_t hash = ProcessSeed();
  for (const auto& label : labels)
    hash = Mix(Mix(hash, label.key), MixAll(label.str, label.num_unit, label.num));
  auto& c = columns_;
  return Intern(
      label_set_table_, hash, c.label_set_count(),
      [&](uint32_t row) { return std::ranges::equal(c.LabelsOf(row), labels); },
      [&] {
        c.labels.insert(c.labels.end(), labels.begin(), labels.end());
        c.label_offset.push_back(static_cast<uint32_t>(c.labels.size()));
      });
}

Remap Symbols::Absorb(const SymbolColumns& other) {
  std::vector<uint32_t> strings(other.strings.size());
  for (size_t i = 0; i < strings.size(); i++) strings[i] = String(other.strings[i]);

  std::vector<uint32_t> mappings(other.mappings.size());
  for (size_t i = 1; i < mappings.size(); i++) {
    auto mapping = other.mappings[i];
    mapping.filename = strings[mapping.filename];
    mapping.build_id = strings[mapping.build_id];
    mappings[i] = Mapping(mapping);
  }

  std::vector<uint32_t> functions(other.functions.size());
  for (size_t i = 1; i < functions.size(); i++) {
    auto function = other.functions[i];
    function.name = strings[function.name];
    function.system_name = strings[function.system_name];
    function.filename = strings[function.filename];
    functions[i] = Function(function);
  }

  std::vector<uint32_t> locations(other.locations.size());
  std::vector<SymbolColumns::Line> lines;
  for (uint32_t i = 1; i < locations.size(); i++) {
    auto location = other.locations[i];
    location.mapping = mappings[location.mapping];
    location.reason = strings[location.reason];
    lines.assign(other.LinesOf(i).begin(), other.LinesOf(i).end());
    for (auto& line : lines) line.function = functions[line.function];
    locations[i] = Location(location, lines);
  }

  Remap remap;
  remap.nodes.resize(other.nodes.size());
  for (size_t i = 1; i < remap.nodes.size(); i++)
    remap.nodes[i] = Node(remap.nodes[other.nodes[i].parent], locations[other.nodes[i].location]);

  remap.label_sets.resize(other.label_set_count());
  std::vector<SymbolColumns::Label> labels;
  for (uint32_t i = 1; i < remap.label_sets.size(); i++) {
    labels.assign(other.LabelsOf(i).begin(), other.LabelsOf(i).end());
    for (auto& label : labels) {
      label.key = strings[label.key];
      label.str = strings[label.str];
      label.num_unit = strings[label.num_unit];
    }
    remap.label_sets[i] = LabelSet(labels);
  }
  return remap;
}

size_t Symbols::bytes() const {
  const auto& c = columns_;
  return text_bytes_ + BytesOf(c.strings) + BytesOf(c.mappings) + BytesOf(c.functions) +
         BytesOf(c.locations) + BytesOf(c.line_offset) + BytesOf(c.lines) + BytesOf(c.nodes) +
         BytesOf(c.label_offset) + BytesOf(c.labels) + string_table_.bytes() + mapping_table_.bytes() +
         function_table_.bytes() + location_table_.bytes() + node_table_.bytes() + label_set_table_.bytes();
}

}  // namespace stackwell
