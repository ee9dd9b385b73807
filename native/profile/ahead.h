// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <future>
#include <system_error>
#include <vector>

namespace stackwell {

/// Things that were decoded from `begin` on.
template <typename Decoded>
struct Chunk {
  size_t begin = 0;
  std::vector<Decoded> items;
  size_t end() const { return begin + items.size(); }
};

/// Decodes `count` things in chunks, each on another thread while the one before it is used. `decode` makes
/// the chunk that begins at a position, of at least one thing; how many it takes bounds the memory.
template <typename Decode, typename Use>
void DecodeAhead(size_t count, Decode decode, Use use) {
  if (count == 0) return;
  auto chunk = decode(0);
  while (chunk.end() < count) {
    std::future<decltype(chunk)> next;
    try {
      next = std::async(std::launch::async, decode, chunk.end());
    } catch (const std::system_error&) {
      // No thread to be had: then by this one, when its turn comes.
      next = std::async(std::launch::deferred, decode, chunk.end());
    }
    use(chunk);
    chunk = next.get();
  }
  use(chunk);
}

}  // namespace stackwell
