// SPDX-License-Identifier: Apache-2.0
// sleeper SECONDS: one thread that is away 70 % of the time in one function and 30 % in another.
#include <stdlib.h>

#include "clock.h"

__attribute__((noinline, noclone)) static void wait_for_database(void) {
  KEEP_FRAME();
  sleep_ms(70);
  __asm__ volatile("");
}

__attribute__((noinline, noclone)) static void wait_for_cache(void) {
  KEEP_FRAME();
  sleep_ms(30);
  __asm__ volatile("");
}

__attribute__((noinline, noclone)) static void serve_request(void) {
  wait_for_database();
  wait_for_cache();
  __asm__ volatile("");
}

int main(int argc, char** argv) {
  const double until = now_seconds() + (argc > 1 ? atof(argv[1]) : 10);
  while (now_seconds() < until) serve_request();
}
