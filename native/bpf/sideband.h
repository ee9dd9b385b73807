// SPDX-License-Identifier: Apache-2.0
// The kernel's side records (exec, mmap, fork, exit) through perf's dummy event, one ring for each CPU, as
// perf uses them. Not thread-safe: the Recorder's lock guards it.
#pragma once

#include <cstdint>
#include <vector>

#include "processes.h"

struct perf_event_header;

namespace stackwell {

class Sideband {
 public:
  /** Opens and maps the rings. Throws SW_BPF_LOAD. */
  Sideband();
  ~Sideband();
  Sideband(const Sideband&) = delete;
  Sideband& operator=(const Sideband&) = delete;

  /**
   * Reads what is there and applies, in the order of time over all CPUs, the records made before `untilNs`;
   * later ones wait for the next call, since another CPU's ring may yet bring an earlier one. Returns the
   * number applied.
   */
  int apply(Processes& processes, uint64_t untilNs);
  /** Opens rings on CPUs that have come online since. */
  void followCpus(const std::vector<int>& online);
  /** Records that the kernel dropped, since the call before. */
  uint64_t takeLost();
  uint64_t kernelBytes() const { return rings_.size() * ringBytes_; }
  void close();

 private:
  struct Ring {
    int cpu;
    int fd;
    char* base;
  };
  struct Pending {
    uint64_t ns;
    size_t offset;
  };

  bool open(int cpu);
  void collect(Ring& ring);
  void dispatch(Processes& processes, const perf_event_header* record, uint64_t ns);

  std::vector<Ring> rings_;
  std::vector<Pending> pending_;
  std::vector<char> bytes_;  // the records of pending_
  uint64_t lost_ = 0;
  size_t ringBytes_;
  bool buildId_ = true;
};

}  // namespace stackwell
