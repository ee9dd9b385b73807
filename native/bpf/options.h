// SPDX-License-Identifier: Apache-2.0
// ProfilerOptions of index.d.ts as plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../../bpf/profile/sample.h"

namespace stackwell {

struct Scope {
  sw_scope kind = SW_SCOPE_HOST;
  std::vector<uint64_t> cgroups;
  std::vector<uint32_t> pids;
};

struct OffCpuOptions {
  uint64_t minNs = 0;
  uint64_t maxNs = 0;
  uint32_t stateMask = 0;
  bool blocked = true;
  bool runqueue = true;
  bool preempted = true;
  std::string capture;  // '' = the best that the kernel has
  bool legacy = false;
};

struct Options {
  std::string objects;
  Scope scope;
  sw_hierarchy hierarchy = SW_CGROUP_V2;
  uint32_t hz = 0;  // 0: no on-CPU samples
  std::optional<OffCpuOptions> offCpu;
  std::vector<uint32_t> excludePids;
  uint32_t maxSamples = 16384;
  uint64_t maxProcessBytes = 32u << 20;
  uint64_t maxTableBytes = 64u << 20;
  bool unwinds = true;  // false: frame pointers only
  bool traces = true;   // what threads work on, where their process publishes it
};

}  // namespace stackwell
