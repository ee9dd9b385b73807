// SPDX-License-Identifier: Apache-2.0
#include "counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <vector>

namespace stackwell {

std::array<uint64_t, SW_COUNTERS> Counters::take(const Object& object) {
  std::vector<uint64_t> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  std::array<uint64_t, SW_COUNTERS> since{};
  int fd = object.mapFd("sw_counters");
  for (uint32_t i = 0; i < SW_COUNTERS; i++) {
    if (bpf_map_lookup_elem(fd, &i, cpus.data()) != 0) continue;
    uint64_t total = 0;
    for (uint64_t each : cpus) total += each;
    since[i] = total - before_[i];
    before_[i] = total;
  }
  return since;
}

}  // namespace stackwell
