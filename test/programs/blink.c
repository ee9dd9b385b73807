// SPDX-License-Identifier: Apache-2.0
// blink MS: burns that much CPU in one function and is gone.
#include <stdlib.h>

#include "clock.h"

__attribute__((noinline, noclone)) static uint64_t blink_burn(double seconds) {
  KEEP_FRAME();
  const double done = cpu_seconds() + seconds;
  uint64_t x = 1;
  while (cpu_seconds() < done) x = spin(x, 20000);
  return x;
}

int main(int argc, char** argv) { return blink_burn((argc > 1 ? atof(argv[1]) : 20) / 1000) == 0; }
