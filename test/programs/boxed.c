// SPDX-License-Identifier: Apache-2.0
// boxed SECONDS: one busy function; linked statically, so that it runs in a container that has nothing else.
#include <stdlib.h>

#include "clock.h"

__attribute__((noinline, noclone)) static uint64_t unpack_box(uint64_t x) {
  KEEP_FRAME();
  x = spin(x, 100000);
  __asm__ volatile("" : "+r"(x));
  return x;
}

int main(int argc, char** argv) {
  const double until = now_seconds() + (argc > 1 ? atof(argv[1]) : 10);
  uint64_t x = 1;
  while (now_seconds() < until) x = unpack_box(x);
  return x == 0;
}
