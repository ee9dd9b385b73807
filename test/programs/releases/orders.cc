// SPDX-License-Identifier: Apache-2.0
// A service of which two releases are built: -DPRICE=48 makes price() a fifth dearer than -DPRICE=40 does.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#ifndef PRICE
#define PRICE 40
#endif

volatile uint64_t sink;

// Each call does between half and one and a half of it: work that is always as long could keep step with the
// sampling clock, and be seen too often or too seldom for as long as it runs.
static uint64_t rounds_of(int rounds) {
  static uint64_t state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<uint64_t>(rounds) * (500 + (state >> 33) % 1000);
}

// A chain of multiplications: each waits for the one before, so that time goes with the count alone. Each
// function adds something else, or the compiler would make one of two that are equal.
#define WORK(name, rounds, odd)                                                                     \
  __attribute__((noinline)) static uint64_t name(uint64_t x) {                                      \
    for (uint64_t left = rounds_of(rounds); left > 0; left--) x = x * 6364136223846793005u + (odd); \
    return x;                                                                                       \
  }
WORK(parse, 30, 3)
WORK(price, PRICE, 5)
WORK(render, 30, 7)

__attribute__((noinline)) static void handle(uint64_t x) { sink = render(price(parse(x))); }

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  timespec used;
  // Of CPU time: as many samples on a busy machine as on an idle one.
  do {
    for (int i = 0; i < 100; i++) handle(static_cast<uint64_t>(i));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  } while (static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9 < seconds);
}
