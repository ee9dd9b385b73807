// SPDX-License-Identifier: Apache-2.0
#include "sideband.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "failure.h"
#include "kernel.h"

namespace stackwell {

namespace {

// Half of what kernel.perf_event_mlock_kb (516 by default) gives a user for each CPU without CAP_IPC_LOCK.
constexpr size_t kRingBytes = 256 * 1024;
constexpr size_t kSmallestRing = 16 * 1024;

/** The body of PERF_RECORD_MMAP2; the middle is either a device and inode, or a build id. */
struct Mmap2 {
  perf_event_header header;
  uint32_t pid, tid;
  uint64_t address, length, offset;
  union {
    struct {
      uint32_t major, minor;
      uint64_t inode, generation;
    };
    struct {
      uint8_t buildIdSize, reserved[3];
      uint8_t buildId[20];
    };
  };
  uint32_t protection, flags;
  char path[];
};
static_assert(sizeof(Mmap2) == 8 + 8 + 24 + 24 + 8);

struct Comm {
  perf_event_header header;
  uint32_t pid, tid;
  char name[];
};

/** PERF_RECORD_FORK and PERF_RECORD_EXIT. */
struct Task {
  perf_event_header header;
  uint32_t pid, parent, tid, parentTid;
  uint64_t ns;
};

struct Lost {
  perf_event_header header;
  uint64_t id, lost;
};

std::string hex(const uint8_t* bytes, size_t n) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < n; i++) {
    text.push_back(digits[bytes[i] >> 4]);
    text.push_back(digits[bytes[i] & 15]);
  }
  return text;
}

}  // namespace

Sideband::Sideband() : ringBytes_(kRingBytes) { followCpus(onlineCpus()); }

Sideband::~Sideband() { close(); }

void Sideband::close() {
  for (Ring& ring : rings_) {
    munmap(ring.base, ringBytes_ + static_cast<size_t>(sysconf(_SC_PAGESIZE)));
    ::close(ring.fd);
  }
  rings_.clear();
}

void Sideband::followCpus(const std::vector<int>& online) {
  for (int cpu : online) {
    bool known = std::any_of(rings_.begin(), rings_.end(), [&](const Ring& ring) { return ring.cpu == cpu; });
    if (!known && !open(cpu)) {
      int error = errno;
      if (error == ENODEV) continue;  // offline again meanwhile
      close();
      throw Failure("SW_BPF_LOAD", {{"program", "perf side records"}, {"reason", std::strerror(error)}});
    }
  }
}

bool Sideband::open(int cpu) {
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_DUMMY;
  attr.sample_type = PERF_SAMPLE_TIME;
  attr.sample_id_all = 1;  // the time stands at the end of every record
  attr.use_clockid = 1;
  attr.clockid = CLOCK_MONOTONIC;
  attr.mmap = 1;
  attr.mmap2 = 1;
  attr.comm = 1;
  attr.comm_exec = 1;
  attr.task = 1;
  attr.watermark = 1;
  attr.wakeup_watermark = static_cast<uint32_t>(ringBytes_ / 2);
  attr.build_id = buildId_;
  int fd = static_cast<int>(syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0 && errno == EINVAL && buildId_) {  // before 5.12
    buildId_ = false;
    return open(cpu);
  }
  if (fd < 0) return false;
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* base;
  while ((base = mmap(nullptr, ringBytes_ + page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
    // Smaller rings only while there is none: all have one size.
    if (errno != EPERM || ringBytes_ <= kSmallestRing || !rings_.empty()) {
      int error = errno;
      ::close(fd);
      errno = error;
      return false;
    }
    ringBytes_ /= 2;
  }
  rings_.push_back({cpu, fd, static_cast<char*>(base)});
  return true;
}

void Sideband::collect(Ring& ring) {
  auto* control = reinterpret_cast<perf_event_mmap_page*>(ring.base);
  const char* data = ring.base + sysconf(_SC_PAGESIZE);
  uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
  uint64_t tail = control->data_tail;
  while (tail < head) {
    // Records begin at multiples of 8, so a head never wraps; the body may.
    size_t at = tail & (ringBytes_ - 1);
    perf_event_header header;
    std::memcpy(&header, data + at, sizeof header);
    if (header.size < sizeof header || header.size > head - tail) break;
    size_t first = std::min<size_t>(header.size, ringBytes_ - at), offset = bytes_.size();
    bytes_.insert(bytes_.end(), data + at, data + at + first);
    bytes_.insert(bytes_.end(), data, data + (header.size - first));
    uint64_t ns;
    std::memcpy(&ns, bytes_.data() + bytes_.size() - sizeof ns, sizeof ns);
    pending_.push_back({ns, offset});
    tail += header.size;
  }
  __atomic_store_n(&control->data_tail, tail, __ATOMIC_RELEASE);
}

int Sideband::apply(Processes& processes, uint64_t untilNs) {
  for (Ring& ring : rings_) collect(ring);
  std::stable_sort(pending_.begin(), pending_.end(),
                   [](const Pending& a, const Pending& b) { return a.ns < b.ns; });
  size_t n = 0;
  for (; n < pending_.size() && pending_[n].ns < untilNs; n++)
    dispatch(processes, reinterpret_cast<const perf_event_header*>(bytes_.data() + pending_[n].offset),
             pending_[n].ns);

  std::vector<Pending> later;
  std::vector<char> bytes;
  for (size_t i = n; i < pending_.size(); i++) {
    const char* record = bytes_.data() + pending_[i].offset;
    later.push_back({pending_[i].ns, bytes.size()});
    bytes.insert(bytes.end(), record, record + reinterpret_cast<const perf_event_header*>(record)->size);
  }
  pending_ = std::move(later);
  bytes_ = std::move(bytes);
  return static_cast<int>(n);
}

void Sideband::dispatch(Processes& processes, const perf_event_header* record, uint64_t ns) {
  switch (record->type) {
    case PERF_RECORD_MMAP2: {
      auto* mmap = reinterpret_cast<const Mmap2*>(record);
      File file;
      file.path = mmap->path;
      if (record->misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
        file.buildId = hex(mmap->buildId, std::min<size_t>(mmap->buildIdSize, sizeof mmap->buildId));
      } else {
        file.device = makedev(mmap->major, mmap->minor);
        file.inode = mmap->inode;
      }
      if (mmap->pid != UINT32_MAX)
        processes.map(mmap->pid, mmap->address, mmap->length, mmap->offset, std::move(file));
      break;
    }
    case PERF_RECORD_COMM: {
      auto* comm = reinterpret_cast<const Comm*>(record);
      if (record->misc & PERF_RECORD_MISC_COMM_EXEC)
        processes.exec(comm->pid, comm->name, ns);
      else if (comm->pid == comm->tid)
        processes.rename(comm->pid, comm->name);
      break;
    }
    case PERF_RECORD_FORK: {
      auto* task = reinterpret_cast<const Task*>(record);
      if (task->pid != task->parent) processes.fork(task->pid, task->parent, ns);
      break;
    }
    case PERF_RECORD_EXIT: {
      auto* task = reinterpret_cast<const Task*>(record);
      if (task->pid == task->tid) processes.exit(task->pid, ns);
      break;
    }
    case PERF_RECORD_LOST:
      lost_ += reinterpret_cast<const Lost*>(record)->lost;
      processes.recordsLost();
      break;
    default:
      break;
  }
}

uint64_t Sideband::takeLost() {
  uint64_t n = lost_;
  lost_ = 0;
  return n;
}

}  // namespace stackwell
