// SPDX-License-Identifier: Apache-2.0
// The BPF object of one metric collector or event: loaded with knobs, attached whole, read as rows and
// records. What rows and records mean is known to the program and to its half in TypeScript, not here.
//
// Threads: read() runs on the thread pool, the rest on the environment's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "object.h"

struct ring_buffer;

namespace stackwell {

struct WatchOptions {
  std::string objects;
  std::string file;
  /** `const volatile` integers of the program, of whatever size it declares. */
  std::vector<std::pair<std::string, uint64_t>> knobs;
  /** The same, for arrays of 64-bit integers. */
  std::vector<std::pair<std::string, std::vector<uint64_t>>> arrays;
  std::vector<std::pair<std::string, uint32_t>> entries;
  /** Programs that are left out. */
  std::vector<std::string> omit;
  /** Of the CPU clock that `perf_event` programs run by. */
  uint64_t periodNs = 0;
  /** Maps that are another's. */
  std::vector<std::pair<std::string, const Object*>> shared;
};

/** Rows of a map. A value is a number of 64-bit words; those of a per-CPU map are added up. */
struct Rows {
  uint32_t keyBytes = 0;
  uint32_t words = 0;
  std::vector<uint8_t> keys;
  std::vector<uint64_t> values;
};

class Watch {
 public:
  /** Loads and attaches; throws a Failure and leaves nothing behind. */
  explicit Watch(const WatchOptions& options);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /** Throws SW_BPF_LOAD when there is no such map. */
  Rows read(const std::string& map) const;
  /** Takes rows out by their keys, one after another. Those that are not there are left. */
  void erase(const std::string& map, const std::vector<uint8_t>& keys) const;
  /** Sets one row. */
  void write(const std::string& map, const std::vector<uint8_t>& key,
             const std::vector<uint8_t>& value) const;
  /** Records since the call before, each behind its length (32 bits, and as much of nothing), padded to 8
   * bytes. */
  std::vector<uint8_t> drain(const std::string& ring);
  /** CPUs that came online since get their clock. */
  void followCpus();
  const Object& object() const { return object_; }
  /** Detaches; rows can still be read. */
  void detach() { object_.detach(); }

 private:
  struct Ring;

  Object object_;
  uint64_t periodNs_;
  std::vector<std::string> clocks_;
  std::vector<int> cpus_;
  std::vector<std::unique_ptr<Ring>> rings_;
};

}  // namespace stackwell
