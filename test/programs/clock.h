// SPDX-License-Identifier: Apache-2.0
// Time and sleep for the fixtures by system calls of their own: a frame of libc, which has no frame pointers,
// would hide the caller.
#pragma once
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

/* A function that calls nothing gets no frame pointer from GCC, whatever the options, unless it asks for it:
   without one its caller would be missing from the stack. */
#define KEEP_FRAME() __asm__ volatile("" ::"r"(__builtin_frame_address(0)))

static inline __attribute__((always_inline)) long raw_syscall4(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}

static inline __attribute__((always_inline)) void sleep_ms(long ms) {
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (raw_syscall4(SYS_nanosleep, (long)&left, (long)&left, 0, 0) == -4 /* EINTR */);
}

static inline double now_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* CPU time of the calling thread. */
static inline __attribute__((always_inline)) double cpu_seconds(void) {
  struct timespec now;
  raw_syscall4(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, (long)&now, 0, 0);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline __attribute__((always_inline)) uint64_t spin(uint64_t x, int iterations) {
  for (int i = 0; i < iterations; i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    __asm__ volatile("" : "+r"(x));
  }
  return x;
}
