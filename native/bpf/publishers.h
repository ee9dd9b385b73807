// SPDX-License-Identifier: Apache-2.0
// Processes that publish what their threads work on (OpenTelemetry's process context, OTEP 4719, tells; where
// the threads' context is, OTEP 4947, the symbolizer finds out). Notices them by a mapping of that name, and
// keeps the places in the kernel while the processes live. Not thread-safe: the Recorder's lock guards it.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "../../bpf/profile/publisher.h"
#include "files.h"
#include "processes.h"
#include "scope.h"

namespace stackwell {

/** A process that publishes, of which it is not known yet where. */
struct WantedPublisher {
  uint32_t pid;
  uint64_t start;                                // in ticks since boot, as in /proc/PID/stat
  uint64_t context;                              // address of its process context
  std::vector<std::pair<Mapping, File>> mapped;  // the files that it runs, the program first
};

/** A place, or none: then it is asked for again later. */
struct PublisherAnswer {
  uint32_t pid;
  uint64_t start;
  std::vector<uint8_t> place;
};

class Publishers {
 public:
  /** `scope`: its object's maps are those that all others share. */
  explicit Publishers(ScopeFilter& scope);

  /** A sample of the process was seen. */
  void see(uint32_t pid, Processes& processes);
  /** Those that are noticed by now; each is given again only after it was answered. Bounded work per call. */
  std::vector<WantedPublisher> takeWanted(Processes& processes, uint64_t now);
  /** Puts a place into the kernel, as symbolizers/src/threads makes it. */
  void answer(const PublisherAnswer& answer);
  /** Takes out what has ended. */
  void forgetEnded(const Processes& processes);
  size_t placed() const { return placed_; }
  /** Processes that found no room, since the start. */
  uint64_t refused() const { return refused_; }

 private:
  struct Publisher {
    uint64_t generation;  // start of what the process runs: another program is another publisher
    uint64_t start = 0;   // in ticks, once it publishes
    uint64_t again = 0;   // not before this time, CLOCK_MONOTONIC ns
    uint32_t looks = 0;   // so far, without a place
    bool sampled = true;  // since the last look
    bool asked = false;
    bool placed = false;
  };

  void remove(uint32_t pid, Publisher& publisher);
  void setPlaced(size_t placed);

  ScopeFilter& scope_;
  int map_;
  std::map<uint32_t, Publisher> byPid_;
  size_t placed_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace stackwell
