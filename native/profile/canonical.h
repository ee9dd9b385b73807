// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "hash.h"
#include "profile.h"
#include "symbols.h"

namespace stackwell {

class Content;

/// Brings what means the same in two profiles to the same form: addresses of position-independent files are
/// made relative to the file, reasons (docs/pprof.md) are read from the comments, labels are put in order,
/// stacks that are too deep keep their leaf end. `profile` must outlive it.
class Canonical {
 public:
  /// A label as text.
  struct Label {
    std::string_view key, str, num_unit;
    int64_t num;
    auto operator<=>(const Label&) const = default;
  };

  Canonical(const Profile& profile, uint64_t max_depth);

  /// Distinct stacks and label sets, in the order in which samples use them first; label set 0 is the empty
  /// one.
  size_t stack_count() const { return stack_hashes_.size(); }
  size_t label_set_count() const { return label_set_hashes_.size(); }
  /// By sample.
  uint32_t StackOf(size_t sample) const { return sample_stack_[sample]; }
  uint32_t LabelSetOf(size_t sample) const { return sample_label_set_[sample]; }
  /// Of content, never of the ids and orders of this one profile.
  const Hash128& StackHash(uint32_t stack) const { return stack_hashes_[stack]; }
  const Hash128& LabelSetHash(uint32_t label_set) const { return label_set_hashes_[label_set]; }
  std::vector<Label> Labels(uint32_t label_set) const;

  /// Samples whose stack was cut.
  uint64_t truncated() const { return truncated_; }

  /// Comments but for those that name reasons: they mean nothing without the ids of this profile.
  std::vector<std::string_view> Comments() const;

 private:
  friend class Naming;

  struct Region {
    uint64_t start, limit, offset;
    /// To be added to an address in it.
    uint64_t shift;
  };

  void ReadReasons();
  void HashMappings();
  void HashFunctions();
  void FindStacks(uint64_t max_depth);
  void FindLabelSets();
  Hash128 HashLocation(uint32_t location, Content& content);
  uint64_t Address(uint32_t location) const;
  std::span<const uint32_t> CutStack(size_t sample, uint64_t max_depth);

  const Profile& profile_;
  std::vector<Region> regions_;            // by mapping
  std::vector<std::string_view> reasons_;  // by location; empty when there are none at all
  std::vector<Hash128> string_hashes_, mapping_hashes_, function_hashes_, location_hashes_;
  std::vector<std::span<const uint32_t>> stacks_;  // locations, leaf first
  std::vector<Hash128> stack_hashes_, label_set_hashes_;
  std::vector<size_t> label_set_samples_;  // a sample that has it
  std::vector<uint32_t> sample_stack_, sample_label_set_;
  uint64_t truncated_ = 0;
};

/// Enters stacks and label sets of one profile into Symbols, each part once.
class Naming {
 public:
  Naming(const Canonical& canonical, Symbols& symbols);

  uint32_t Node(uint32_t stack);
  uint32_t LabelSet(uint32_t label_set);

 private:
  uint32_t String(uint32_t string);
  uint32_t Mapping(int32_t mapping);
  uint32_t Function(int32_t function);
  uint32_t Location(uint32_t location);

  const Canonical& canonical_;
  const Profile& profile_;
  Symbols& symbols_;
  // Rows in symbols_ by row of profile_; kUnknown until they are needed.
  std::vector<uint32_t> strings_, mappings_, functions_, locations_;
  std::vector<SymbolColumns::Line> lines_;
};

}  // namespace stackwell
