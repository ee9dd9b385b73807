// SPDX-License-Identifier: Apache-2.0
// Calls through procedure linkage, and into the vDSO.
#include <stdlib.h>
#include <time.h>

__attribute__((noinline)) long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_nsec + 1;
}

int main(int count, char **arguments) { return labs(now()) + atoi(arguments[count - 1]) == 7; }
