// SPDX-License-Identifier: Apache-2.0
#include "tables.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "failure.h"

namespace stackwell {

namespace {

constexpr uint64_t kSlabBytes = uint64_t{SW_SLAB_BLOCKS} * SW_BLOCK_BYTES;
constexpr sw_file kVdso = SW_VDSO_FILE;
/** Files that no stack went through for this many windows are forgotten, and asked for again if one does. */
constexpr uint32_t kForgetAfter = 360;
/** Asked for, and nobody answered. */
constexpr uint32_t kUnansweredAfter = 12;
/** It could not be had: its process was gone, or there was no room. */
constexpr uint32_t kAskAgainAfter = 6;
/** Of the kernel's map of files. */
constexpr size_t kMostFiles = 7000;

/** What symbolizers/src/unwind makes: four words, then the blocks. */
struct Header {
  uint32_t blocks, root, levels, rows;
};

}  // namespace

bool Tables::FileOrder::operator()(const sw_file& a, const sw_file& b) const {
  return std::tie(a.inode, a.device, a.generation) < std::tie(b.inode, b.device, b.generation);
}

uint32_t Tables::slabs(uint64_t maxBytes) {
  return static_cast<uint32_t>(std::max<uint64_t>(1, maxBytes / kSlabBytes));
}

Tables::Tables(Object& maps, uint64_t maxBytes)
    : filesMap_(maps.mapFd("sw_files")), slabsMap_(maps.mapFd("sw_slabs")), maxSlabs_(slabs(maxBytes)) {
  ring_ = ring_buffer__new(maps.mapFd("sw_wanted_tables"), receive, this, nullptr);
  if (!ring_)
    throw Failure("SW_BPF_LOAD", {{"program", "ring of wanted tables"}, {"reason", std::strerror(errno)}});
}

Tables::~Tables() {
  ring_buffer__free(ring_);
  for (int fd : slabs_) close(fd);
}

int Tables::receive(void* self, void* data, size_t size) {
  if (size >= sizeof(sw_wanted)) {
    sw_wanted record;
    std::memcpy(&record, data, sizeof record);
    static_cast<Tables*>(self)->asked_.push_back(record);
  }
  return 0;
}

void Tables::consume(Processes& processes) {
  ring_buffer__consume(ring_);
  for (const sw_wanted& record : std::exchange(asked_, {})) {
    FileState& state = files_[record.file];
    if (state.table) continue;
    state.again = window_ + kUnansweredAfter;
    WantedTable wanted{nextId_++, record.tgid, 0, true, {record.start, record.end, record.offset, 0}, {}};
    if (std::memcmp(&record.file, &kVdso, sizeof kVdso) == 0) {
      wanted.file.path = "[vdso]";
    } else {
      processes.want(record.tgid);
      const Mapping* mapping = processes.at(record.tgid, UINT64_MAX)->mappings->find(record.start);
      if (!mapping) {  // It is gone, or its mappings changed: whoever runs through the file next asks again.
        forget(record.file);
        continue;
      }
      wanted.mapping = *mapping;
      wanted.file = processes.files()[mapping->file];
      const Process& process = processes.process(record.tgid);
      wanted.parent = process.parent;
      wanted.alive = process.exitNs == 0;
    }
    auto same = byBuildId_.find(wanted.file.buildId);
    if (!wanted.file.buildId.empty() && same != byBuildId_.end()) {
      share(record.file, *same->second);
      continue;
    }
    pending_[wanted.id] = record.file;
    wanted_.push_back(std::move(wanted));
  }
}

bool Tables::takeBlocks(size_t count, std::vector<uint32_t>& blocks) {
  while (free_.size() < count && slabs_.size() < maxSlabs_) {
    LIBBPF_OPTS(bpf_map_create_opts, options);
    int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sw_slab", sizeof(uint32_t), SW_BLOCK_BYTES, SW_SLAB_BLOCKS,
                            &options);
    uint32_t slab = static_cast<uint32_t>(slabs_.size());
    if (fd < 0) return false;
    if (bpf_map_update_elem(slabsMap_, &slab, &fd, BPF_ANY) != 0) {
      close(fd);
      return false;
    }
    slabs_.push_back(fd);
    for (uint32_t i = SW_SLAB_BLOCKS; i-- > 0;) free_.push_back(slab * SW_SLAB_BLOCKS + i);
  }
  if (free_.size() < count) return false;
  blocks.assign(free_.end() - static_cast<ptrdiff_t>(count), free_.end());
  free_.resize(free_.size() - count);
  return true;
}

bool Tables::write(uint32_t block, const void* bytes) {
  uint32_t place = block % SW_SLAB_BLOCKS;
  return bpf_map_update_elem(slabs_[block / SW_SLAB_BLOCKS], &place, bytes, BPF_ANY) == 0;
}

void Tables::publish(const sw_file& file, const Table& table) {
  sw_table entry{SW_TABLE_READY, table.root, table.levels, window_};
  bpf_map_update_elem(filesMap_, &file, &entry, BPF_ANY);
}

void Tables::share(const sw_file& file, Table& table) {
  files_[file].table = &table;
  table.files.push_back(file);
  publish(file, table);
}

void Tables::forget(const sw_file& file) {
  bpf_map_delete_elem(filesMap_, &file);
  files_.erase(file);
}

void Tables::refuse(uint32_t id, bool later) {
  auto found = pending_.find(id);
  if (found == pending_.end()) return;
  files_[found->second].again = later ? window_ + kAskAgainAfter : UINT32_MAX;
  sw_table entry{SW_TABLE_NONE, 0, 0, window_};
  bpf_map_update_elem(filesMap_, &found->second, &entry, BPF_ANY);
  pending_.erase(found);
  stats_.refused++;
}

bool Tables::install(uint32_t id, const std::string& buildId, const uint8_t* bytes, size_t size) {
  auto found = pending_.find(id);
  if (found == pending_.end()) return false;
  sw_file file = found->second;
  Header header{};
  if (size >= sizeof header) std::memcpy(&header, bytes, sizeof header);
  bool plausible = header.blocks > 0 && header.root < header.blocks && header.levels >= 1 &&
                   header.levels <= SW_TABLE_LEVELS &&
                   size == sizeof header + uint64_t{header.blocks} * SW_BLOCK_BYTES;
  if (!plausible) {
    refuse(id, false);
    return false;
  }
  if (auto same = byBuildId_.find(buildId); !buildId.empty() && same != byBuildId_.end()) {
    pending_.erase(found);
    share(file, *same->second);
    return true;
  }
  auto table = std::make_unique<Table>();
  if (!takeBlocks(header.blocks, table->blocks)) {
    // The next eviction makes room if something is unused: until then this file goes by frame pointers.
    stats_.noRoom++;
    needed_ = std::max<size_t>(needed_, header.blocks);
    refuse(id, true);
    return false;
  }
  // Leaves are whatever no inner block is; the kernel's look-up counts levels, so a wrong one is only a wrong
  // rule.
  std::vector<uint32_t> level(header.blocks, 0);
  level[header.root] = header.levels;
  alignas(8) uint8_t block[SW_BLOCK_BYTES];
  bool written = true;
  // Parents may stand behind their children: level by level.
  for (uint32_t depth = header.levels; depth >= 1 && written; depth--)
    for (uint32_t i = 0; i < header.blocks && written; i++) {
      if (level[i] != depth) continue;
      std::memcpy(block, bytes + sizeof header + uint64_t{i} * SW_BLOCK_BYTES, sizeof block);
      if (depth > 1) {
        auto* inner = reinterpret_cast<sw_inner*>(block);
        inner->children = std::min<uint32_t>(inner->children, SW_INNER_CHILDREN);
        for (uint32_t child = 0; child < inner->children; child++) {
          uint32_t number = inner->child[child];
          if (number >= header.blocks || level[number] != 0) {
            written = false;
            break;
          }
          level[number] = depth - 1;
          inner->child[child] = table->blocks[number];
        }
      }
      written = written && write(table->blocks[i], block);
    }
  if (!written) {
    free_.insert(free_.end(), table->blocks.begin(), table->blocks.end());
    refuse(id, false);
    return false;
  }
  pending_.erase(found);
  table->root = table->blocks[header.root];
  table->levels = header.levels;
  table->buildId = buildId;
  table->used = window_;
  share(file, *table);
  if (!buildId.empty()) byBuildId_.try_emplace(buildId, table.get());
  tables_.push_back(std::move(table));
  return true;
}

void Tables::evict(uint32_t window) {
  window_ = window;
  std::vector<sw_file> unused;
  for (auto& table : tables_) table->used = 0;
  for (auto& [file, state] : files_) {
    sw_table entry{};
    bpf_map_lookup_elem(filesMap_, &file, &entry);
    if (state.table)
      state.table->used = std::max(state.table->used, entry.used);
    else if (window >= state.again || window - entry.used > kForgetAfter)
      unused.push_back(file);
  }
  bool crowded = files_.size() > kMostFiles;
  size_t total = size_t{maxSlabs_} * SW_SLAB_BLOCKS;
  size_t available = free_.size() + (maxSlabs_ - slabs_.size()) * SW_SLAB_BLOCKS;
  if (crowded)
    for (auto& [file, state] : files_)
      if (!state.table) unused.push_back(file);
  for (const sw_file& file : unused) {
    std::erase_if(pending_, [&](auto& each) { return std::memcmp(&each.second, &file, sizeof file) == 0; });
    forget(file);
  }
  if (!crowded && available >= std::max(total / 8, needed_)) return;
  std::sort(tables_.begin(), tables_.end(), [](auto& a, auto& b) { return a->used > b->used; });
  while (!tables_.empty() && (available < std::max(total / 4, needed_) || files_.size() > kMostFiles / 2)) {
    Table& last = *tables_.back();
    // What is in use now stays, however full it is: taking it out would only bring it back.
    if (window - last.used < 2) break;
    for (const sw_file& file : last.files) forget(file);
    if (auto same = byBuildId_.find(last.buildId); same != byBuildId_.end() && same->second == &last)
      byBuildId_.erase(same);
    retired_.insert(retired_.end(), last.blocks.begin(), last.blocks.end());
    available += last.blocks.size();
    tables_.pop_back();
    stats_.evicted++;
  }
  if (available >= needed_) needed_ = 0;
}

bool Tables::reclaim() {
  bool some = !retired_.empty();
  free_.insert(free_.end(), retired_.begin(), retired_.end());
  retired_.clear();
  return some;
}

TableStats Tables::stats() const {
  TableStats stats = stats_;
  stats.tables = tables_.size();
  stats.files = files_.size();
  stats.bytes = slabs_.size() * kSlabBytes;
  stats.limitBytes = uint64_t{maxSlabs_} * kSlabBytes;
  return stats;
}

}  // namespace stackwell
