// SPDX-License-Identifier: Apache-2.0
// One *.bpf.o: opened, set up, loaded, attached. Everything is held by descriptors of this process, nothing
// is pinned, so the kernel takes it down when the process ends in whatever way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct bpf_link;
struct bpf_map;
struct bpf_object;
struct bpf_program;

namespace stackwell {

/** Run time of a program, which the kernel counts while kernel.bpf_stats_enabled is set. */
struct ProgramCost {
  std::string name;
  uint64_t runNs, runCount;
};

class Object {
 public:
  /** Opens the file. Throws SW_NATIVE_MISSING or SW_BPF_LOAD. */
  Object(const std::string& folder, const std::string& file);
  ~Object();
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  /** Sets a `const volatile` of the program; before load(). */
  template <typename T>
  void knob(const std::string& name, T value) {
    setKnob(name, &value, sizeof value, false);
  }
  /** Sets a `const volatile`; `narrow`: a 64-bit integer is cut to the size that the program declares. */
  void setKnob(const std::string& name, const void* value, size_t bytes, bool narrow);
  void resize(const std::string& map, uint32_t entries);
  /** Entries of a hash map are allocated when they are made. */
  void allocateLate(const std::string& map);
  /** Uses another object's map in place of the own one of this name. */
  void share(const std::string& map, const Object& owner);
  /** Leaves the program out, as a kernel may not be able to load it. */
  void omit(const std::string& program);
  /** Names the function that a fentry program belongs to; before load(). */
  void aim(const std::string& program, const std::string& function);
  /** Leaves the map out, with the code that would use it. */
  void omitMap(const std::string& map);
  /** Throws SW_BPF_LOAD with what the kernel said. */
  void load();
  void attach(const std::string& program);
  void attachKprobe(const std::string& program, const std::string& function);
  /** Runs a task iterator over all tasks once. */
  void iterate(const std::string& program);
  /** Runs a `syscall` program once on a copy of `context` that comes back. False if the kernel did not. */
  bool call(const std::string& program, void* context, size_t bytes);
  /** Runs the program each time the software clock of a CPU has run for a period. False when it is offline.
   */
  bool attachToCpuClock(const std::string& program, int cpu, uint64_t periodNs);
  void detach();

  int mapFd(const std::string& map) const;
  bpf_program* program(const std::string& name) const;
  /** Descriptors of the loaded programs, by name. */
  std::vector<std::pair<std::string, int>> programs() const;
  std::vector<ProgramCost> costs() const;
  /** Bytes of kernel memory of the maps that are this object's own. */
  uint64_t mapBytes() const;

 private:
  bpf_map* map(const std::string& name) const;

  std::string file_;
  bpf_object* object_;
  std::vector<bpf_link*> links_;
  std::vector<std::string> shared_;
};

}  // namespace stackwell
