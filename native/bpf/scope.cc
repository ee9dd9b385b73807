// SPDX-License-Identifier: Apache-2.0
#include "scope.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

#include "failure.h"
#include "kernel.h"
#include "tables.h"

namespace stackwell {

namespace {

/** Makes the keys of a hash map these, and adds before it removes. */
template <typename Key>
void replaceKeys(int fd, const std::vector<Key>& wanted) {
  std::set<Key> keep(wanted.begin(), wanted.end());
  uint8_t one = 1;
  for (Key key : keep)
    if (bpf_map_update_elem(fd, &key, &one, BPF_ANY) != 0)
      throw Failure("SW_USAGE",
                    {{"reason", std::string("the scope names too many: ") + std::strerror(errno)}});
  std::vector<Key> present;
  Key key, next;
  for (bool more = bpf_map_get_next_key(fd, nullptr, &key) == 0; more;) {
    present.push_back(key);
    more = bpf_map_get_next_key(fd, &key, &next) == 0;
    key = next;
  }
  for (Key each : present)
    if (!keep.contains(each)) bpf_map_delete_elem(fd, &each);
}

bool isProcess(uint32_t pid) {
  std::string status = readFile(("/proc/" + std::to_string(pid) + "/status").c_str());
  size_t at = status.find("\nTgid:");
  return at != std::string::npos && std::strtoul(status.c_str() + at + 6, nullptr, 10) == pid;
}

}  // namespace

ScopeFilter::ScopeFilter(const Options& options)
    : object_(options.objects, "scope.bpf.o"), unwinds_(options.unwinds && kernelVersion() >= kUnwindsSince) {
  object_.resize("sw_slabs", Tables::slabs(options.maxTableBytes));
  object_.knob<uint32_t>("sw_cgroup_hierarchy", options.hierarchy);
  object_.knob<uint32_t>("sw_page_shift", pageShift());
  if (!unwinds_) object_.omit("sw_want_tables");
  object_.load();
  for (uint32_t pid : options.excludePids) {
    uint8_t one = 1;
    if (bpf_map_update_elem(object_.mapFd("sw_excluded"), &pid, &one, BPF_ANY) != 0)
      throw Failure("SW_USAGE", {{"reason", "too many processes are excluded"}});
  }
}

void ScopeFilter::control(sw_control row, uint64_t value) {
  uint32_t key = row;
  bpf_map_update_elem(object_.mapFd("sw_control"), &key, &value, BPF_ANY);
}

uint64_t ScopeFilter::takeLost() { return counters_.take(object_)[SW_LOST_PROCESSES_FULL]; }

void ScopeFilter::set(const Scope& scope) {
  for (uint32_t pid : scope.pids)
    if (!isProcess(pid)) throw Failure("SW_PID_UNKNOWN", {{"pid", std::to_string(pid)}});
  if (scope.kind != SW_SCOPE_PROCESSES) object_.detach();
  replaceKeys(object_.mapFd("sw_scope_cgroups"), scope.cgroups);
  replaceKeys(object_.mapFd("sw_scope_tgids"), scope.pids);
  if (scope.kind == SW_SCOPE_PROCESSES) {
    object_.detach();
    object_.attach("sw_scope_fork");
    object_.attach("sw_scope_exit");
  }
  control(SW_CONTROL_SCOPE, scope.kind);
  if (unwinds_ && scope.kind != SW_SCOPE_HOST) object_.iterate("sw_want_tables");
}

}  // namespace stackwell
