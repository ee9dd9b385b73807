// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "index_table.h"

namespace stackwell {

/// What profiles have in common, as columns: the content of a symbol segment. Row 0 of every kind means
/// "none": the empty string, no mapping, no function, the root of all stacks, no labels. Views point into
/// memory that the owner of the columns keeps.
struct SymbolColumns {
  struct Mapping {
    uint64_t start = 0, limit = 0, offset = 0;
    uint32_t filename = 0, build_id = 0;
    uint8_t flags = 0;
  };
  struct Function {
    uint32_t name = 0, system_name = 0, filename = 0;
    int64_t start_line = 0;
    bool operator==(const Function&) const = default;
  };
  struct Line {
    uint32_t function = 0;
    int64_t line = 0, column = 0;
    bool operator==(const Line&) const = default;
  };
  struct Location {
    uint64_t address = 0;
    uint32_t mapping = 0;
    /// String: why it has no name, '' when it has one.
    uint32_t reason = 0;
    bool is_folded = false;
    bool operator==(const Location&) const = default;
  };
  /// A stack is the path from a node to the root, so stacks share what they have in common: most of them are
  /// one node more than another. A parent comes before its children.
  struct Node {
    uint32_t parent = 0;
    uint32_t location = 0;
    bool operator==(const Node&) const = default;
  };
  /// Strings, or a number with a unit.
  struct Label {
    uint32_t key = 0, str = 0, num_unit = 0;
    int64_t num = 0;
    bool operator==(const Label&) const = default;
  };

  std::vector<std::string_view> strings{""};
  std::vector<Mapping> mappings{{}};
  std::vector<Function> functions{{}};
  std::vector<Location> locations{{}};
  /// Lines of location i: [line_offset[i], line_offset[i + 1]), innermost inlined frame first.
  std::vector<uint32_t> line_offset{0, 0};
  std::vector<Line> lines;
  std::vector<Node> nodes{{}};
  /// Labels of label set i: [label_offset[i], label_offset[i + 1]).
  std::vector<uint32_t> label_offset{0, 0};
  std::vector<Label> labels;

  std::span<const Line> LinesOf(uint32_t location) const {
    return {lines.data() + line_offset[location], lines.data() + line_offset[location + 1]};
  }
  std::span<const Label> LabelsOf(uint32_t label_set) const {
    return {labels.data() + label_offset[label_set], labels.data() + label_offset[label_set + 1]};
  }
  /// Where a location is in its file, if that is known.
  std::optional<uint64_t> OffsetInFile(uint32_t location) const {
    const uint64_t address = locations[location].address;
    const Mapping& mapping = mappings[locations[location].mapping];
    if (address == 0 || address < mapping.start || address >= mapping.limit) return std::nullopt;
    return address - mapping.start + mapping.offset;
  }
  size_t label_set_count() const { return label_offset.size() - 1; }
};

/// Where rows of other columns are in these.
struct Remap {
  std::vector<uint32_t> nodes;
  std::vector<uint32_t> label_sets;
};

/// Columns in which everything is once: each method returns the row of what it is given. Identity is exact
/// (by content, no hash decides it).
class Symbols {
 public:
  Symbols() = default;
  Symbols(const Symbols&) = delete;
  Symbols& operator=(const Symbols&) = delete;

  /// Copies the text when it is new.
  uint32_t String(std::string_view text);
  /// The flags are not part of the identity: what is stored says what holds for all that were given.
  uint32_t Mapping(const SymbolColumns::Mapping& mapping);
  /// What holds for a mapping since more of it was named.
  void AddFlags(uint32_t mapping, uint8_t flags) { columns_.mappings[mapping].flags |= flags; }
  uint32_t Function(const SymbolColumns::Function& function);
  uint32_t Location(const SymbolColumns::Location& location, std::span<const SymbolColumns::Line> lines);
  uint32_t Node(uint32_t parent, uint32_t location);
  /// Labels in a canonical order are the caller's business.
  uint32_t LabelSet(std::span<const SymbolColumns::Label> labels);

  /// Adds all of `other`, which must be consistent.
  Remap Absorb(const SymbolColumns& other);

  const SymbolColumns& columns() const { return columns_; }
  /// Memory, about.
  size_t bytes() const;

 private:
  std::string_view Keep(std::string_view text);

  SymbolColumns columns_;
  IndexTable string_table_, mapping_table_, function_table_, location_table_, node_table_, label_set_table_;
  // Chunks of text that columns_.strings points into.
  std::vector<std::unique_ptr<char[]>> chunks_;
  size_t chunk_left_ = 0;
  size_t text_bytes_ = 0;
};

}  // namespace stackwell
