// SPDX-License-Identifier: Apache-2.0
// Makes the columns of one drain: rows, stacks, normalized locations, and the mappings, processes and strings
// they name.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../../bpf/profile/sample.h"
#include "processes.h"
#include "stacks.h"

namespace stackwell {

/** LossCause of index.d.ts, in its order. */
enum Loss {
  kCountsFull,
  kStackRingFull,
  kStackMissing,
  kProcessTableFull,
  kSidebandLost,
  kTaskStateFull,
  kBadDelta,
  kMissedWakeup,
  kFilesFull,
  kWantedFull,
  kLossCauses
};

/** UntracedCause of index.d.ts, in its order. */
enum Untraced { kFull, kUnreadable, kInvalid, kUntracedCauses };

/** SkipCause of index.d.ts, in its order. */
enum Skip { kIdle, kScope, kExcluded, kShort, kLong, kState, kSkipCauses };

/** Drained of index.d.ts. */
struct Columns {
  uint64_t startNs = 0, endNs = 0;
  struct {
    std::vector<uint8_t> kind, phase, state;
    std::vector<uint32_t> process, tid, threadName, stack, trace, span;
    std::vector<double> count, value;
  } samples;
  struct {
    std::vector<uint32_t> offset{0}, location;
    std::vector<uint8_t> flags, end;
  } stacks;
  struct {
    std::vector<uint8_t> space, exact;
    std::vector<int32_t> mapping, process;
    std::vector<uint64_t> address, extra;
  } locations;
  struct {
    std::vector<std::string> path, buildId;
    std::vector<uint32_t> pid;
    std::vector<uint64_t> start, end, offset, device, inode;
  } mappings;
  struct {
    std::vector<uint32_t> pid, parent, comm, executable;
    std::vector<uint64_t> startNs, cgroup;
    std::vector<int32_t> executableMapping;
    std::vector<uint8_t> alive;
  } processes;
  std::vector<std::string> strings;
  std::array<uint64_t, kLossCauses> lost{};
  std::array<uint64_t, kSkipCauses> skipped{};
  std::array<uint64_t, kUntracedCauses> untraced{};
};

class ColumnBuilder {
 public:
  ColumnBuilder(Columns& out, Processes& processes, Stacks& stacks, uint32_t drain)
      : out_(out), processes_(processes), stacks_(stacks), drain_(drain) {
    string("");
  }

  /** Adds a row of a counts map; `valueNs` is what it is worth. */
  void add(const sw_key& key, const sw_trace& trace, const sw_value& value, uint64_t valueNs);

 private:
  struct Location {
    uint64_t address;
    int32_t mapping, process;
    uint8_t space, exact;
    uint64_t extra = 0;
    bool operator==(const Location&) const = default;
  };
  struct ProcessKey {
    uint64_t start, cgroup;
    uint32_t pid, exec;
    bool operator==(const ProcessKey&) const = default;
  };
  struct StackKey {
    uint64_t hash;
    uint32_t process;
    bool operator==(const StackKey&) const = default;
  };
  struct Hash {
    size_t operator()(const Location& l) const;
    size_t operator()(const ProcessKey& p) const;
    size_t operator()(const StackKey& s) const;
    size_t operator()(const std::vector<uint32_t>& words) const;
  };
  struct ProcessRow {
    Generation* generation;
    bool refreshed;
  };

  uint32_t string(std::string_view text);
  uint32_t hex(const void* bytes, size_t size);
  uint32_t process(const sw_key& key, const sw_value& value);
  uint32_t stack(uint64_t hash, uint32_t process, uint64_t count);
  uint32_t location(const Location& location);
  int32_t mapping(uint32_t file, uint32_t pid, const Mapping& example);
  Location userLocation(uint64_t address, uint32_t process, bool leaf);

  Columns& out_;
  Processes& processes_;
  Stacks& stacks_;
  uint32_t drain_;
  std::vector<ProcessRow> processRows_;
  std::unordered_map<ProcessKey, uint32_t, Hash> processIds_;
  std::unordered_map<StackKey, uint32_t, Hash> stackIds_;
  std::unordered_map<std::vector<uint32_t>, uint32_t, Hash> stackContents_;
  std::unordered_map<Location, uint32_t, Hash> locationIds_;
  std::unordered_map<uint32_t, int32_t> mappingIds_;
  std::unordered_map<std::string, uint32_t> stringIds_;
};

}  // namespace stackwell
