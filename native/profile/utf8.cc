// SPDX-License-Identifier: Apache-2.0
#include "utf8.h"

#include <cstdint>
#include <cstring>

namespace stackwell {
namespace {

struct Step {
  size_t size;
  bool valid;
};

// The sequence at the start of [p, end): its size if it is well-formed, else how many bytes of it could have
// been the start of one (at least 1). Ranges of the second byte: The Unicode Standard, table 3-7.
Step Next(const uint8_t* p, const uint8_t* end) {
  const uint8_t lead = *p;
  if (lead < 0x80) return {1, true};
  size_t size;
  uint8_t low = 0x80;
  uint8_t high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    size = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    size = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    size = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return {1, false};
  }
  for (size_t i = 1; i < size; i++) {
    if (p + i == end || p[i] < low || p[i] > high) return {i, false};
    low = 0x80;
    high = 0xbf;
  }
  return {size, true};
}

const uint8_t* SkipAscii(const uint8_t* p, const uint8_t* end) {
  while (end - p >= 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof word);
    if (word & 0x8080808080808080u) break;
    p += 8;
  }
  while (p < end && *p < 0x80) p++;
  return p;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* end = p + text.size();
  for (p = SkipAscii(p, end); p < end; p = SkipAscii(p, end)) {
    const Step step = Next(p, end);
    if (!step.valid) return false;
    p += step.size;
  }
  return true;
}

std::string RepairUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* end = p + text.size();
  while (p < end) {
    const Step step = Next(p, end);
    if (step.valid)
      out.append(reinterpret_cast<const char*>(p), step.size);
    else
      out.append("\xef\xbf\xbd");
    p += step.size;
  }
  return out;
}

}  // namespace stackwell
