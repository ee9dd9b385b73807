// SPDX-License-Identifier: Apache-2.0
// Language runtimes whose frames the kernel can only follow with a description of the process: Java virtual
// machines. Notices them by the library that they map, and keeps their descriptions in the kernel while they
// live. Not thread-safe: the Recorder's lock guards it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "../../bpf/profile/jvm.h"
#include "files.h"
#include "object.h"
#include "processes.h"

namespace stackwell {

/** A process with a runtime that is not described yet. */
struct WantedRuntime {
  uint32_t pid;
  uint64_t start;   // in ticks since boot, as in /proc/PID/stat
  Mapping mapping;  // of the library: its first executable one
  File file;
};

/** A description, or none: then it is asked for again later. */
struct RuntimeAnswer {
  uint32_t pid;
  uint64_t start;
  std::vector<uint8_t> description;
};

class Runtimes {
 public:
  /** `maps`: the loaded object whose maps all others share. */
  explicit Runtimes(Object& maps);

  /** A sample of the process was seen. */
  void see(uint32_t pid, Processes& processes);
  /** Those whose time has come; each is given again only after it was answered. */
  std::vector<WantedRuntime> takeWanted(uint64_t now);
  /** Puts a description into the kernel, as symbolizers/src/java makes it. */
  void answer(const RuntimeAnswer& answer, uint64_t now);
  /** Takes out what has ended. */
  void forgetEnded();
  size_t described() const;
  /** Descriptions that found no room, since the start. */
  uint64_t refused() const { return refused_; }

 private:
  struct Runtime {
    WantedRuntime wanted;
    bool asked = false;
    bool described = false;
    uint32_t failures = 0;
    uint64_t again = 0;  // not before this time, CLOCK_MONOTONIC ns
  };

  int map_;
  std::map<uint32_t, Runtime> byPid_;
  uint64_t refused_ = 0;
};

}  // namespace stackwell
