// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "failure.h"
#include "kernel.h"

namespace stackwell {

namespace {

/** `return 0`, loaded as a program of the type. 0, or the error. */
int tryProgram(bpf_prog_type type, bpf_attach_type attach, int btfId) {
  const bpf_insn instructions[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = attach;
  options.attach_btf_id = static_cast<__u32>(btfId > 0 ? btfId : 0);
  int fd = bpf_prog_load(type, "sw_probe", "GPL", instructions, 2, &options);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

int tryClock() {
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_CPU_CLOCK;
  attr.sample_period = 1'000'000'000;
  std::vector<int> cpus = onlineCpus();
  int fd = static_cast<int>(syscall(SYS_perf_event_open, &attr, -1, cpus.front(), -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

Finding tried(const std::string& name, int error, const std::string& good) {
  return {name, error == 0, error == 0 ? good : std::strerror(error)};
}

}  // namespace

int tryFentry(int btfId) { return tryProgram(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, btfId); }

std::vector<Finding> probe(const std::string& objects) {
  std::vector<Finding> all;
  all.push_back({"kernel", kernelVersion() >= version(5, 8), kernelRelease() + " (5.8 or later is needed)"});
  bool btf = access(kBtfPath, R_OK) == 0;
  all.push_back({"btf", btf, btf ? kBtfPath : std::string("no ") + kBtfPath});
  std::string missing = missingCapabilities();
  all.push_back(
      {"capabilities", missing.empty(), missing.empty() ? "CAP_BPF, CAP_PERFMON" : "missing: " + missing});
  constexpr int kCapSysPtrace = 19;
  bool ptrace = hasCapability(kCapSysPtrace);
  all.push_back({"ptrace", ptrace,
                 ptrace ? "CAP_SYS_PTRACE" : "missing CAP_SYS_PTRACE: other users' processes stay unnamed"});
  std::string paranoid = trimmed(readFile("/proc/sys/kernel/perf_event_paranoid"));
  all.push_back({"perf_event_paranoid", missing.empty() || std::atoi(paranoid.c_str()) <= 0,
                 paranoid + (missing.empty() ? " (does not matter with CAP_PERFMON)" : "")});
  bool compiled = true;
  std::string which = objects;
  for (const char* file : {"scope.bpf.o", "on_cpu.bpf.o", "off_cpu.bpf.o", "off_cpu_5_8.bpf.o"})
    if (access((objects + "/" + file).c_str(), R_OK) != 0) {
      compiled = false;
      which = std::string(file) + " is missing in " + objects;
    }
  all.push_back({"objects", compiled, which});
  all.push_back(tried("cpu_clock", tryClock(), "perf_event cpu-clock"));
  all.push_back(
      tried("perf_event_program", tryProgram(BPF_PROG_TYPE_PERF_EVENT, bpf_attach_type(0), 0), "loads"));
  if (!btf) return all;

  KernelTypes types;
  all.push_back(tried("tp_btf",
                      tryProgram(BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, types.tracepointId("sched_switch")),
                      "loads"));
  all.push_back(tried("iterator",
                      tryProgram(BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, types.functionId("bpf_iter_task")),
                      "loads: intervals that are still open can be counted"));
  bool exitTracepoint = types.tracepointArguments("sched_exit_tp") > 0;
  all.push_back(
      {"sched_exit_tp", exitTracepoint,
       exitTracepoint ? "off-CPU stacks are taken late" : "not in this kernel: another way is chosen"});
  int finish = types.functionId("finish_task_switch");
  all.push_back(finish > 0 ? tried("fentry", tryFentry(finish), "loads")
                           : Finding{"fentry", false, "finish_task_switch is not in BTF"});
  all.push_back(tried("ring_buffer",
                      libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, nullptr) == 1 ? 0 : EPERM, "works"));
  all.push_back(tried("task_storage",
                      libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, nullptr) == 1 ? 0 : EPERM,
                      "works"));
  return all;
}

}  // namespace stackwell
