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

/** Whether a fentry program can be loaded for the kernel function of this BTF id: 0, or the error. */
int tryFentry(int btfId);

}  // namespace stackwell
