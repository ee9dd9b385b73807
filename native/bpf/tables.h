// SPDX-License-Identifier: Apache-2.0
// The unwind tables that the kernel has: which file has which, where its blocks are, and what goes when there
// is no room. Files with the same build id share one. Not thread-safe: the Recorder's lock guards it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../bpf/profile/table.h"
#include "files.h"
#include "object.h"
#include "processes.h"

struct ring_buffer;

namespace stackwell {

/** A file that stacks run through and whose table nobody has made yet. */
struct WantedTable {
  uint32_t id;
  uint32_t pid;  // has it mapped, or had
  uint32_t parent;
  bool alive;
  Mapping mapping;
  File file;
};

struct TableStats {
  uint64_t tables = 0, files = 0, bytes = 0, limitBytes = 0;
  uint64_t evicted = 0, refused = 0, noRoom = 0;  // since the start
};

class Tables {
 public:
  /** `maps`: the loaded object whose maps all others share. */
  Tables(Object& maps, uint64_t maxBytes);
  ~Tables();
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  /** How many slabs `maxBytes` are; for the map that names them. */
  static uint32_t slabs(uint64_t maxBytes);

  /** Reads what the kernel asks for. */
  void consume(Processes& processes);
  /** What was asked for since the call before. */
  std::vector<WantedTable> takeWanted() { return std::exchange(wanted_, {}); }
  /** Puts a table into the kernel, as symbolizers/src/unwind makes it. False: it is not one, or there is no
   * room now. */
  bool install(uint32_t id, const std::string& buildId, const uint8_t* bytes, size_t size);
  /** There is no table for the file; `later`: perhaps another time. */
  void refuse(uint32_t id, bool later);

  /** Takes out what was not used for longest if room is short; before programs are waited for. */
  void evict(uint32_t window);
  /** No program runs any more that could have seen what was taken out. True if there was something. */
  bool reclaim();

  TableStats stats() const;

 private:
  struct FileOrder {
    bool operator()(const sw_file& a, const sw_file& b) const;
  };
  struct Table {
    std::vector<uint32_t> blocks;
    uint32_t root = 0, levels = 0;
    std::string buildId;
    std::vector<sw_file> files;
    uint32_t used = 0;
  };
  struct FileState {
    Table* table = nullptr;
    uint32_t again = 0;  // without a table: the window from which on it may be asked for again
  };
  static int receive(void* self, void* data, size_t size);

  bool takeBlocks(size_t count, std::vector<uint32_t>& blocks);
  bool write(uint32_t block, const void* bytes);
  void publish(const sw_file& file, const Table& table);
  void share(const sw_file& file, Table& table);
  void forget(const sw_file& file);

  int filesMap_, slabsMap_;
  uint32_t maxSlabs_;
  ring_buffer* ring_ = nullptr;
  std::vector<sw_wanted> asked_;
  std::vector<int> slabs_;
  std::vector<uint32_t> free_, retired_;
  size_t needed_ = 0;  // blocks of the largest table that found no room since the last eviction
  std::vector<WantedTable> wanted_;
  uint32_t nextId_ = 1;
  std::unordered_map<uint32_t, sw_file> pending_;
  /** Every file that the kernel's map has. */
  std::map<sw_file, FileState, FileOrder> files_;
  std::vector<std::unique_ptr<Table>> tables_;
  std::unordered_map<std::string, Table*> byBuildId_;
  uint32_t window_ = 0;
  TableStats stats_;
};

}  // namespace stackwell
