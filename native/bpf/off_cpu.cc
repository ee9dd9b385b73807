// SPDX-License-Identifier: Apache-2.0
#include "off_cpu.h"

#include <unistd.h>

#include "failure.h"
#include "kernel.h"
#include "probe.h"

namespace stackwell {

namespace {

// Task storage in tracing programs is 5.11, atomics that give back a value are 5.12.
bool isLegacy(const OffCpuOptions& options) { return options.legacy || kernelVersion() < version(5, 12); }

constexpr const char* kFinish = "finish_task_switch";

/** How stacks are taken: the first that the kernel offers, unless one is asked for. */
std::string chooseCapture(const OffCpuOptions& options, const KernelTypes& types) {
  if (!options.capture.empty()) return options.capture;
  if (types.tracepointArguments("sched_exit_tp") > 0) return "sched_exit_tp";
  // Compilers make `finish_task_switch.isra.0` of it, which BTF then does not have; a kprobe finds that too.
  if (int id = types.functionId(kFinish); id > 0 && tryFentry(id) == 0) return "fentry";
  if (access("/sys/bus/event_source/devices/kprobe/type", R_OK) == 0 && !kernelFunctionName(kFinish).empty())
    return "kprobe";
  return "switch_out";
}

}  // namespace

OffCpu::OffCpu(const Options& all, ScopeFilter& scope, Stacks& stacks)
    : Sampler(all, isLegacy(*all.offCpu) ? "off_cpu_5_8.bpf.o" : "off_cpu.bpf.o", scope.object()),
      scope_(scope) {
  const OffCpuOptions& options = *all.offCpu;
  bool legacy = isLegacy(options);
  KernelTypes types;
  object_.knob<uint64_t>("sw_min_ns", options.minNs);
  object_.knob<uint64_t>("sw_max_ns", options.maxNs);
  object_.knob<uint32_t>("sw_state_mask", options.stateMask);
  object_.knob<uint32_t>(
      "sw_phases", static_cast<uint32_t>(options.blocked << SW_BLOCKED | options.runqueue << SW_RUNQUEUE |
                                         options.preempted << SW_PREEMPTED));
  object_.knob<bool>("sw_switch_tells_state", types.tracepointArguments("sched_switch") >= 4);
  wakeups_ = options.blocked || options.runqueue;
  wakeupsNew_ = options.runqueue && !legacy;

  std::string capture = chooseCapture(options, types);
  object_.knob<bool>("sw_take_at_switch_out", capture == "switch_out");
  if (capture == "sched_exit_tp") back_ = "sw_back_tracepoint";
  if (capture == "fentry") back_ = "sw_back_fentry";
  if (capture == "kprobe") {
    back_ = "sw_back_kprobe";
    finish_ = kernelFunctionName(kFinish);
  }
  for (const char* program : {"sw_back_tracepoint", "sw_back_fentry", "sw_back_kprobe"})
    if (back_ != program) object_.omit(program);
  if (!back_.empty()) object_.omitMap("sw_left_stacks");
  if (!legacy) {
    // bpf_copy_from_user_task, which reads another task's memory, is 5.18.
    bool sleepable = kernelVersion() >= version(5, 18);
    iterator_ = sleepable ? "sw_open_sleepable" : "sw_open_kernel_part";
    object_.omit(sleepable ? "sw_open_kernel_part" : "sw_open_sleepable");
  }
  chosen_ = {{"offCpu", legacy ? "sched_switch, kernels from 5.8" : "sched_switch"},
             {"offCpuCapture", capture},
             {"offCpuOpen", iterator_.empty()                  ? "none"
                            : iterator_ == "sw_open_sleepable" ? "iter.s/task"
                                                               : "iter/task"}};
  bool finds = !legacy && kernelVersion() >= version(5, 16);  // bpf_kallsyms_lookup_name
  if (!legacy && !finds) object_.omit("sw_find_scheduler");
  object_.load();
  sw_range scheduler{};
  if (!finds || !object_.call("sw_find_scheduler", &scheduler, sizeof scheduler) || !scheduler.from)
    scheduler = kernelRange("__sched_text_start", "__sched_text_end");
  stacks.addRing(object_.mapFd("sw_stacks"), scheduler);
}

void OffCpu::attach() {
  if (!finish_.empty())
    object_.attachKprobe(back_, finish_);
  else if (!back_.empty())
    object_.attach(back_);
  if (wakeups_) object_.attach("sw_wakeup");
  if (wakeupsNew_) object_.attach("sw_wakeup_new");
  object_.attach("sw_switch");
  if (iterator_.empty()) return;
  scope_.control(SW_CONTROL_PRIME, 1);
  object_.iterate(iterator_);
  scope_.control(SW_CONTROL_PRIME, 0);
}

void OffCpu::beforeTurn() {
  if (!iterator_.empty()) object_.iterate(iterator_);
}

}  // namespace stackwell
