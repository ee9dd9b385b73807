// SPDX-License-Identifier: Apache-2.0
// An error on its way to TypeScript: a code of src/errors.ts with the details that its message names.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace stackwell {

struct Failure : std::runtime_error {
  using Details = std::vector<std::pair<std::string, std::string>>;

  Failure(std::string code, Details details)
      : std::runtime_error(text(code, details)), code(std::move(code)), details(std::move(details)) {}

  std::string code;
  Details details;

 private:
  static std::string text(const std::string& code, const Details& details) {
    std::string all = code;
    for (const auto& [name, value] : details) all += (all == code ? ": " : ", ") + name + " " + value;
    return all;
  }
};

}  // namespace stackwell
