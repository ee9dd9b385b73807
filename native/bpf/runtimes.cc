// SPDX-License-Identifier: Apache-2.0
#include "runtimes.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "kernel.h"

namespace stackwell {

namespace {

constexpr std::string_view kJvmLibrary = "/libjvm.so";

// A JVM tells of itself a moment after it has mapped its library; one that never does is asked seldom.
constexpr uint64_t kFirstPauseNs = 100'000'000;
constexpr uint32_t kMostDoublings = 9;

}  // namespace

Runtimes::Runtimes(Object& maps) : map_(maps.mapFd("sw_jvms")) {}

void Runtimes::see(uint32_t pid, Processes& processes) {
  const Generation* generation = processes.at(pid, UINT64_MAX);
  for (const Mapping& mapping : generation->mappings->sorted) {
    const File& file = processes.files()[mapping.file];
    if (!file.path.ends_with(kJvmLibrary)) continue;
    auto known = byPid_.find(pid);
    if (known != byPid_.end()) {
      // The same number may be another process, or the process may have gone on to another program.
      if (known->second.wanted.mapping.start == mapping.start &&
          known->second.wanted.file.inode == file.inode)
        return;
      bpf_map_delete_elem(map_, &pid);
      byPid_.erase(known);
    }
    if (byPid_.size() >= SW_JVMS) {
      refused_++;
      return;
    }
    uint64_t start = startTicks(pid);
    if (start != 0) byPid_[pid].wanted = {pid, start, mapping, file};
    return;
  }
}

std::vector<WantedRuntime> Runtimes::takeWanted(uint64_t now) {
  std::vector<WantedRuntime> wanted;
  for (auto& [pid, runtime] : byPid_) {
    if (runtime.described || runtime.asked || now < runtime.again) continue;
    runtime.asked = true;
    wanted.push_back(runtime.wanted);
  }
  return wanted;
}

void Runtimes::answer(const RuntimeAnswer& answer, uint64_t now) {
  auto found = byPid_.find(answer.pid);
  if (found == byPid_.end() || found->second.wanted.start != answer.start) return;
  Runtime& runtime = found->second;
  runtime.asked = false;
  sw_jvm description;
  if (answer.description.size() == sizeof description) {
    std::memcpy(&description, answer.description.data(), sizeof description);
    description.start = answer.start;
    runtime.described = bpf_map_update_elem(map_, &answer.pid, &description, BPF_ANY) == 0;
    if (!runtime.described) refused_++;
  }
  if (!runtime.described)
    runtime.again = now + (kFirstPauseNs << std::min(runtime.failures++, kMostDoublings));
}

void Runtimes::forgetEnded() {
  for (auto each = byPid_.begin(); each != byPid_.end();) {
    if (startTicks(each->first) == each->second.wanted.start) {
      ++each;
      continue;
    }
    bpf_map_delete_elem(map_, &each->first);
    each = byPid_.erase(each);
  }
}

size_t Runtimes::described() const {
  return static_cast<size_t>(
      std::count_if(byPid_.begin(), byPid_.end(), [](const auto& each) { return each.second.described; }));
}

}  // namespace stackwell
