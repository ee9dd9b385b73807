// SPDX-License-Identifier: Apache-2.0
#include "sampler.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "failure.h"

namespace stackwell {

namespace {

constexpr uint32_t kBatch = 4096;
constexpr const char* kShared[] = {"sw_control",  "sw_scope_cgroups", "sw_scope_tgids",
                                   "sw_excluded", "sw_files",         "sw_wanted_tables",
                                   "sw_slabs",    "sw_jvms",          "sw_publishers"};

uint32_t maxStack() {
  std::string limit = readFile("/proc/sys/kernel/perf_event_max_stack");
  uint32_t frames = static_cast<uint32_t>(std::strtoul(limit.c_str(), nullptr, 10));
  return frames > 0 && frames < SW_MAX_FRAMES ? frames : SW_MAX_FRAMES;
}

}  // namespace

Sampler::Sampler(const Options& options, const std::string& file, const Object& scope)
    : object_(options.objects, file), values_(kBatch) {
  for (const char* name : kShared) object_.share(name, scope);
  object_.resize("sw_counts_0", options.maxSamples);
  object_.resize("sw_counts_1", options.maxSamples);
  // Most hosts have no such rows. Where the kernel lets programs like ours allocate (6.1), they cost nothing.
  bool late = kernelVersion() >= version(6, 1);
  uint32_t traced =
      !options.traces ? 1 : std::max(1u, late ? options.maxSamples / 2 : options.maxSamples / 8);
  for (const char* name : {"sw_traced_0", "sw_traced_1"}) {
    object_.resize(name, traced);
    if (late) object_.allocateLate(name);
  }
  object_.knob<uint32_t>("sw_cgroup_hierarchy", options.hierarchy);
  object_.knob<uint32_t>("sw_excluded_count", static_cast<uint32_t>(options.excludePids.size()));
  object_.knob<uint32_t>("sw_max_stack", maxStack());
  // Global functions take pointers since 5.12: older kernels have objects of their own, without them.
  if (kernelVersion() >= version(5, 12) && !file.ends_with("_5_8.bpf.o")) {
    object_.knob<bool>("sw_unwinds", options.unwinds && kernelVersion() >= kUnwindsSince);
    object_.knob<uint32_t>("sw_page_shift", pageShift());
  }
}

template <typename Key, typename Row>
void Sampler::takeMap(const char* map, Row row) {
  int fd = object_.mapFd(map);
  std::vector<Key> keys(kBatch);
  uint64_t place = 0;  // the kernel keeps a bucket's number in it
  bool first = true;
  for (;;) {
    uint32_t n = kBatch;
    int error = bpf_map_lookup_and_delete_batch(fd, first ? nullptr : &place, &place, keys.data(),
                                                values_.data(), &n, nullptr);
    // -ENOENT: the end, with the last n rows. Others (-EFAULT, -EINTR) leave the rest for the next turn.
    if (error != 0 && error != -ENOENT && n == kBatch) n = 0;
    for (uint32_t i = 0; i < n; i++) row(keys[i], values_[i]);
    if (error != 0) return;
    first = false;
  }
}

void Sampler::take(uint32_t set,
                   const std::function<void(const sw_key&, const sw_trace&, const sw_value&)>& row) {
  takeMap<sw_key>(set ? "sw_counts_1" : "sw_counts_0",
                  [&](const sw_key& key, const sw_value& value) { row(key, sw_trace{}, value); });
  takeMap<sw_traced_key>(
      set ? "sw_traced_1" : "sw_traced_0",
      [&](const sw_traced_key& key, const sw_value& value) { row(key.key, key.trace, value); });
}

OnCpu::OnCpu(const Options& options, const Object& scope, Stacks& stacks)
    : Sampler(options, kernelVersion() < version(5, 12) ? "on_cpu_5_8.bpf.o" : "on_cpu.bpf.o", scope),
      periodNs_(1'000'000'000u / options.hz) {
  object_.load();
  stacks.addRing(object_.mapFd("sw_stacks"), {0, 0});
}

void OnCpu::followCpus(const std::vector<int>& online) {
  for (int cpu : online) {
    if (std::find(cpus_.begin(), cpus_.end(), cpu) != cpus_.end()) continue;
    // Offline again meanwhile: it is looked for the next time.
    if (!object_.attachToCpuClock("sw_on_cpu", cpu, periodNs_)) continue;
    cpus_.push_back(cpu);
  }
}

}  // namespace stackwell
