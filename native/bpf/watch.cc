// SPDX-License-Identifier: Apache-2.0
#include "watch.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "failure.h"
#include "kernel.h"

namespace stackwell {

namespace {

constexpr uint32_t kBatch = 1024;

bool isPerCpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH ||
         type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

[[noreturn]] void fail(const std::string& what, const std::string& reason) {
  throw Failure("SW_BPF_LOAD", {{"program", what}, {"reason", reason}});
}

bpf_map_info infoOf(int fd, const std::string& map) {
  bpf_map_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) fail(map, std::strerror(errno));
  return info;
}

}  // namespace

struct Watch::Ring {
  explicit Ring(std::string map) : map(std::move(map)) {}
  ~Ring() { ring_buffer__free(buffer); }

  static int receive(void* context, void* data, size_t size) {
    auto& records = static_cast<Ring*>(context)->records;
    const size_t at = records.size();
    const size_t padded = (size + 7) / 8 * 8;
    records.resize(at + 8 + padded);
    const auto length = static_cast<uint32_t>(size);
    std::memcpy(records.data() + at, &length, sizeof length);
    std::memcpy(records.data() + at + 8, data, size);
    return 0;
  }

  std::string map;
  ring_buffer* buffer = nullptr;
  std::vector<uint8_t> records;
};

Watch::Watch(const WatchOptions& options)
    : object_(options.objects, options.file), periodNs_(options.periodNs) {
  for (const auto& [name, value] : options.knobs) object_.setKnob(name, &value, sizeof value, true);
  for (const auto& [name, values] : options.arrays)
    object_.setKnob(name, values.data(), values.size() * sizeof(uint64_t), false);
  for (const auto& [name, entries] : options.entries) object_.resize(name, entries);
  for (const std::string& name : options.omit) object_.omit(name);
  for (const auto& [name, owner] : options.shared) object_.share(name, *owner);
  object_.load();
  for (const auto& [name, fd] : object_.programs()) {
    bpf_program* program = object_.program(name);
    const std::string section = bpf_program__section_name(program);
    if (section == "perf_event")
      clocks_.push_back(name);
    else if (!section.starts_with("iter") && section != "syscall")
      object_.attach(name);
  }
  followCpus();
}

Watch::~Watch() = default;

void Watch::followCpus() {
  if (clocks_.empty()) return;
  for (int cpu : onlineCpus()) {
    if (std::find(cpus_.begin(), cpus_.end(), cpu) != cpus_.end()) continue;
    bool online = true;
    for (const std::string& name : clocks_) online = online && object_.attachToCpuClock(name, cpu, periodNs_);
    if (!online) continue;
    cpus_.push_back(cpu);
  }
}

Rows Watch::read(const std::string& map) const {
  const int fd = object_.mapFd(map);
  const bpf_map_info info = infoOf(fd, map);
  const uint32_t words = (info.value_size + 7) / 8;
  const size_t copies = isPerCpu(info.type) ? static_cast<size_t>(libbpf_num_possible_cpus()) : 1;
  Rows rows{.keyBytes = info.key_size, .words = words, .keys = {}, .values = {}};
  const auto add = [&](const uint8_t* key, const uint64_t* value) {
    rows.keys.insert(rows.keys.end(), key, key + info.key_size);
    const size_t at = rows.values.size();
    rows.values.resize(at + words);
    for (size_t copy = 0; copy < copies; copy++)
      for (uint32_t word = 0; word < words; word++) rows.values[at + word] += value[copy * words + word];
  };
  const uint32_t batch = std::min(kBatch, std::max(1u, info.max_entries));
  std::vector<uint8_t> keys(size_t{batch} * info.key_size);
  std::vector<uint64_t> values(batch * words * copies);
  const bool isArray = info.type == BPF_MAP_TYPE_ARRAY || info.type == BPF_MAP_TYPE_PERCPU_ARRAY;
  if (isArray) {
    // Batches of per-CPU arrays came with 5.13.
    for (uint32_t row = 0; row < info.max_entries; row++) {
      if (bpf_map_lookup_elem(fd, &row, values.data()) != 0) fail(map, std::strerror(errno));
      add(reinterpret_cast<const uint8_t*>(&row), values.data());
    }
    return rows;
  }
  uint64_t place = 0;  // the kernel keeps a bucket's number in it
  for (bool first = true;; first = false) {
    uint32_t n = batch;
    const int error =
        bpf_map_lookup_batch(fd, first ? nullptr : &place, &place, keys.data(), values.data(), &n, nullptr);
    if (error != 0 && error != -ENOENT) fail(map, std::strerror(-error));
    for (uint32_t i = 0; i < n; i++)
      add(keys.data() + size_t{i} * info.key_size, values.data() + i * words * copies);
    if (error != 0) return rows;
  }
}

void Watch::erase(const std::string& map, const std::vector<uint8_t>& keys) const {
  const int fd = object_.mapFd(map);
  const uint32_t size = infoOf(fd, map).key_size;
  for (size_t at = 0; at + size <= keys.size(); at += size) bpf_map_delete_elem(fd, keys.data() + at);
}

void Watch::write(const std::string& map, const std::vector<uint8_t>& key,
                  const std::vector<uint8_t>& value) const {
  const int fd = object_.mapFd(map);
  const bpf_map_info info = infoOf(fd, map);
  if (key.size() != info.key_size || value.size() != info.value_size) fail(map, "a row of another size");
  if (bpf_map_update_elem(fd, key.data(), value.data(), BPF_ANY) != 0) fail(map, std::strerror(errno));
}

std::vector<uint8_t> Watch::drain(const std::string& name) {
  auto found =
      std::find_if(rings_.begin(), rings_.end(), [&](const auto& ring) { return ring->map == name; });
  if (found == rings_.end()) {
    auto ring = std::make_unique<Ring>(name);
    ring->buffer = ring_buffer__new(object_.mapFd(name), Ring::receive, ring.get(), nullptr);
    if (!ring->buffer) fail(name, std::strerror(errno));
    rings_.push_back(std::move(ring));
    found = rings_.end() - 1;
  }
  Ring& ring = **found;
  ring_buffer__consume(ring.buffer);
  return std::exchange(ring.records, {});
}

}  // namespace stackwell
