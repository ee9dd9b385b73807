// SPDX-License-Identifier: Apache-2.0
// What this kernel allows, tried with the smallest programs; everything is closed again.
#pragma once

#include <string>
#include <vector>

namespace stackwell {

struct Finding {
  std::string name;
  bool ok;
  std::string detail;
};

/** `objects`: the folder with the compiled programs. */
std::vector<Finding> probe(const std::string& objects);

}  // namespace stackwell
