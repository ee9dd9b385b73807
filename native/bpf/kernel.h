// SPDX-License-Identifier: Apache-2.0
// What the running kernel is and has, asked before anything is loaded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../../bpf/profile/sample.h"

struct btf;

namespace stackwell {

inline constexpr const char* kBtfPath = "/sys/kernel/btf/vmlinux";

/** Major << 16 | minor of the running kernel, as uname tells it. */
uint32_t kernelVersion();
constexpr uint32_t version(uint32_t major, uint32_t minor) { return major << 16 | minor; }
std::string kernelRelease();
/** bpf_task_pt_regs. */
inline constexpr uint32_t kUnwindsSince = version(5, 15);
/** log2 of the page size. */
uint32_t pageShift();

/** CLOCK_MONOTONIC nanoseconds. */
uint64_t monotonicNow();

/** Names of the capabilities that profiling needs and this process lacks, separated by commas. */
std::string missingCapabilities();
bool hasCapability(int number);

/** Throws SW_KERNEL_TOO_OLD, SW_NO_BTF or SW_NOT_ROOT. */
void requireKernel();

/** Online CPUs, as in /sys/devices/system/cpu/online. */
std::vector<int> onlineCpus();

/** The addresses from one symbol of /proc/kallsyms to another; zeros when they are not told (kptr_restrict).
 */
sw_range kernelRange(const std::string& first, const std::string& last);

/** The name under which a function stands in /proc/kallsyms: itself, or with a compiler's suffix (`.isra.0`);
 * '' if not. */
std::string kernelFunctionName(const std::string& name);

/** A whole small file of /proc or /sys; '' when it cannot be read. */
std::string readFile(const char* path);

/** When a process started, in ticks since boot, as in /proc/PID/stat; 0 if there is none. */
uint64_t startTicks(uint32_t pid);

/** The kernel's own type information. */
class KernelTypes {
 public:
  /** Throws SW_NO_BTF. */
  KernelTypes();
  ~KernelTypes();
  KernelTypes(const KernelTypes&) = delete;
  KernelTypes& operator=(const KernelTypes&) = delete;

  /** Number of arguments of a tracepoint (without the kernel's own first one), or -1 if there is no such
   * tracepoint. */
  int tracepointArguments(const std::string& name) const;
  bool hasFunction(const std::string& name) const;
  bool hasStruct(const std::string& name) const;
  /** BTF id of the tracepoint's typedef, or negative. */
  int tracepointId(const std::string& name) const;
  int functionId(const std::string& name) const;

 private:
  btf* types_;
};

}  // namespace stackwell
