// SPDX-License-Identifier: Apache-2.0
// Through a shared library: a call for each turn of a loop, so that many samples are in the PLT; and back from it.
// And a fiber, whose stack begins in libc (musl has none).
#include <stdlib.h>
#include <ucontext.h>

#include "kinds.h"

FUNCTION void via_plt(double seconds) {
  uint64_t x = 1;
  for (const double done = cpu_seconds() + seconds; cpu_seconds() < done;)
    for (int i = 0; i < 10000; i++) x = far_tiny(x);
}

FUNCTION void called_back(double seconds) {
  burn(seconds);
  RETURNS_HERE();
}
FUNCTION void via_library(double seconds) {
  far_call(called_back, seconds);
  RETURNS_HERE();
}

static ucontext_t home, fiber;
static double fiber_seconds;
FUNCTION void in_fiber(void) {
  burn(fiber_seconds);
  RETURNS_HERE();
}
FUNCTION void via_fiber(double seconds) {
  static char* memory;
  enum { SIZE = 65536 };
  if (memory == NULL) memory = malloc(SIZE);
  getcontext(&fiber);
  fiber.uc_stack.ss_sp = memory;
  fiber.uc_stack.ss_size = SIZE;
  fiber.uc_link = &home;
  fiber_seconds = seconds;
  makecontext(&fiber, in_fiber, 0);
  swapcontext(&home, &fiber);
}

const struct kind library_kinds[] = {
    {"plt", via_plt},
    {"library", via_library},
    {"fiber", via_fiber},
    {0},
};
