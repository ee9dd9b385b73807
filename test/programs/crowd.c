// SPDX-License-Identifier: Apache-2.0
// crowd SECONDS THREADS: threads that want a CPU for 4 ms and then sleep for 1 ms, over and over. Pinned to
// one CPU they spend most of their time waiting for it.
#include <pthread.h>
#include <stdlib.h>

#include "clock.h"

static double until;

__attribute__((noinline, noclone)) static uint64_t elbow(uint64_t x) {
  KEEP_FRAME();
  const double done = cpu_seconds() + 0.004;
  while (cpu_seconds() < done) x = spin(x, 2000);
  return x;
}

__attribute__((noinline, noclone)) static void step_back(void) {
  KEEP_FRAME();
  sleep_ms(1);
  __asm__ volatile("");
}

static void* push(void* seed) {
  uint64_t x = (uint64_t)(long)seed;
  while (now_seconds() < until) {
    x = elbow(x);
    step_back();
  }
  return (void*)(long)x;
}

int main(int argc, char** argv) {
  until = now_seconds() + (argc > 1 ? atof(argv[1]) : 10);
  const int count = argc > 2 ? atoi(argv[2]) : 4;
  pthread_t threads[64];
  for (long i = 0; i < count && i < 64; i++) pthread_create(&threads[i], NULL, push, (void*)i);
  for (int i = 0; i < count && i < 64; i++) pthread_join(threads[i], NULL);
}
