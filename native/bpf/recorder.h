// SPDX-License-Identifier: Apache-2.0
// Everything behind `Profiler`, without JavaScript: attached programs, process table, stacks; turned into
// columns.
//
// Threads: drain() runs on the thread pool, the rest on the environment's thread. `mutex_` guards the tables;
// poll() only tries it, because a drain that holds it does poll's work itself, and the event loop must not
// wait. Attached programs are guarded by `attached_` alone, so that close() does not wait for a drain either.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "columns.h"
#include "options.h"
#include "processes.h"
#include "publishers.h"
#include "runtimes.h"
#include "sampler.h"
#include "scope.h"
#include "sideband.h"
#include "stacks.h"
#include "tables.h"

namespace stackwell {

struct Memory {
  uint64_t kernelBytes, userBytes, processes;
  TableStats tables;
  uint64_t runtimes, runtimesRefused;
  uint64_t publishers, publishersRefused;
};

/** A table for a file that wanted one, or why there is none. */
struct TableAnswer {
  uint32_t id;
  std::string buildId;
  std::vector<uint8_t> table;  // empty: there is none,
  bool later = false;          // but there may be another time
};

class Recorder {
 public:
  /** Loads and attaches; throws a Failure and leaves nothing behind. */
  explicit Recorder(const Options& options);
  ~Recorder() { close(); }

  int poll();
  /** Throws SW_PROFILER_CLOSED. */
  Columns drain();
  void setScope(const Scope& scope);
  /** Files that need an unwind table; empty while a drain runs. */
  std::vector<WantedTable> takeWantedTables();
  /** What came of a wanted table; put into the kernel now, or at the end of the drain that runs. */
  void answerWanted(TableAnswer answer);
  /** Processes with a runtime that is not described; empty while a drain runs. */
  std::vector<WantedRuntime> takeWantedRuntimes();
  void answerWanted(RuntimeAnswer answer);
  /** Processes that publish, of which it is not known where; empty while a drain runs. */
  std::vector<WantedPublisher> takeWantedPublishers();
  void answerWanted(PublisherAnswer answer);
  std::vector<ProgramCost> programs();
  Memory memory();
  const std::map<std::string, std::string>& chosen() const { return chosen_; }
  void close();

 private:
  int readRings(uint64_t untilNs);
  void takeAnswers();
  void waitForPrograms();

  std::mutex attached_;
  std::mutex mutex_;
  std::mutex answersMutex_;
  std::vector<TableAnswer> answers_;
  std::vector<RuntimeAnswer> runtimeAnswers_;
  std::vector<PublisherAnswer> publisherAnswers_;
  std::atomic<bool> closed_{false};
  std::map<std::string, std::string> chosen_;
  Stacks stacks_;
  Processes processes_;
  std::unique_ptr<Sideband> sideband_;
  std::unique_ptr<ScopeFilter> scope_;
  std::unique_ptr<Tables> tables_;
  std::unique_ptr<Runtimes> runtimes_;
  std::unique_ptr<Publishers> publishers_;  // null when nobody wants to know
  std::vector<std::unique_ptr<Sampler>> samplers_;
  uint32_t set_ = 0;
  uint32_t drains_ = 0;
  uint32_t epoch_ = 1;
  uint64_t windowStart_ = 0;
  uint64_t mapBytes_ = 0;
  std::atomic<uint64_t> userBytes_{0}, processCount_{0};
  TableStats tableStats_;  // of the environment's thread
  uint64_t runtimeCount_ = 0, runtimesRefused_ = 0;
  uint64_t publisherCount_ = 0, publishersRefused_ = 0;
};

}  // namespace stackwell
