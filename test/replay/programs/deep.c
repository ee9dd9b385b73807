// SPDX-License-Identifier: Apache-2.0
// Deeper than a stack that is taken, and less deep.
#include <stdlib.h>

__attribute__((noinline)) int bottom(int depth) {
  __asm__ volatile("nop");
  return depth;
}

__attribute__((noinline)) int descend(int depth) {
  int below = depth == 0 ? bottom(depth) : descend(depth - 1);
  // Without this the compiler makes a loop of it.
  __asm__ volatile("" : "+r"(below));
  return below + 1;
}

int main(int count, char **arguments) { return descend(count > 1 ? atoi(arguments[1]) : 0) == 7; }
