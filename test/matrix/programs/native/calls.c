// SPDX-License-Identifier: Apache-2.0
// Ways to call: without a frame, with many registers to save, by a jump, without return, deep, back from libc.
#include <setjmp.h>
#include <stdlib.h>

#include "kinds.h"

/* No frame, no stack: the return address is all there is. */
FUNCTION uint64_t without_frame(uint64_t x) { return spin(x, 3000); }

FUNCTION void via_leaf(double seconds) {
  uint64_t x = 1;
  for (const double done = cpu_seconds() + seconds; cpu_seconds() < done;)
    for (int i = 0; i < 10; i++) x = without_frame(x);
}

/* Short, so that many samples are in what comes before and after the body: registers are being saved, restored. */
FUNCTION uint64_t many_registers(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t d = a ^ b, e = b ^ c, f = a + c;
  __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f)::"rbx", "rbp", "r12", "r13", "r14", "r15");
  return a + b + c + d + e + f;
}

FUNCTION void via_prologues(double seconds) {
  uint64_t x = 1;
  for (const double done = cpu_seconds() + seconds; cpu_seconds() < done;)
    for (int i = 0; i < 10000; i++) x = many_registers(x, 2, 3);
}

/* A jump to the next: there is nothing left of this one on the stack. */
FUNCTION void tail_second(double seconds) {
  burn(seconds);
  RETURNS_HERE();
}
FUNCTION void tail_first(double seconds) { tail_second(seconds); }
FUNCTION void via_tail_call(double seconds) {
  tail_first(seconds);
  RETURNS_HERE();
}

/* The call is the last instruction of its function: the return address belongs to the next one. */
static jmp_buf out;
FUNCTION __attribute__((noreturn)) void never_returns(double seconds) {
  burn(seconds);
  longjmp(out, 1);
}
FUNCTION __attribute__((noreturn)) void gives_up(double seconds) { never_returns(seconds); }
FUNCTION void via_noreturn(double seconds) {
  if (setjmp(out) == 0) gives_up(seconds);
}

FUNCTION int recurse(int depth, double seconds) {
  if (depth == 1) {
    burn(seconds);
    return 1;
  }
  const int below = recurse(depth - 1, seconds);
  RETURNS_HERE();
  return below + 1;
}
FUNCTION void via_recursion(double seconds) {
  recurse(100, seconds);
  RETURNS_HERE();
}
FUNCTION void via_deep_recursion(double seconds) {
  recurse(2000, seconds);
  RETURNS_HERE();
}

FUNCTION int compare_slowly(const void* a, const void* b) {
  const int left = *(const int*)a, right = *(const int*)b;
  return spin(1, 1000) == 0 ? 0 : (left > right) - (left < right);
}
FUNCTION void via_qsort(double seconds) {
  for (const double done = cpu_seconds() + seconds; cpu_seconds() < done;) {
    int numbers[32];
    for (int i = 0; i < 32; i++) numbers[i] = i * 7919 % 32;
    qsort(numbers, 32, sizeof *numbers, compare_slowly);
  }
}

/* Mostly in the vDSO. */
FUNCTION void via_clock(double seconds) {
  struct timespec now;
  for (const double done = cpu_seconds() + seconds; cpu_seconds() < done;)
    for (int i = 0; i < 1000; i++) clock_gettime(CLOCK_MONOTONIC, &now);
}

const struct kind call_kinds[] = {
    {"leaf", via_leaf},
    {"prologues", via_prologues},
    {"tail_call", via_tail_call},
    {"noreturn", via_noreturn},
    {"recursion", via_recursion},
    {"deep_recursion", via_deep_recursion},
    {"qsort", via_qsort},
    {"clock", via_clock},
    {0},
};
