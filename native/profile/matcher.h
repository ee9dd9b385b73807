// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <string_view>

namespace stackwell {

/// A Prometheus matcher. Immutable: may be used from several threads.
class Matcher {
 public:
  /// `op` is =, !=, =~ or !~. Throws BadQuery for another one, and for a bad regular expression.
  Matcher(const std::string& op, std::string value);

  bool Test(std::string_view text) const;
  /// Whether it is one of != and !~, which say what a value must not be.
  bool negative() const { return negative_; }

 private:
  bool negative_;
  std::string value_;
  std::unique_ptr<re2::RE2> expression_;  // null for = and !=
};

}  // namespace stackwell
