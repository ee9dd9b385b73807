// SPDX-License-Identifier: Apache-2.0
// The per-CPU counters of an object, as differences.
#pragma once

#include <array>
#include <cstdint>

#include "../../bpf/profile/sample.h"
#include "object.h"

namespace stackwell {

class Counters {
 public:
  /** What was counted since the call before, by enum sw_counter. */
  std::array<uint64_t, SW_COUNTERS> take(const Object& object);

 private:
  std::array<uint64_t, SW_COUNTERS> before_{};
};

}  // namespace stackwell
