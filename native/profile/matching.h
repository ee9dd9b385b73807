// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stackwell {

/// What of a frame is not the program's but its build's, so that two builds are compared by what they have in
/// common. Immutable: may be used from several threads.
class Matching {
 public:
  struct Rule {
    std::string_view id, what, example, becomes;
  };
  /// All there are, in the order in which they are applied.
  static std::span<const Rule> Rules();

  /// With all rules but these. Throws BadQuery for one that there is not.
  explicit Matching(const std::vector<std::string>& without);

  std::string Name(std::string_view name, std::string_view file) const;
  std::string_view File(std::string_view file) const;
  /// Whether frames without a name are told apart by their module only.
  bool unnamed_by_module() const { return on_ & 1u << kUnnamed; }

 private:
  enum : unsigned { kClones, kLambdas, kClosures, kJava, kHashes, kFiles, kUnnamed };
  bool on(unsigned rule) const { return on_ & 1u << rule; }
  uint32_t on_;
};

}  // namespace stackwell
