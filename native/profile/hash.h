// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "varint.h"

namespace stackwell {

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;

  bool operator==(const Hash128&) const = default;
  /// 32 hex digits, in the order in which the bytes of the reference implementation's output are printed.
  std::string Hex() const;
};

/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, https://github.com/veorq/SipHash) under a
/// fixed key: ids of segments are stored, so neither the function nor the key may ever change. A keyed
/// cryptographic hash rather than a faster one, because what is hashed comes from whoever pushes profiles,
/// and equal ids mean equal content here.
Hash128 Hash(const void* data, size_t size);
inline Hash128 Hash(std::string_view text) { return Hash(text.data(), text.size()); }
inline Hash128 Hash(const Bytes& bytes) { return Hash(bytes.data(), bytes.size()); }

/// For what is only known by its hash while this process lives: SipHash-1-3, half the work, under a key that
/// nobody else knows. (Rust and Python use the same for their tables.)
Hash128 LocalHash(const void* data, size_t size);
inline Hash128 LocalHash(std::string_view text) { return LocalHash(text.data(), text.size()); }

/// The same under another key: for the test vectors of the reference.
Hash128 SipHash128(uint64_t key_low, uint64_t key_high, const void* data, size_t size);

/// Of this process, random: for hash tables, so that nobody can prepare keys that collide in them.
uint64_t ProcessSeed();

/// A good 64-bit mix of two numbers for hash tables of this process; never stored.
inline uint64_t Mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);
  uint64_t mixed = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  mixed ^= mixed >> 32;
  return mixed * 0xd6e8feb86659fd93u;
}

}  // namespace stackwell
