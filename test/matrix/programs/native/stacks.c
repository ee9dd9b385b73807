// SPDX-License-Identifier: Apache-2.0
// Frames of no fixed size or place, and stacks that are not the process's own: a thread's, a fiber's.
#include <alloca.h>
#include <pthread.h>
#include <string.h>

#include "kinds.h"

FUNCTION static void touch(void* memory) { __asm__ volatile("" ::"r"(memory) : "memory"); }

FUNCTION void with_alloca(double seconds, int bytes) {
  touch(alloca((size_t)bytes));
  burn(seconds);
  RETURNS_HERE();
}
FUNCTION void with_array(double seconds, int count) {
  int numbers[count];
  touch(numbers);
  with_alloca(seconds, count * 3);
  RETURNS_HERE();
}
FUNCTION void via_alloca(double seconds) {
  with_array(seconds, 777);
  RETURNS_HERE();
}

/* The stack pointer is rounded down to 64 bytes: how far tells only what was saved before. */
FUNCTION void aligned(double seconds) {
  __attribute__((aligned(64))) char wide[64];
  touch(wide);
  burn(seconds);
  RETURNS_HERE();
}
/* Arguments on the stack are found by a register of their own, which is saved in turn. */
FUNCTION double aligned_with_arguments(double seconds, int bytes, long a, long b, long c, long d, long e, long f,
                                       long g, long h) {
  __attribute__((aligned(64))) char wide[64];
  touch(wide);
  touch(alloca((size_t)bytes));
  aligned(seconds);
  RETURNS_HERE();
  return (double)(a + b + c + d + e + f + g + h);
}
FUNCTION void via_realigned(double seconds) {
  aligned_with_arguments(seconds, 100, 1, 2, 3, 4, 5, 6, 7, 8);
  RETURNS_HERE();
}

FUNCTION void* in_thread(void* seconds) {
  burn(*(double*)seconds);
  RETURNS_HERE();
  return NULL;
}
FUNCTION void via_thread(double seconds) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, in_thread, &seconds) == 0) pthread_join(thread, NULL);
}

const struct kind stack_kinds[] = {
    {"alloca", via_alloca},
    {"realigned", via_realigned},
    {"thread", via_thread},
    {0},
};
