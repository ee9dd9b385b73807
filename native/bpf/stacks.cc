// SPDX-License-Identifier: Apache-2.0
#include "stacks.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../../bpf/profile/sample.h"
#include "failure.h"

namespace stackwell {

namespace {
uint64_t cost(const Stack& stack) { return sizeof(Stack) + 32 + 8u * (stack.kernel + stack.user); }
}  // namespace

Stacks::Stacks() = default;

Stacks::~Stacks() { ring_buffer__free(rings_); }

void Stacks::addRing(int fd, sw_range scheduler) {
  auto ring = std::make_unique<Ring>(Ring{this, scheduler});
  int error = 0;
  if (!rings_) {
    rings_ = ring_buffer__new(fd, receive, ring.get(), nullptr);
    if (!rings_) error = errno;
  } else {
    error = -ring_buffer__add(rings_, fd, receive, ring.get());
  }
  if (error) throw Failure("SW_BPF_LOAD", {{"program", "stack ring"}, {"reason", std::strerror(error)}});
  contexts_[fd] = std::move(ring);
}

int Stacks::consume() { return rings_ ? std::max(0, ring_buffer__consume(rings_)) : 0; }

int Stacks::receive(void* context, void* data, size_t size) {
  auto* ring = static_cast<Ring*>(context);
  Stacks& self = *ring->owner;
  auto* record = static_cast<const sw_stack*>(data);
  if (size < sizeof record->head) return 0;
  const sw_stack_head& head = record->head;
  if (size < sizeof head + 8u * (head.kernel_frames + head.user_frames)) return 0;
  self.seen_.insert(head.tgid);
  auto [found, fresh] = self.stacks_.try_emplace(head.hash);
  Stack& stack = found->second;
  stack.sets |= static_cast<uint8_t>(1u << (head.set & 1));
  if (!fresh) return 0;
  uint32_t skip = 0;
  auto [from, to] = ring->scheduler;
  auto scheduler = [&](uint32_t i) { return record->frame[i] >= from && record->frame[i] < to; };
  while (from && skip < head.kernel_frames && !scheduler(skip)) skip++;
  while (from && skip < head.kernel_frames && scheduler(skip)) skip++;
  // All or nothing of it is the scheduler's: a kernel thread's whole stack, or one taken while it was not in
  // there.
  if (skip == head.kernel_frames) skip = 0;
  stack.flags = head.flags;
  stack.end = static_cast<uint8_t>(head.end);
  stack.kernel = static_cast<uint8_t>(head.kernel_frames - skip);
  stack.user = head.user_frames;
  size_t n = static_cast<size_t>(stack.kernel) + stack.user;
  stack.frames = std::make_unique<uint64_t[]>(n);
  std::memcpy(stack.frames.get(), record->frame + skip, n * sizeof(uint64_t));
  self.bytes_ += cost(stack);
  return 0;
}

const Stack* Stacks::find(uint64_t hash, uint32_t drain) {
  auto found = stacks_.find(hash);
  if (found == stacks_.end()) return nullptr;
  found->second.usedAt = drain;
  return &found->second;
}

void Stacks::release(uint32_t set, uint32_t drain) {
  for (auto each = stacks_.begin(); each != stacks_.end();) {
    Stack& stack = each->second;
    stack.sets &= static_cast<uint8_t>(~(1u << (set & 1)));
    if (stack.sets == 0 && stack.usedAt != drain) {
      bytes_ -= cost(stack);
      each = stacks_.erase(each);
    } else {
      ++each;
    }
  }
}

}  // namespace stackwell
