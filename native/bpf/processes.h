// SPDX-License-Identifier: Apache-2.0
// Processes and what they have mapped, kept by the kernel's side records and, for processes that were there
// before, read from /proc when their first sample comes. Not thread-safe: the Recorder's lock guards it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "files.h"

namespace stackwell {

struct Mapping {
  uint64_t start;
  uint64_t end;
  uint64_t offset;
  uint32_t file;
};

/** Executable mappings of an address space, sorted. Shared by parent and child after a fork until one of them
 * maps more. */
struct Mappings {
  std::vector<Mapping> sorted;
  /** False: what was mapped before we watched is still to be read from /proc of `source`. */
  bool complete = false;
  uint32_t source = 0;  // pid whose /proc still shows them; 0 when that pid has gone on to another program
  uint64_t readAt = 0;  // when /proc was read, 0 if it was not
  bool stale = false;   // records were lost since: read again while the process lives

  /** A later mapping hides what was at its addresses before. */
  void add(const Mapping& mapping);
  const Mapping* find(uint64_t address) const;
};

/** What a pid ran from one exec (or fork) to the next. */
struct Generation {
  uint64_t startNs = 0;
  std::shared_ptr<Mappings> mappings;
  uint32_t executable = Files::kNone;
  std::string comm;
  /** The next mapped file is the executable: the kernel maps it before its interpreter. */
  bool expectsExecutable = false;
};

struct Process {
  uint32_t pid = 0;
  uint32_t parent = 0;
  uint64_t exitNs = 0;                  // 0 while it runs
  bool detailed = false;                // parent, comm and executable are known, by records or by /proc
  std::vector<Generation> generations;  // by start
};

class Processes {
 public:
  explicit Processes(uint64_t maxBytes) : maxBytes_(maxBytes) {}

  // Side records, in the order of their time.
  void fork(uint32_t pid, uint32_t parent, uint64_t ns);
  void exec(uint32_t pid, const std::string& comm, uint64_t ns);
  void rename(uint32_t pid, const std::string& comm);
  void map(uint32_t pid, uint64_t start, uint64_t length, uint64_t offset, File file);
  void exit(uint32_t pid, uint64_t ns);
  /** The kernel dropped records: what is known of living processes may be old. */
  void recordsLost();

  /** A sample of the process was seen: reads /proc if that is needed. True if it was read. */
  bool want(uint32_t pid);
  /** What `pid` ran at `ns`; with its mappings complete as far as can be. Never null; valid until the next
   * record. */
  Generation* at(uint32_t pid, uint64_t ns);
  const Process& process(uint32_t pid) const { return processes_.at(pid); }
  /** Reads a living process's mappings again, as an address was in none of them. True if there is hope. */
  bool refresh(uint32_t pid, Generation* generation);

  /** Forgets what ended before `ns`: its samples have been handed over. */
  void forgetBefore(uint64_t ns);

  const Files& files() const { return files_; }
  bool has(uint32_t pid) const { return processes_.contains(pid); }
  size_t size() const { return processes_.size(); }
  uint64_t bytes() const { return bytes_ + files_.bytes(); }
  /** Processes whose mappings had to be given up, as the tables were full; since the call before. */
  uint64_t takeRefused();

 private:
  Process& find(uint32_t pid);
  void readDetails(Process& process);
  bool readMappings(uint32_t pid, Mappings& mappings);
  void complete(Process& process, Generation& generation);
  std::shared_ptr<Mappings> fresh(bool complete, uint32_t source);
  void own(Generation& generation);
  void makeRoom();
  void collectFiles();
  void recount();

  Files files_;
  std::unordered_map<uint32_t, Process> processes_;
  uint64_t maxBytes_;
  uint64_t bytes_ = 0;
  uint64_t refused_ = 0;
  size_t filesKept_ = 256;  // collect when twice as many are there
};

}  // namespace stackwell
