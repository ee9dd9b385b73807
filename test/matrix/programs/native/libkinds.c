// SPDX-License-Identifier: Apache-2.0
// The shared library of kinds.
#include "kinds.h"

FUNCTION uint64_t far_tiny(uint64_t x) { return x * 6364136223846793005u + 1; }

FUNCTION void far_call(void (*back)(double), double seconds) {
  back(seconds);
  RETURNS_HERE();
}
