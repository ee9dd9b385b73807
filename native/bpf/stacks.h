// SPDX-License-Identifier: Apache-2.0
// Stacks as they come over the ring, by hash, kept until every set of counts that names them has been read.
// Not thread-safe: the Recorder's lock guards it.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "../../bpf/profile/sample.h"

struct ring_buffer;

namespace stackwell {

struct Stack {
  uint8_t flags = 0;
  uint8_t kernel = 0;   // frames, kernel before user, leaf first
  uint8_t user = 0;     // words
  uint8_t end = 0;      // enum sw_end
  uint8_t sets = 0;     // bit 1 << set: a row of that set names it
  uint32_t usedAt = 0;  // the drain that used it last
  std::unique_ptr<uint64_t[]> frames;
};

class Stacks {
 public:
  Stacks();
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  /**
   * Adds a ring. Where `scheduler` is given, leading kernel frames up to and including the scheduler's own
   * are cut: what comes before them is the tracer, and a task that still waits is seen by the kernel's walk
   * without them, so that both show the same stack.
   */
  void addRing(int fd, sw_range scheduler);
  /** Takes what is in the rings. Returns the number of stacks. */
  int consume();
  /** Processes whose stacks came since the call before. */
  std::unordered_set<uint32_t> takeSeen() { return std::exchange(seen_, {}); }

  /** Null if it never came. Counts as used by the drain of this number. */
  const Stack* find(uint64_t hash, uint32_t drain);
  /** A set has been read: forgets what only it named, unless this drain used it (an open interval may name it
   * again). */
  void release(uint32_t set, uint32_t drain);
  uint64_t bytes() const { return bytes_; }

 private:
  struct Ring {
    Stacks* owner;
    sw_range scheduler;
  };
  static int receive(void* ring, void* data, size_t size);

  ring_buffer* rings_ = nullptr;
  std::unordered_map<int, std::unique_ptr<Ring>> contexts_;
  std::unordered_map<uint64_t, Stack> stacks_;
  std::unordered_set<uint32_t> seen_;
  uint64_t bytes_ = 0;
};

}  // namespace stackwell
