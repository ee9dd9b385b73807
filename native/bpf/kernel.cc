// SPDX-License-Identifier: Apache-2.0
#include "kernel.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "failure.h"

namespace stackwell {

namespace {

constexpr uint32_t kOldest = version(5, 8);
constexpr int kCapSysAdmin = 21;
constexpr int kCapPerfmon = 38;
constexpr int kCapBpf = 39;

uint64_t effectiveCapabilities() {
  std::string status = readFile("/proc/self/status");
  size_t at = status.find("CapEff:");
  return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + 7, nullptr, 16);
}

/** Calls visit(address, name) for each line of /proc/kallsyms until it returns false. */
template <typename Visit>
void eachKernelSymbol(Visit visit) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/kallsyms", "re"), std::fclose);
  if (!file) return;
  char line[1024];
  while (std::fgets(line, sizeof line, file.get())) {
    char* after;
    uint64_t address = std::strtoull(line, &after, 16);
    if (after[0] != ' ' || after[1] == 0 || after[2] != ' ') continue;
    std::string_view name(after + 3);
    name = name.substr(0, name.find_first_of("\t\n"));
    if (!visit(address, name)) return;
  }
}

}  // namespace

std::string readFile(const char* path) {
  std::string all;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return all;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<size_t>(n));
  close(fd);
  return all;
}

uint64_t startTicks(uint32_t pid) {
  std::string stat = readFile(("/proc/" + std::to_string(pid) + "/stat").c_str());
  // "pid (comm) state …": the 22nd field; the name itself may hold parentheses and blanks.
  size_t at = stat.rfind(')');
  for (int field = 2; at != std::string::npos && field < 22; field++) at = stat.find(' ', at + 1);
  return at == std::string::npos ? 0 : std::strtoull(stat.c_str() + at, nullptr, 10);
}

std::string kernelRelease() {
  utsname name;
  return uname(&name) == 0 ? name.release : "";
}

uint32_t kernelVersion() {
  unsigned major = 0, minor = 0;
  std::sscanf(kernelRelease().c_str(), "%u.%u", &major, &minor);
  return version(major, minor);
}

uint32_t pageShift() {
  return static_cast<uint32_t>(__builtin_ctzl(static_cast<unsigned long>(sysconf(_SC_PAGESIZE))));
}

uint64_t monotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

bool hasCapability(int number) { return (effectiveCapabilities() >> number & 1) != 0; }

std::string missingCapabilities() {
  uint64_t caps = effectiveCapabilities();
  auto has = [&](int number) { return (caps >> number & 1) != 0; };
  if (has(kCapSysAdmin)) return "";
  std::string missing;
  if (!has(kCapBpf)) missing = "CAP_BPF";
  if (!has(kCapPerfmon)) missing += missing.empty() ? "CAP_PERFMON" : ", CAP_PERFMON";
  return missing;
}

void requireKernel() {
  if (kernelVersion() < kOldest)
    throw Failure("SW_KERNEL_TOO_OLD", {{"found", kernelRelease()}, {"needed", "5.8"}});
  if (access(kBtfPath, R_OK) != 0) throw Failure("SW_NO_BTF", {{"path", kBtfPath}});
  if (std::string missing = missingCapabilities(); !missing.empty())
    throw Failure("SW_NOT_ROOT", {{"missing", missing}});
}

std::vector<int> onlineCpus() {
  std::vector<int> cpus;
  std::string list = readFile("/sys/devices/system/cpu/online");
  const char* at = list.c_str();
  while (*at >= '0' && *at <= '9') {
    char* after;
    long first = std::strtol(at, &after, 10), last = first;
    if (*after == '-') last = std::strtol(after + 1, &after, 10);
    for (long cpu = first; cpu <= last; cpu++) cpus.push_back(static_cast<int>(cpu));
    at = *after == ',' ? after + 1 : after;
  }
  if (cpus.empty())
    for (long cpu = 0, n = sysconf(_SC_NPROCESSORS_ONLN); cpu < n; cpu++)
      cpus.push_back(static_cast<int>(cpu));
  return cpus;
}

sw_range kernelRange(const std::string& first, const std::string& last) {
  uint64_t start = 0, end = 0;
  eachKernelSymbol([&](uint64_t address, std::string_view symbol) {
    if (symbol == first) start = address;
    if (symbol == last) end = address;
    return start == 0 || end == 0;
  });
  return start < end ? sw_range{start, end} : sw_range{0, 0};
}

std::string kernelFunctionName(const std::string& name) {
  std::string found;
  eachKernelSymbol([&](uint64_t, std::string_view symbol) {
    bool same = symbol == name;
    // `.part` and `.cold` are pieces of a function, not the function.
    bool clone = symbol.size() > name.size() && symbol.starts_with(name) &&
                 (symbol.substr(name.size()).starts_with(".isra.") ||
                  symbol.substr(name.size()).starts_with(".constprop.")) &&
                 symbol.find(".cold") == std::string_view::npos;
    if (same || clone) found = symbol;
    return !same;
  });
  return found;
}

KernelTypes::KernelTypes() : types_(btf__parse_raw(kBtfPath)) {
  if (!types_) throw Failure("SW_NO_BTF", {{"path", kBtfPath}});
}

KernelTypes::~KernelTypes() { btf__free(types_); }

int KernelTypes::tracepointId(const std::string& name) const {
  return btf__find_by_name_kind(types_, ("btf_trace_" + name).c_str(), BTF_KIND_TYPEDEF);
}

int KernelTypes::functionId(const std::string& name) const {
  return btf__find_by_name_kind(types_, name.c_str(), BTF_KIND_FUNC);
}

bool KernelTypes::hasFunction(const std::string& name) const { return functionId(name) > 0; }

bool KernelTypes::hasStruct(const std::string& name) const {
  return btf__find_by_name_kind(types_, name.c_str(), BTF_KIND_STRUCT) > 0;
}

int KernelTypes::tracepointArguments(const std::string& name) const {
  int id = tracepointId(name);
  if (id < 0) return -1;
  // typedef -> pointer -> function prototype, whose first parameter is the kernel's own `void *`
  const btf_type* pointer = btf__type_by_id(types_, btf__type_by_id(types_, static_cast<__u32>(id))->type);
  if (!pointer) return -1;
  const btf_type* prototype = btf__type_by_id(types_, pointer->type);
  return prototype ? btf_vlen(prototype) - 1 : -1;
}

}  // namespace stackwell
