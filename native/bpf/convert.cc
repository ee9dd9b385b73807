// SPDX-License-Identifier: Apache-2.0
#include "convert.h"

#include <cmath>
#include <cstring>

namespace stackwell {

namespace {

[[noreturn]] void refuse(const std::string& reason) { throw Failure("SW_USAGE", {{"reason", reason}}); }

double number(const Napi::Object& from, const char* name, double low, double high) {
  Napi::Value value = from.Get(name);
  double n = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(n >= low && n <= high) || n != std::floor(n))
    refuse(std::string(name) + " must be a whole number from " + std::to_string(static_cast<int64_t>(low)) +
           " to " + std::to_string(static_cast<int64_t>(high)));
  return n;
}

bool boolean(const Napi::Object& from, const char* name) {
  Napi::Value value = from.Get(name);
  if (!value.IsBoolean()) refuse(std::string(name) + " must be true or false");
  return value.As<Napi::Boolean>().Value();
}

Napi::Object object(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) refuse(std::string(name) + " must be an object");
  return value.As<Napi::Object>();
}

std::vector<uint32_t> pids(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) refuse(std::string(name) + " must be an array");
  auto array = value.As<Napi::Array>();
  std::vector<uint32_t> all;
  for (uint32_t i = 0; i < array.Length(); i++) {
    Napi::Value each = array.Get(i);
    double n = each.IsNumber() ? each.As<Napi::Number>().DoubleValue() : 0;
    if (!(n >= 1 && n <= INT32_MAX) || n != std::floor(n))
      refuse(std::string(name) + " must hold process ids");
    all.push_back(static_cast<uint32_t>(n));
  }
  return all;
}

bool has(const Napi::Object& from, const char* name) { return !from.Get(name).IsUndefined(); }

template <typename T>
Napi::Value typed(Napi::Env env, const std::vector<T>& values) {
  auto buffer = Napi::ArrayBuffer::New(env, values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(buffer.Data(), values.data(), values.size() * sizeof(T));
  return Napi::TypedArrayOf<T>::New(env, values.size(), buffer, 0);
}

Napi::Value u8(Napi::Env env, const std::vector<uint8_t>& v) { return typed(env, v); }
Napi::Value u32(Napi::Env env, const std::vector<uint32_t>& v) { return typed(env, v); }
Napi::Value i32(Napi::Env env, const std::vector<int32_t>& v) { return typed(env, v); }
Napi::Value u64(Napi::Env env, const std::vector<uint64_t>& v) { return typed(env, v); }
Napi::Value f64(Napi::Env env, const std::vector<double>& v) { return typed(env, v); }

Napi::Value strings(Napi::Env env, const std::vector<std::string>& values) {
  auto array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); i++) array.Set(i, Napi::String::New(env, values[i]));
  return array;
}

template <size_t N>
Napi::Value counters(Napi::Env env, const char* const (&names)[N], const std::array<uint64_t, N>& values) {
  auto out = Napi::Object::New(env);
  for (size_t i = 0; i < N; i++) out.Set(names[i], Napi::Number::New(env, static_cast<double>(values[i])));
  return out;
}

constexpr const char* kLossNames[kLossCauses] = {
    "counts_full",     "stack_ring_full", "stack_missing", "process_table_full", "sideband_lost",
    "task_state_full", "bad_delta",       "missed_wakeup", "files_full",         "wanted_full"};
constexpr const char* kUntracedNames[kUntracedCauses] = {"full", "unreadable", "invalid"};
constexpr const char* kSkipNames[kSkipCauses] = {"idle",      "out_of_scope", "excluded",
                                                 "too_short", "too_long",     "state"};

}  // namespace

Scope toScope(const Napi::Value& value) {
  Napi::Object from = object(value, "scope");
  Napi::Value kindValue = from.Get("kind");
  std::string kind = kindValue.IsString() ? kindValue.As<Napi::String>().Utf8Value() : "";
  Scope scope;
  if (kind == "host") return scope;
  if (kind == "processes") {
    scope.kind = SW_SCOPE_PROCESSES;
    scope.pids = pids(from.Get("pids"), "scope.pids");
  } else if (kind == "cgroups") {
    scope.kind = SW_SCOPE_CGROUPS;
    Napi::Value ids = from.Get("ids");
    if (!ids.IsArray()) refuse("scope.ids must be an array");
    auto array = ids.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); i++) {
      Napi::Value each = array.Get(i);
      bool lossless = false;
      uint64_t id = each.IsBigInt() ? each.As<Napi::BigInt>().Uint64Value(&lossless) : 0;
      if (!lossless) refuse("scope.ids must hold cgroup ids (bigint)");
      scope.cgroups.push_back(id);
    }
  } else {
    refuse("scope.kind must be host, cgroups or processes");
  }
  return scope;
}

Options toOptions(const Napi::Value& value) {
  Napi::Object from = object(value, "options");
  Options options;
  if (!from.Get("objects").IsString()) refuse("objects must be a path");
  options.objects = from.Get("objects").As<Napi::String>().Utf8Value();
  options.scope = toScope(from.Get("scope"));

  static const std::pair<const char*, sw_hierarchy> hierarchies[] = {{"v2", SW_CGROUP_V2},
                                                                     {"cpu", SW_CGROUP_CPU},
                                                                     {"memory", SW_CGROUP_MEMORY},
                                                                     {"cpuacct", SW_CGROUP_CPUACCT},
                                                                     {"pids", SW_CGROUP_PIDS}};
  std::string hierarchy = from.Get("cgroupHierarchy").IsString()
                              ? from.Get("cgroupHierarchy").As<Napi::String>().Utf8Value()
                              : "";
  bool known = false;
  for (auto& [name, number] : hierarchies)
    if (hierarchy == name) {
      options.hierarchy = number;
      known = true;
    }
  if (!known) refuse("cgroupHierarchy must be v2, cpu, memory, cpuacct or pids");

  if (has(from, "onCpu"))
    options.hz = static_cast<uint32_t>(number(object(from.Get("onCpu"), "onCpu"), "hz", 1, 10'000));
  if (has(from, "offCpu")) {
    Napi::Object off = object(from.Get("offCpu"), "offCpu");
    Napi::Object phases = object(off.Get("phases"), "offCpu.phases");
    constexpr double most = 9007199254740991;  // whole numbers are exact up to here
    OffCpuOptions& to = options.offCpu.emplace();
    to.minNs = static_cast<uint64_t>(number(off, "minNs", 0, most));
    to.maxNs = static_cast<uint64_t>(number(off, "maxNs", 0, most));
    if (to.maxNs != 0 && to.maxNs < to.minNs) refuse("offCpu.maxNs must not be less than minNs");
    to.stateMask = static_cast<uint32_t>(number(off, "stateMask", 0, 255));
    to.blocked = boolean(phases, "blocked");
    to.runqueue = boolean(phases, "runqueue");
    to.preempted = boolean(phases, "preempted");
    if (has(off, "legacy")) to.legacy = boolean(off, "legacy");
    if (has(off, "capture")) {
      if (!off.Get("capture").IsString()) refuse("offCpu.capture must be a name");
      to.capture = off.Get("capture").As<Napi::String>().Utf8Value();
      if (to.capture != "sched_exit_tp" && to.capture != "fentry" && to.capture != "kprobe" &&
          to.capture != "switch_out")
        refuse("offCpu.capture must be sched_exit_tp, fentry, kprobe or switch_out");
    }
  }
  if (has(from, "excludePids")) options.excludePids = pids(from.Get("excludePids"), "excludePids");
  if (has(from, "maxSamples"))
    options.maxSamples = static_cast<uint32_t>(number(from, "maxSamples", 1, 1 << 22));
  if (has(from, "maxProcessBytes"))
    options.maxProcessBytes = static_cast<uint64_t>(number(from, "maxProcessBytes", 1 << 16, 1ll << 40));
  if (has(from, "maxTableBytes"))
    options.maxTableBytes = static_cast<uint64_t>(number(from, "maxTableBytes", 1 << 18, 1ll << 36));
  if (has(from, "unwinds")) options.unwinds = boolean(from, "unwinds");
  if (has(from, "traces")) options.traces = boolean(from, "traces");
  return options;
}

Napi::Object fromColumns(Napi::Env env, const Columns& columns) {
  auto out = Napi::Object::New(env);
  out.Set("startNs", Napi::BigInt::New(env, columns.startNs));
  out.Set("endNs", Napi::BigInt::New(env, columns.endNs));

  auto samples = Napi::Object::New(env);
  samples.Set("kind", u8(env, columns.samples.kind));
  samples.Set("phase", u8(env, columns.samples.phase));
  samples.Set("state", u8(env, columns.samples.state));
  samples.Set("process", u32(env, columns.samples.process));
  samples.Set("tid", u32(env, columns.samples.tid));
  samples.Set("threadName", u32(env, columns.samples.threadName));
  samples.Set("stack", u32(env, columns.samples.stack));
  samples.Set("trace", u32(env, columns.samples.trace));
  samples.Set("span", u32(env, columns.samples.span));
  samples.Set("count", f64(env, columns.samples.count));
  samples.Set("value", f64(env, columns.samples.value));
  out.Set("samples", samples);

  auto stacks = Napi::Object::New(env);
  stacks.Set("offset", u32(env, columns.stacks.offset));
  stacks.Set("location", u32(env, columns.stacks.location));
  stacks.Set("flags", u8(env, columns.stacks.flags));
  stacks.Set("end", u8(env, columns.stacks.end));
  out.Set("stacks", stacks);

  auto locations = Napi::Object::New(env);
  locations.Set("space", u8(env, columns.locations.space));
  locations.Set("mapping", i32(env, columns.locations.mapping));
  locations.Set("address", u64(env, columns.locations.address));
  locations.Set("exact", u8(env, columns.locations.exact));
  locations.Set("process", i32(env, columns.locations.process));
  locations.Set("extra", u64(env, columns.locations.extra));
  out.Set("locations", locations);

  auto mappings = Napi::Object::New(env);
  mappings.Set("path", strings(env, columns.mappings.path));
  mappings.Set("buildId", strings(env, columns.mappings.buildId));
  mappings.Set("pid", u32(env, columns.mappings.pid));
  mappings.Set("start", u64(env, columns.mappings.start));
  mappings.Set("end", u64(env, columns.mappings.end));
  mappings.Set("offset", u64(env, columns.mappings.offset));
  mappings.Set("device", u64(env, columns.mappings.device));
  mappings.Set("inode", u64(env, columns.mappings.inode));
  out.Set("mappings", mappings);

  auto processes = Napi::Object::New(env);
  processes.Set("pid", u32(env, columns.processes.pid));
  processes.Set("parent", u32(env, columns.processes.parent));
  processes.Set("startNs", u64(env, columns.processes.startNs));
  processes.Set("cgroup", u64(env, columns.processes.cgroup));
  processes.Set("comm", u32(env, columns.processes.comm));
  processes.Set("executable", u32(env, columns.processes.executable));
  processes.Set("executableMapping", i32(env, columns.processes.executableMapping));
  processes.Set("alive", u8(env, columns.processes.alive));
  out.Set("processes", processes);

  out.Set("strings", strings(env, columns.strings));
  out.Set("lost", counters(env, kLossNames, columns.lost));
  out.Set("skipped", counters(env, kSkipNames, columns.skipped));
  out.Set("untraced", counters(env, kUntracedNames, columns.untraced));
  return out;
}

namespace {

/** A row of `mappings` and of `processes` for one file of one process. */
void addWanted(Columns& columns, uint32_t pid, uint32_t parent, bool alive, const Mapping& mapping,
               const File& file) {
  auto& m = columns.mappings;
  m.path.push_back(file.path);
  m.buildId.push_back(file.buildId);
  m.device.push_back(file.device);
  m.inode.push_back(file.inode);
  m.pid.push_back(pid);
  m.start.push_back(mapping.start);
  m.end.push_back(mapping.end);
  m.offset.push_back(mapping.offset);
  auto& p = columns.processes;
  p.pid.push_back(pid);
  p.parent.push_back(parent);
  p.startNs.push_back(0);
  p.cgroup.push_back(0);
  p.comm.push_back(0);
  p.executable.push_back(0);
  p.executableMapping.push_back(-1);
  p.alive.push_back(alive);
}

}  // namespace

/** WantedTables of index.d.ts: rows of `mappings` and `processes` are those of `id`. */
Napi::Object fromWanted(Napi::Env env, const std::vector<WantedTable>& wanted) {
  std::vector<uint32_t> id;
  Columns columns;
  for (const WantedTable& each : wanted) {
    id.push_back(each.id);
    addWanted(columns, each.pid, each.parent, each.alive, each.mapping, each.file);
  }
  Napi::Object out = fromColumns(env, columns);
  out.Set("id", u32(env, id));
  return out;
}

/** WantedRuntimes of index.d.ts, likewise. */
Napi::Object fromWanted(Napi::Env env, const std::vector<WantedRuntime>& wanted) {
  std::vector<double> start;
  Columns columns;
  for (const WantedRuntime& each : wanted) {
    start.push_back(static_cast<double>(each.start));
    addWanted(columns, each.pid, 0, true, each.mapping, each.file);
  }
  Napi::Object out = fromColumns(env, columns);
  out.Set("start", f64(env, start));
  return out;
}

/** WantedPublishers of index.d.ts: as many rows for a process as it runs files. */
Napi::Object fromWanted(Napi::Env env, const std::vector<WantedPublisher>& wanted) {
  std::vector<double> start;
  std::vector<uint64_t> context;
  Columns columns;
  for (const WantedPublisher& each : wanted)
    for (const auto& [mapping, file] : each.mapped) {
      start.push_back(static_cast<double>(each.start));
      context.push_back(each.context);
      addWanted(columns, each.pid, 0, true, mapping, file);
    }
  Napi::Object out = fromColumns(env, columns);
  out.Set("start", f64(env, start));
  out.Set("context", u64(env, context));
  return out;
}

Napi::Error fromFailure(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  error.Set("code", Napi::String::New(env, failure.code));
  auto details = Napi::Object::New(env);
  for (const auto& [name, value] : failure.details) details.Set(name, Napi::String::New(env, value));
  error.Set("details", details);
  return error;
}

Napi::Array fromCosts(Napi::Env env, const std::vector<ProgramCost>& costs) {
  auto out = Napi::Array::New(env, costs.size());
  for (uint32_t i = 0; i < costs.size(); i++) {
    auto each = Napi::Object::New(env);
    each.Set("name", costs[i].name);
    each.Set("runNs", Napi::BigInt::New(env, costs[i].runNs));
    each.Set("runCount", Napi::BigInt::New(env, costs[i].runCount));
    out.Set(i, each);
  }
  return out;
}

}  // namespace stackwell
