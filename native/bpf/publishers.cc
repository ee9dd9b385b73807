// SPDX-License-Identifier: Apache-2.0
#include "publishers.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <unordered_set>

#include "kernel.h"

namespace stackwell {

namespace {

// Processes publish a while after their start, or never: what was looked at often is looked at seldom.
constexpr uint64_t kFirstPauseNs = 500'000'000;
constexpr uint32_t kMostDoublings = 9;
constexpr int kLooksAtOnce = 8;
constexpr size_t kMostProcesses = 8192;
// More lines of /proc/PID/maps than this are not read, and of more files than this nobody asks.
constexpr int kMostMappings = 20'000;
constexpr size_t kMostFiles = 512;

// OTEP 4719: a memfd, named or not, or anonymous memory with a name.
constexpr std::string_view kNames[] = {"[anon_shmem:OTEL_CTX]", "[anon:OTEL_CTX]", "/memfd:OTEL_CTX",
                                       "/memfd:OTEL_CTX (deleted)"};

/** Address of the process context; 0 if there is none. */
uint64_t findContext(uint32_t pid) {
  std::string path = "/proc/" + std::to_string(pid) + "/maps";
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  char line[4096 + 128];
  for (int n = 0; file && n < kMostMappings && std::fgets(line, sizeof line, file.get()); n++) {
    std::string_view text(line);
    while (text.ends_with('\n')) text.remove_suffix(1);
    size_t name = text.find_first_of("[/");
    if (name == std::string_view::npos) continue;
    if (std::find(std::begin(kNames), std::end(kNames), text.substr(name)) != std::end(kNames))
      return std::strtoull(line, nullptr, 16);
  }
  return 0;
}

/** The files that a process runs, the program first. */
std::vector<std::pair<Mapping, File>> filesOf(const Generation& generation, const Processes& processes) {
  std::vector<std::pair<Mapping, File>> all;
  std::unordered_set<uint32_t> seen;
  for (const Mapping& mapping : generation.mappings->sorted) {
    const File& file = processes.files()[mapping.file];
    if (file.space() != 1 || all.size() >= kMostFiles || !seen.insert(mapping.file).second) continue;
    bool program = mapping.file == generation.executable;
    all.insert(program ? all.begin() : all.end(), {mapping, file});
  }
  return all;
}

}  // namespace

Publishers::Publishers(ScopeFilter& scope) : scope_(scope), map_(scope.object().mapFd("sw_publishers")) {}

void Publishers::see(uint32_t pid, Processes& processes) {
  uint64_t generation = processes.at(pid, UINT64_MAX)->startNs;
  auto found = byPid_.find(pid);
  if (found == byPid_.end()) {
    if (byPid_.size() < kMostProcesses)
      byPid_[pid] = {.generation = generation};
    else
      refused_++;
    return;
  }
  if (found->second.generation != generation) {
    remove(pid, found->second);
    found->second = {.generation = generation};
  }
  found->second.sampled = true;
}

std::vector<WantedPublisher> Publishers::takeWanted(Processes& processes, uint64_t now) {
  std::vector<WantedPublisher> wanted;
  int looks = 0;
  for (auto& [pid, publisher] : byPid_) {
    if (publisher.placed || publisher.asked || !publisher.sampled || now < publisher.again) continue;
    if (looks++ == kLooksAtOnce) break;
    publisher.sampled = false;
    publisher.again = now + (kFirstPauseNs << std::min(publisher.looks++, kMostDoublings));
    uint64_t context = findContext(pid);
    publisher.start = context ? startTicks(pid) : 0;
    if (!publisher.start) continue;
    publisher.asked = true;
    wanted.push_back({pid, publisher.start, context, filesOf(*processes.at(pid, UINT64_MAX), processes)});
  }
  return wanted;
}

void Publishers::answer(const PublisherAnswer& answer) {
  auto found = byPid_.find(answer.pid);
  if (found == byPid_.end() || !found->second.asked || found->second.start != answer.start) return;
  Publisher& publisher = found->second;
  publisher.asked = false;
  sw_publisher place;
  if (answer.place.size() != sizeof place) return;
  std::memcpy(&place, answer.place.data(), sizeof place);
  place.start = answer.start;
  place.exec = 0;
  publisher.placed = bpf_map_update_elem(map_, &answer.pid, &place, BPF_ANY) == 0;
  if (publisher.placed)
    setPlaced(placed_ + 1);
  else
    refused_++;
}

void Publishers::remove(uint32_t pid, Publisher& publisher) {
  if (!publisher.placed) return;
  bpf_map_delete_elem(map_, &pid);
  publisher.placed = false;
  setPlaced(placed_ - 1);
}

void Publishers::forgetEnded(const Processes& processes) {
  for (auto each = byPid_.begin(); each != byPid_.end();) {
    if (processes.has(each->first)) {
      ++each;
      continue;
    }
    remove(each->first, each->second);
    each = byPid_.erase(each);
  }
}

void Publishers::setPlaced(size_t placed) {
  placed_ = placed;
  scope_.control(SW_CONTROL_PUBLISHERS, placed);
}

}  // namespace stackwell
