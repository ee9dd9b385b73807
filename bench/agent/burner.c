// SPDX-License-Identifier: Apache-2.0
// burner THREADS: keeps that many CPUs busy in a call tree some ten frames deep, until it is stopped. Compile
// it with -O2 -fomit-frame-pointer: what most distributions ship. Prints iterations of the last second, every
// second.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_THREADS = 64 };

static struct {
  _Alignas(64) uint64_t iterations;
  volatile uint64_t state;  // or the compiler would see that nobody wants the result
} progress[MAX_THREADS];

__attribute__((noinline, noclone)) static uint64_t mix(uint64_t x) {
  for (int i = 0; i < 1500; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  return x;
}

__attribute__((noinline, noclone)) static uint64_t sort_left(uint64_t x, int depth);

__attribute__((noinline, noclone)) static uint64_t sort_right(uint64_t x, int depth) {
  return depth == 0 ? mix(x) : sort_left(x ^ 1, depth - 1) + 3;
}

__attribute__((noinline, noclone)) static uint64_t sort_left(uint64_t x, int depth) {
  return depth == 0 ? mix(x) + 1 : sort_right(mix(x), depth - 1) ^ 5;
}

static void* burn(void* index) {
  const uintptr_t own = (uintptr_t)index;
  for (progress[own].state = own + 1;;) {
    progress[own].state += sort_left(progress[own].state | 1, 9);
    __atomic_add_fetch(&progress[own].iterations, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

int main(int argc, char** argv) {
  const int threads = argc > 1 ? atoi(argv[1]) : 2;
  if (threads < 1 || threads > MAX_THREADS) return 2;
  for (int i = 0; i < threads; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, burn, (void*)(uintptr_t)i) != 0) return 1;
  }
  for (uint64_t before = 0;;) {
    nanosleep(&(struct timespec){1, 0}, NULL);
    uint64_t now = 0;
    for (int i = 0; i < threads; i++) now += __atomic_load_n(&progress[i].iterations, __ATOMIC_RELAXED);
    printf("%llu\n", (unsigned long long)(now - before));
    fflush(stdout);
    before = now;
  }
}
