// SPDX-License-Identifier: Apache-2.0
#include "object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "failure.h"
#include "kernel.h"

namespace stackwell {

namespace {

// libbpf speaks through one callback for the whole process, on the thread that called it.
thread_local std::string* log_sink = nullptr;

int collect(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG || !log_sink) return 0;
  va_list again;
  va_copy(again, arguments);
  int length = std::vsnprintf(nullptr, 0, format, arguments);  // the verifier's log comes as one message
  if (length > 0) {
    size_t before = log_sink->size();
    log_sink->resize(before + static_cast<size_t>(length) + 1);
    std::vsnprintf(log_sink->data() + before, static_cast<size_t>(length) + 1, format, again);
    log_sink->pop_back();
  }
  va_end(again);
  return 0;
}

/** What libbpf says while this lives. */
class Log {
 public:
  Log() {
    libbpf_set_print(collect);
    log_sink = &text_;
  }
  ~Log() { log_sink = nullptr; }

  /** The program that was refused, or what else there was. */
  std::string program(const std::string& otherwise) const {
    size_t end = text_.rfind("': failed to load");
    if (end == std::string::npos) return otherwise;
    size_t start = text_.rfind('\'', end - 1);
    return start == std::string::npos ? otherwise : text_.substr(start + 1, end - start - 1);
  }

  /** The end of the verifier's words (there stands why), else libbpf's own, and the error. */
  std::string reason(int error) const {
    std::string words = text_;
    if (size_t end = words.find("\nprocessed "); end != std::string::npos)
      words.resize(end);
    else if (size_t mark = words.find("-- END PROG LOAD LOG --"); mark != std::string::npos)
      words.resize(mark);
    while (!words.empty() && words.back() == '\n') words.pop_back();
    if (words.size() > 400) {
      size_t line = words.find('\n', words.size() - 400);
      words = words.substr(line == std::string::npos ? words.size() - 400 : line + 1);
    }
    return std::string(std::strerror(error)) + (words.empty() ? "" : ": " + words);
  }

 private:
  std::string text_;
};

}  // namespace

Object::Object(const std::string& folder, const std::string& file) : file_(file), object_(nullptr) {
  std::string path = folder + "/" + file;
  if (access(path.c_str(), R_OK) != 0)
    throw Failure("SW_NATIVE_MISSING", {{"name", path}, {"reason", std::strerror(errno)}});
  Log log;
  object_ = bpf_object__open_file(path.c_str(), nullptr);
  if (!object_) throw Failure("SW_BPF_LOAD", {{"program", file}, {"reason", log.reason(errno)}});
}

Object::~Object() {
  detach();
  bpf_object__close(object_);
}

bpf_map* Object::map(const std::string& name) const {
  bpf_map* found = bpf_object__find_map_by_name(object_, name.c_str());
  if (!found) throw Failure("SW_BPF_LOAD", {{"program", file_}, {"reason", "it has no map " + name}});
  return found;
}

int Object::mapFd(const std::string& name) const { return bpf_map__fd(map(name)); }

bpf_program* Object::program(const std::string& name) const {
  bpf_program* found = bpf_object__find_program_by_name(object_, name.c_str());
  if (!found) throw Failure("SW_BPF_LOAD", {{"program", name}, {"reason", file_ + " does not have it"}});
  return found;
}

void Object::setKnob(const std::string& name, const void* value, size_t bytes, bool narrow) {
  btf* types = bpf_object__btf(object_);
  int section = types ? btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC) : -1;
  bpf_map* constants = nullptr;
  bpf_map* each;
  bpf_object__for_each_map(each, object_) {
    if (std::string(bpf_map__name(each)).ends_with(".rodata")) constants = each;
  }
  if (section > 0 && constants) {
    size_t total;
    auto* start = static_cast<char*>(const_cast<void*>(bpf_map__initial_value(constants, &total)));
    const btf_type* type = btf__type_by_id(types, static_cast<__u32>(section));
    const btf_var_secinfo* variable = btf_var_secinfos(type);
    for (int i = 0; i < btf_vlen(type); i++, variable++) {
      const btf_type* declared = btf__type_by_id(types, variable->type);
      if (name != btf__name_by_offset(types, declared->name_off)) continue;
      // Little-endian, as every machine that the programs are made for.
      const bool fits = variable->size == bytes || (narrow && variable->size < bytes);
      if (!fits || variable->offset + variable->size > total) continue;
      std::memcpy(start + variable->offset, value, variable->size);
      return;
    }
  }
  throw Failure("SW_BPF_LOAD", {{"program", file_}, {"reason", "it has no constant " + name}});
}

void Object::resize(const std::string& name, uint32_t entries) {
  bpf_map__set_max_entries(map(name), entries);
}

void Object::allocateLate(const std::string& name) {
  bpf_map__set_map_flags(map(name), bpf_map__map_flags(map(name)) | BPF_F_NO_PREALLOC);
}

void Object::share(const std::string& name, const Object& owner) {
  bpf_map* own = bpf_object__find_map_by_name(object_, name.c_str());
  if (!own) return;
  if (bpf_map__reuse_fd(own, owner.mapFd(name)) != 0)
    throw Failure("SW_BPF_LOAD",
                  {{"program", file_}, {"reason", "map " + name + ": " + std::strerror(errno)}});
  shared_.push_back(name);
}

void Object::omit(const std::string& name) { bpf_program__set_autoload(program(name), false); }

void Object::aim(const std::string& name, const std::string& function) {
  bpf_program__set_attach_target(program(name), 0, function.c_str());
}

void Object::omitMap(const std::string& name) { bpf_map__set_autocreate(map(name), false); }

void Object::load() {
  Log log;
  if (int error = bpf_object__load(object_); error != 0)
    throw Failure("SW_BPF_LOAD", {{"program", log.program(file_)}, {"reason", log.reason(-error)}});
}

void Object::attach(const std::string& name) {
  Log log;
  bpf_link* link = bpf_program__attach(program(name));
  if (!link) throw Failure("SW_BPF_LOAD", {{"program", name}, {"reason", "attach: " + log.reason(errno)}});
  links_.push_back(link);
}

void Object::attachKprobe(const std::string& name, const std::string& function) {
  Log log;
  bpf_link* link = bpf_program__attach_kprobe(program(name), false, function.c_str());
  if (!link) throw Failure("SW_BPF_LOAD", {{"program", name}, {"reason", "attach: " + log.reason(errno)}});
  links_.push_back(link);
}

void Object::iterate(const std::string& name) {
  // A link of an iterator only makes its file; what runs the program is reading that.
  int link = bpf_link_create(bpf_program__fd(program(name)), 0, BPF_TRACE_ITER, nullptr);
  int iterator = link < 0 ? -1 : bpf_iter_create(link);
  int error = iterator < 0 ? errno : 0;
  char nothing[64];
  while (iterator >= 0) {
    ssize_t n = read(iterator, nothing, sizeof nothing);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n < 0) error = errno;
    if (n <= 0) break;
  }
  if (iterator >= 0) close(iterator);
  if (link >= 0) close(link);
  if (error)
    throw Failure("SW_BPF_LOAD",
                  {{"program", name}, {"reason", std::string("run: ") + std::strerror(error)}});
}

bool Object::call(const std::string& name, void* context, size_t bytes) {
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = context, .ctx_size_in = static_cast<__u32>(bytes));
  return bpf_prog_test_run_opts(bpf_program__fd(program(name)), &options) == 0;
}

bool Object::attachToCpuClock(const std::string& name, int cpu, uint64_t periodNs) {
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_CPU_CLOCK;
  // A fixed period: with `freq` the kernel would adjust it, and a sample would not be worth the same each
  // time.
  attr.sample_period = periodNs;
  int fd = static_cast<int>(syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0 && errno == ENODEV) return false;
  if (fd < 0) throw Failure("SW_BPF_LOAD", {{"program", name}, {"reason", std::strerror(errno)}});
  Log log;
  bpf_link* link = bpf_program__attach_perf_event(program(name), fd);
  if (!link) {
    std::string reason = "attach: " + log.reason(errno);
    close(fd);
    throw Failure("SW_BPF_LOAD", {{"program", name}, {"reason", reason}});
  }
  links_.push_back(link);  // owns fd from here on
  return true;
}

void Object::detach() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  links_.clear();
}

std::vector<std::pair<std::string, int>> Object::programs() const {
  std::vector<std::pair<std::string, int>> all;
  bpf_program* each;
  bpf_object__for_each_program(each, object_) {
    if (int fd = bpf_program__fd(each); fd >= 0) all.emplace_back(bpf_program__name(each), fd);
  }
  return all;
}

std::vector<ProgramCost> Object::costs() const {
  std::vector<ProgramCost> all;
  for (const auto& [name, fd] : programs()) {
    bpf_prog_info info{};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) all.push_back({name, info.run_time_ns, info.run_cnt});
  }
  return all;
}

uint64_t Object::mapBytes() const {
  uint64_t total = 0;
  bpf_map* each;
  bpf_object__for_each_map(each, object_) {
    int fd = bpf_map__fd(each);
    if (fd < 0 || std::find(shared_.begin(), shared_.end(), bpf_map__name(each)) != shared_.end()) continue;
    std::string info = readFile(("/proc/self/fdinfo/" + std::to_string(fd)).c_str());
    if (size_t at = info.find("memlock:"); at != std::string::npos)
      total += std::strtoull(info.c_str() + at + 8, nullptr, 10);
  }
  return total;
}

}  // namespace stackwell
