// SPDX-License-Identifier: Apache-2.0
#include "hash.h"

#include <bit>
#include <cstring>
#include <random>

namespace stackwell {
namespace {

static_assert(std::endian::native == std::endian::little, "words are loaded as they lie in memory");

uint64_t Load(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

template <int kCompress, int kFinish>
struct Sip {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void Absorb(uint64_t word) {
    v3 ^= word;
    for (int i = 0; i < kCompress; i++) Round();
    v0 ^= word;
  }
  uint64_t Finish() {
    for (int i = 0; i < kFinish; i++) Round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

template <int kCompress, int kFinish>
Hash128 SipHash(uint64_t key_low, uint64_t key_high, const void* data, size_t size) {
  Sip<kCompress, kFinish> sip{key_low ^ 0x736f6d6570736575u, key_high ^ 0x646f72616e646f6du ^ 0xee,
                              key_low ^ 0x6c7967656e657261u, key_high ^ 0x7465646279746573u};
  const auto* at = static_cast<const uint8_t*>(data);
  const uint8_t* last = at + (size & ~size_t{7});
  for (; at != last; at += 8) sip.Absorb(Load(at));
  uint64_t tail = static_cast<uint64_t>(size) << 56;
  for (size_t i = 0; i < (size & 7); i++) tail |= static_cast<uint64_t>(last[i]) << (8 * i);
  sip.Absorb(tail);
  Hash128 hash;
  sip.v2 ^= 0xee;
  hash.low = sip.Finish();
  sip.v1 ^= 0xdd;
  hash.high = sip.Finish();
  return hash;
}

}  // namespace

Hash128 SipHash128(uint64_t key_low, uint64_t key_high, const void* data, size_t size) {
  return SipHash<2, 4>(key_low, key_high, data, size);
}

Hash128 Hash(const void* data, size_t size) {
  return SipHash128(0x6c6c65776b636174u, 0x31656c69666f7270u, data, size);
}

Hash128 LocalHash(const void* data, size_t size) {
  static const uint64_t key = Mix(ProcessSeed(), 1);
  return SipHash<1, 3>(ProcessSeed(), key, data, size);
}

std::string Hash128::Hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(32);
  for (const uint64_t word : {low, high})
    for (int byte = 0; byte < 8; byte++) {
      const auto value = static_cast<uint8_t>(word >> (8 * byte));
      hex += kDigits[value >> 4];
      hex += kDigits[value & 15];
    }
  return hex;
}

uint64_t ProcessSeed() {
  static const uint64_t seed = [] {
    std::random_device device;
    return static_cast<uint64_t>(device()) << 32 | device();
  }();
  return seed;
}

}  // namespace stackwell
