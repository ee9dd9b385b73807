// SPDX-License-Identifier: Apache-2.0
#include "columns.h"

#include <cstring>

namespace stackwell {

namespace {

uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
  return hash ^ (hash >> 32);
}

// locations.space
constexpr uint8_t kKernel = 0, kAnonymous = 2, kUnmapped = 3, kInterpreted = 5, kCompiled = 6,
                  kJavaScript = 7;
constexpr uint64_t kAddressBits = (1ull << SW_TAG_SHIFT) - 1;
constexpr uint8_t kContractFlags =
    SW_KERNEL_TRUNCATED | SW_USER_TRUNCATED | SW_USER_UNREADABLE | SW_KERNEL_UNREADABLE;

}  // namespace

size_t ColumnBuilder::Hash::operator()(const Location& l) const {
  uint64_t rest =
      static_cast<uint64_t>(static_cast<uint32_t>(l.mapping)) << 32 | static_cast<uint32_t>(l.process);
  return mix(mix(mix(mix(0, l.address), rest), static_cast<uint64_t>(l.space) << 1 | l.exact), l.extra);
}
size_t ColumnBuilder::Hash::operator()(const ProcessKey& p) const {
  return mix(mix(mix(0, p.start), p.cgroup), static_cast<uint64_t>(p.pid) << 32 | p.exec);
}
size_t ColumnBuilder::Hash::operator()(const StackKey& s) const { return mix(mix(0, s.hash), s.process); }
size_t ColumnBuilder::Hash::operator()(const std::vector<uint32_t>& words) const {
  uint64_t hash = words.size();
  for (uint32_t word : words) hash = mix(hash, word);
  return hash;
}

uint32_t ColumnBuilder::string(std::string_view text) {
  auto [found, fresh] = stringIds_.try_emplace(std::string(text), static_cast<uint32_t>(out_.strings.size()));
  if (fresh) out_.strings.emplace_back(text);
  return found->second;
}

int32_t ColumnBuilder::mapping(uint32_t file, uint32_t pid, const Mapping& example) {
  auto [found, fresh] = mappingIds_.try_emplace(file, static_cast<int32_t>(out_.mappings.path.size()));
  if (fresh) {
    const File& known = processes_.files()[file];
    out_.mappings.path.push_back(known.path);
    out_.mappings.buildId.push_back(known.buildId);
    out_.mappings.device.push_back(known.device);
    out_.mappings.inode.push_back(known.inode);
    out_.mappings.pid.push_back(pid);
    out_.mappings.start.push_back(example.start);
    out_.mappings.end.push_back(example.end);
    out_.mappings.offset.push_back(example.offset);
  }
  return found->second;
}

uint32_t ColumnBuilder::process(const sw_key& key, const sw_value& value) {
  auto [found, fresh] = processIds_.try_emplace({key.start_ns, key.cgroup, key.tgid, key.exec},
                                                static_cast<uint32_t>(processRows_.size()));
  if (!fresh) return found->second;
  // The first time: what a process did while it exec'ed is counted under the old program, see
  // begin_new_exec().
  Generation* generation = processes_.at(key.tgid, value.first_ns);
  const Process& known = processes_.process(key.tgid);
  // Gone before it could be asked: then a thread's name is better than none.
  if (generation->comm.empty()) generation->comm.assign(value.comm, strnlen(value.comm, sizeof value.comm));

  auto& out = out_.processes;
  out.pid.push_back(key.tgid);
  out.parent.push_back(known.parent);
  out.startNs.push_back(key.start_ns);
  out.cgroup.push_back(key.cgroup);
  out.comm.push_back(string(generation->comm));
  out.alive.push_back(known.exitNs == 0);
  uint32_t executable = generation->executable;
  int32_t row = -1;
  if (executable != Files::kNone)
    for (const Mapping& each : generation->mappings->sorted)
      if (each.file == executable) {
        row = mapping(executable, key.tgid, each);
        break;
      }
  out.executable.push_back(executable == Files::kNone ? 0 : string(processes_.files()[executable].path));
  out.executableMapping.push_back(row);
  processRows_.push_back({generation, false});
  return found->second;
}

uint32_t ColumnBuilder::location(const Location& location) {
  auto [found, fresh] =
      locationIds_.try_emplace(location, static_cast<uint32_t>(out_.locations.space.size()));
  if (fresh) {
    out_.locations.space.push_back(location.space);
    out_.locations.exact.push_back(location.exact);
    out_.locations.mapping.push_back(location.mapping);
    out_.locations.process.push_back(location.process);
    out_.locations.address.push_back(location.address);
    out_.locations.extra.push_back(location.extra);
  }
  return found->second;
}

/** A user-space address as an offset in a file where it is in one. */
ColumnBuilder::Location ColumnBuilder::userLocation(uint64_t address, uint32_t process, bool leaf) {
  ProcessRow& row = processRows_[process];
  uint32_t pid = out_.processes.pid[process];
  const Mapping* found = row.generation->mappings->find(address);
  // A leaf did run where it says, so its mapping was missed (mremap tells nobody); a caller may be a broken
  // chain's.
  if (!found && leaf && !row.refreshed) {
    row.refreshed = true;
    if (processes_.refresh(pid, row.generation)) found = row.generation->mappings->find(address);
  }
  if (!found) return {address, -1, static_cast<int32_t>(process), kUnmapped, 0};
  uint8_t space = processes_.files()[found->file].space();
  if (space == kAnonymous)
    return {address, mapping(found->file, pid, *found), static_cast<int32_t>(process), space, 0};
  return {address - found->start + found->offset, mapping(found->file, pid, *found), -1, space, 0};
}

uint32_t ColumnBuilder::stack(uint64_t hash, uint32_t process, uint64_t count) {
  auto [known, unseen] = stackIds_.try_emplace({hash, process}, 0);
  if (!unseen) {
    if (!stacks_.find(hash, drain_)) out_.lost[kStackMissing] += count;
    return known->second;
  }
  const Stack* stack = stacks_.find(hash, drain_);
  uint8_t flags = SW_USER_UNREADABLE | SW_KERNEL_UNREADABLE;
  uint8_t end = SW_END_NOT_TAKEN;
  std::vector<uint32_t> content;
  if (stack) {
    flags = stack->flags & kContractFlags;
    end = stack->end;
    for (uint32_t i = 0; i < stack->kernel; i++)
      content.push_back(location({stack->frames[i], -1, -1, kKernel,
                                  static_cast<uint8_t>(i == 0 && (stack->flags & SW_KERNEL_EXACT))}));
    for (uint32_t i = 0; i < stack->user; i++) {
      uint64_t word = stack->frames[stack->kernel + i];
      uint64_t tag = word >> SW_TAG_SHIFT, address = word & kAddressBits;
      if (i > 0 && word == 0) break;  // the outermost frame's mark
      bool exact = tag == SW_TAG_EXACT || (i == 0 && (stack->flags & SW_USER_EXACT));
      if (tag == SW_TAG_JAVA_INTERPRETED || tag == SW_TAG_JAVA_COMPILED) {
        if (++i == stack->user) break;
        content.push_back(location({address, -1, static_cast<int32_t>(process),
                                    tag == SW_TAG_JAVA_INTERPRETED ? kInterpreted : kCompiled, exact,
                                    stack->frames[stack->kernel + i]}));
        continue;
      }
      if (tag == SW_TAG_V8) {
        if (++i == stack->user) break;
        content.push_back(location({address, -1, static_cast<int32_t>(process), kJavaScript, exact,
                                    stack->frames[stack->kernel + i]}));
        continue;
      }
      Location place = userLocation(address, process, i == 0);
      // A caller outside of every mapping: there the chain of frame pointers was broken, and what follows
      // means nothing.
      if (i > 0 && place.space == kUnmapped) {
        flags |= SW_USER_TRUNCATED;
        end = SW_END_UNMAPPED;
        break;
      }
      place.exact = exact;
      content.push_back(location(place));
    }
  } else {
    out_.lost[kStackMissing] += count;
  }
  content.push_back(static_cast<uint32_t>(end) << 8 | flags);
  auto [same, fresh] = stackContents_.try_emplace(content, static_cast<uint32_t>(out_.stacks.flags.size()));
  if (fresh) {
    out_.stacks.flags.push_back(flags);
    out_.stacks.end.push_back(end);
    out_.stacks.location.insert(out_.stacks.location.end(), content.begin(), content.end() - 1);
    out_.stacks.offset.push_back(static_cast<uint32_t>(out_.stacks.location.size()));
  }
  stackIds_[{hash, process}] = same->second;
  return same->second;
}

uint32_t ColumnBuilder::hex(const void* bytes, size_t size) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; i++) {
    uint8_t byte = static_cast<const uint8_t*>(bytes)[i];
    text += {digits[byte >> 4], digits[byte & 15]};
  }
  return string(text);
}

void ColumnBuilder::add(const sw_key& key, const sw_trace& trace, const sw_value& value, uint64_t valueNs) {
  auto& out = out_.samples;
  uint32_t process = this->process(key, value);
  out.kind.push_back(key.kind);
  out.phase.push_back(key.phase);
  out.state.push_back(key.state);
  out.process.push_back(process);
  out.tid.push_back(key.tid);
  out.threadName.push_back(string({value.comm, strnlen(value.comm, sizeof value.comm)}));
  out.stack.push_back(stack(key.stack, process, value.count));
  out.trace.push_back(trace.span ? hex(trace.trace, sizeof trace.trace) : 0);
  out.span.push_back(trace.span ? hex(&trace.span, sizeof trace.span) : 0);
  out.count.push_back(static_cast<double>(value.count));
  out.value.push_back(static_cast<double>(valueNs));
}

}  // namespace stackwell
