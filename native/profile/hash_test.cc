// SPDX-License-Identifier: Apache-2.0
// Test vectors of the SipHash reference (vectors.h, SipHash-2-4 with 128 bits): key 00 01 … 0f, inputs 00 01
// … of each length. Prints what went wrong; compiled and run by test/engine/native.test.ts.
#include "hash.h"

#include <cstdio>

int main() {
  using stackwell::SipHash128;
  const char* const expected[] = {"a3817f04ba25a8e66df67214c7550293", "da87c1d86b99af44347659119b22fc45",
                                  "8177228da4a45dc7fca38bdef60affe4"};
  uint8_t input[64];
  for (uint8_t i = 0; i < 64; i++) input[i] = i;
  int wrong = 0;
  for (size_t size = 0; size < 3; size++) {
    const auto hash = SipHash128(0x0706050403020100u, 0x0f0e0d0c0b0a0908u, input, size).Hex();
    if (hash == expected[size]) continue;
    std::printf("%zu bytes: %s\n", size, hash.c_str());
    wrong++;
  }
  // Ids that are in stores: this must never change.
  const auto id = stackwell::Hash(std::string_view("stackwell")).Hex();
  if (id != "01e714e393c433a8c30fb58e9e84b801") {
    std::printf("stackwell: %s\n", id.c_str());
    wrong++;
  }
  return wrong;
}
