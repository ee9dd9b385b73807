// SPDX-License-Identifier: Apache-2.0
#include "processes.h"

#include <signal.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <unordered_set>

#include "kernel.h"

namespace stackwell {

namespace {

// What a process costs beside its mappings: hash node, one generation, control blocks.
constexpr uint64_t kProcessBytes = sizeof(Process) + sizeof(Generation) + sizeof(Mappings) + 96;

bool gone(uint32_t pid) { return kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH; }

std::string procPath(uint32_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

/** One line of /proc/PID/maps; false if it is not an executable mapping. */
bool parseMapsLine(const char* line, const char* end, Mapping* mapping, File* file) {
  char* at;
  mapping->start = std::strtoull(line, &at, 16);
  if (*at != '-') return false;
  mapping->end = std::strtoull(at + 1, &at, 16);
  if (end - at < 6 || at[3] != 'x') return false;
  mapping->offset = std::strtoull(at + 6, &at, 16);
  unsigned major = static_cast<unsigned>(std::strtoul(at, &at, 16));
  unsigned minor = *at == ':' ? static_cast<unsigned>(std::strtoul(at + 1, &at, 16)) : 0;
  file->device = makedev(major, minor);
  file->inode = std::strtoull(at, &at, 10);
  while (at < end && *at == ' ') at++;
  file->path.assign(static_cast<const char*>(at), end);
  return true;
}

}  // namespace

void Mappings::add(const Mapping& mapping) {
  auto first = std::partition_point(sorted.begin(), sorted.end(),
                                    [&](const Mapping& m) { return m.end <= mapping.start; });
  auto last = first;
  while (last != sorted.end() && last->start < mapping.end) ++last;
  std::vector<Mapping> pieces;
  if (first != last && first->start < mapping.start)
    pieces.push_back({first->start, mapping.start, first->offset, first->file});
  pieces.push_back(mapping);
  if (first != last && (last - 1)->end > mapping.end) {
    const Mapping& cut = *(last - 1);
    pieces.push_back({mapping.end, cut.end, cut.offset + (mapping.end - cut.start), cut.file});
  }
  auto at = sorted.erase(first, last);
  sorted.insert(at, pieces.begin(), pieces.end());
}

const Mapping* Mappings::find(uint64_t address) const {
  auto found =
      std::partition_point(sorted.begin(), sorted.end(), [&](const Mapping& m) { return m.end <= address; });
  return found != sorted.end() && found->start <= address ? &*found : nullptr;
}

std::shared_ptr<Mappings> Processes::fresh(bool complete, uint32_t source) {
  auto mappings = std::make_shared<Mappings>();
  mappings->complete = complete;
  mappings->source = source;
  return mappings;
}

/** The process, made as one that was there before us if nothing is known of it. */
Process& Processes::find(uint32_t pid) {
  auto [found, isNew] = processes_.try_emplace(pid);
  Process& process = found->second;
  if (isNew) {
    bytes_ += kProcessBytes;
    process.pid = pid;
    process.generations.push_back({0, fresh(false, pid), Files::kNone, "", false});
  }
  return process;
}

void Processes::fork(uint32_t pid, uint32_t parent, uint64_t ns) {
  makeRoom();
  const Generation before = find(parent).generations.back();
  Process& child = find(pid);
  bool reused = child.detailed || child.exitNs != 0;
  if (!reused) child.generations.clear();  // made a moment ago by find()
  if (!child.generations.empty()) bytes_ += sizeof(Generation);
  child.parent = parent;
  child.exitNs = 0;
  child.detailed = processes_.at(parent).detailed;
  child.generations.push_back({ns, before.mappings, before.executable, before.comm, false});
}

void Processes::exec(uint32_t pid, const std::string& comm, uint64_t ns) {
  makeRoom();
  Process& process = find(pid);
  Mappings& before = *process.generations.back().mappings;
  if (before.source == pid) {
    // /proc shows the new program from now on. If it was read after the exec that we only hear of now, what
    // was read is the new program's, and wrong for the old one's samples.
    if (before.readAt > ns) before.sorted.clear();
    before.source = 0;
  }
  bytes_ += sizeof(Generation) + sizeof(Mappings);
  process.detailed = true;
  if (process.parent == 0) readDetails(process);
  process.exitNs = 0;
  process.generations.push_back({ns, fresh(true, pid), Files::kNone, comm, true});
}

void Processes::rename(uint32_t pid, const std::string& comm) {
  if (auto found = processes_.find(pid); found != processes_.end())
    found->second.generations.back().comm = comm;
}

/** Ends the sharing of mappings with parent or child since a fork. */
void Processes::own(Generation& generation) {
  if (generation.mappings.use_count() == 1) return;
  generation.mappings = std::make_shared<Mappings>(*generation.mappings);
  bytes_ += sizeof(Mappings) + generation.mappings->sorted.size() * sizeof(Mapping);
}

void Processes::map(uint32_t pid, uint64_t start, uint64_t length, uint64_t offset, File file) {
  makeRoom();
  auto found = processes_.find(pid);
  if (found == processes_.end()) return;  // never sampled, older than us: /proc will show it
  Generation& generation = found->second.generations.back();
  own(generation);
  uint32_t id = files_.intern(std::move(file));
  if (generation.expectsExecutable) {
    generation.expectsExecutable = false;
    generation.executable = id;
  }
  size_t before = generation.mappings->sorted.size();
  generation.mappings->add({start, start + length, offset, id});
  bytes_ += (generation.mappings->sorted.size() - before) * sizeof(Mapping);
}

void Processes::exit(uint32_t pid, uint64_t ns) {
  auto found = processes_.find(pid);
  if (found == processes_.end()) return;
  found->second.exitNs = ns;
  Mappings& mappings = *found->second.generations.back().mappings;
  if (mappings.source == pid) mappings.source = 0;
}

void Processes::recordsLost() {
  for (auto& [pid, process] : processes_)
    if (process.exitNs == 0) process.generations.back().mappings->stale = true;
}

void Processes::readDetails(Process& process) {
  std::string stat = readFile(procPath(process.pid, "stat").c_str());
  // "pid (comm) state ppid …": the name itself may hold parentheses and blanks
  if (size_t at = stat.rfind(')'); at != std::string::npos && at + 4 < stat.size())
    process.parent = static_cast<uint32_t>(std::strtoul(stat.c_str() + at + 4, nullptr, 10));
}

/** Adds what /proc/PID/maps shows below what the records said. False if there is nothing to read any more. */
bool Processes::readMappings(uint32_t pid, Mappings& mappings) {
  std::string text = readFile(procPath(pid, "maps").c_str());
  if (text.empty()) return false;
  Mappings read;
  for (const char *at = text.c_str(), *end; *at; at = *end ? end + 1 : end) {
    end = std::strchr(at, '\n');
    if (!end) end = at + std::strlen(at);
    Mapping mapping;
    File file;
    if (!parseMapsLine(at, end, &mapping, &file)) continue;
    // The records know the build id of the file that /proc only names: the same mapping keeps it.
    const Mapping* known = mappings.find(mapping.start);
    bool same = known && known->start == mapping.start && known->end == mapping.end &&
                known->offset == mapping.offset && files_[known->file].path == file.path;
    mapping.file = same ? known->file : files_.intern(std::move(file));
    read.sorted.push_back(mapping);
  }
  bytes_ += (read.sorted.size() - std::min(read.sorted.size(), mappings.sorted.size())) * sizeof(Mapping);
  mappings.sorted = std::move(read.sorted);
  mappings.readAt = monotonicNow();
  mappings.stale = false;
  return true;
}

void Processes::complete(Process& process, Generation& generation) {
  bool current = process.exitNs == 0 && &generation == &process.generations.back();
  if (generation.mappings->stale) own(generation);
  Mappings& mappings = *generation.mappings;
  if (!mappings.complete || mappings.stale) {
    bool read =
        (current && readMappings(process.pid, mappings)) ||
        (mappings.source != 0 && mappings.source != process.pid && readMappings(mappings.source, mappings));
    // A relative that lives may still be able to read what this one cannot.
    mappings.complete = read || mappings.complete || generation.mappings.use_count() == 1;
    mappings.stale = false;
  }
  if (!process.detailed && current) {
    process.detailed = true;
    readDetails(process);
    std::string comm = readFile(procPath(process.pid, "comm").c_str());
    if (!comm.empty() && comm.back() == '\n') comm.pop_back();
    if (!comm.empty()) generation.comm = comm;
  }
  if (generation.executable == Files::kNone && current && !generation.expectsExecutable) {
    char path[4096];
    ssize_t n = readlink(procPath(process.pid, "exe").c_str(), path, sizeof path);
    for (const Mapping& mapping : mappings.sorted)
      if (n > 0 && files_[mapping.file].path == std::string_view(path, static_cast<size_t>(n))) {
        generation.executable = mapping.file;
        break;
      }
  }
}

bool Processes::want(uint32_t pid) {
  Process& process = find(pid);
  Generation& generation = process.generations.back();
  if (generation.mappings->complete && !generation.mappings->stale && process.detailed) return false;
  complete(process, generation);
  return true;
}

Generation* Processes::at(uint32_t pid, uint64_t ns) {
  Process& process = find(pid);
  auto after = std::partition_point(process.generations.begin(), process.generations.end(),
                                    [&](const Generation& g) { return g.startNs <= ns; });
  Generation* generation = after == process.generations.begin() ? &*after : &*(after - 1);
  complete(process, *generation);
  return generation;
}

bool Processes::refresh(uint32_t pid, Generation* generation) {
  Process& process = find(pid);
  if (process.exitNs != 0 || generation != &process.generations.back()) return false;
  own(*generation);
  return readMappings(pid, *generation->mappings);
}

void Processes::forgetBefore(uint64_t ns) {
  for (auto each = processes_.begin(); each != processes_.end();) {
    Process& process = each->second;
    // The main thread's end is no proof: others may run on, or the process may wait to be reaped.
    if (process.exitNs != 0 && process.exitNs < ns && gone(process.pid)) {
      each = processes_.erase(each);
      continue;
    }
    auto& generations = process.generations;
    size_t ended = 0;
    while (ended + 1 < generations.size() && generations[ended + 1].startNs < ns) ended++;
    generations.erase(generations.begin(), generations.begin() + static_cast<ptrdiff_t>(ended));
    ++each;
  }
  collectFiles();
  recount();
}

/** Files that no mapping names any more go when they are the larger part. */
void Processes::collectFiles() {
  if (files_.size() < 2 * filesKept_) return;
  std::vector<bool> used(files_.size());
  std::unordered_set<Mappings*> sets;
  for (auto& [pid, process] : processes_)
    for (Generation& generation : process.generations) {
      if (generation.executable != Files::kNone) used[generation.executable] = true;
      if (sets.insert(generation.mappings.get()).second)
        for (const Mapping& mapping : generation.mappings->sorted) used[mapping.file] = true;
    }
  std::vector<uint32_t> renamed = files_.compact(used);
  for (auto& [pid, process] : processes_)
    for (Generation& generation : process.generations)
      if (generation.executable != Files::kNone) generation.executable = renamed[generation.executable];
  for (Mappings* mappings : sets)
    for (Mapping& mapping : mappings->sorted) mapping.file = renamed[mapping.file];
  filesKept_ = std::max<size_t>(256, files_.size());
}

void Processes::recount() {
  bytes_ = 0;
  std::unordered_set<Mappings*> sets;
  for (auto& [pid, process] : processes_) {
    bytes_ += kProcessBytes + (process.generations.size() - 1) * sizeof(Generation);
    for (Generation& generation : process.generations)
      if (sets.insert(generation.mappings.get()).second)
        bytes_ += sizeof(Mappings) + generation.mappings->sorted.capacity() * sizeof(Mapping);
  }
}

/**
 * Over the limit, what the living have mapped is given up first: /proc still has it. If the dead alone are
 * too many, they go as well. Each is counted.
 */
void Processes::makeRoom() {
  if (bytes() <= maxBytes_) return;
  for (bool living : {true, false}) {
    for (auto each = processes_.begin(); each != processes_.end();) {
      if ((each->second.exitNs == 0) == living) {
        refused_++;
        each = processes_.erase(each);
      } else {
        ++each;
      }
    }
    filesKept_ = 0;
    collectFiles();
    recount();
    if (bytes() <= maxBytes_ / 2) return;
  }
}

uint64_t Processes::takeRefused() {
  uint64_t n = refused_;
  refused_ = 0;
  return n;
}

}  // namespace stackwell
