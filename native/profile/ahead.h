// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <system_error>
#include <utility>
#include <vector>

namespace stackwell {

/// Of a chunk, in bytes before they are decoded; decoded they take several times as much, and there are two
/// chunks at a time.
constexpr uint64_t kDecodedAhead = 1 << 19;

/// Decodes `count` things in chunks, each on another thread while those of the chunk before it are used, in
/// their order. By position: `bytes` tells how large one is before it is decoded, `decode` decodes it, `use`
/// takes it. No thing is divided, so a chunk has at least one.
template <typename Bytes, typename Decode, typename Use>
void DecodeAhead(size_t count, Bytes bytes, Decode decode, Use use) {
  using Chunk = std::vector<decltype(decode(size_t{}))>;
  const auto decode_from = [&](size_t begin) {
    Chunk chunk;
    uint64_t sum = 0;
    for (size_t i = begin; i < count; i++) {
      sum += bytes(i);
      if (i > begin && sum > kDecodedAhead) break;
      chunk.push_back(decode(i));
    }
    return chunk;
  };
  Chunk chunk = decode_from(0);
  for (size_t begin = 0; begin < count;) {
    const size_t end = begin + chunk.size();
    std::future<Chunk> next;
    if (end < count) {
      try {
        next = std::async(std::launch::async, decode_from, end);
      } catch (const std::system_error&) {
        // No thread to be had: then by this one, when its turn comes.
        next = std::async(std::launch::deferred, decode_from, end);
      }
    }
    for (size_t i = begin; i < end; i++) use(i, std::as_const(chunk[i - begin]));
    if (next.valid()) chunk = next.get();
    begin = end;
  }
}

}  // namespace stackwell
