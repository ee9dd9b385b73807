// SPDX-License-Identifier: Apache-2.0
// A frame that gcc aligns and that takes room of a size known only at run time: where its caller's stack is must be
// read from the frame itself.
#include <alloca.h>
#include <stdarg.h>

struct wide {
  double numbers[8];
} __attribute__((aligned(64)));

__attribute__((noinline)) static void use(void *wide, void *room) { __asm__ volatile("" : : "r"(wide), "r"(room)); }

__attribute__((noinline)) int aligned(int size, ...) {
  struct wide wide;
  va_list list;
  va_start(list, size);
  char *room = alloca(size);
  wide.numbers[1] = va_arg(list, double);
  use(&wide, room);
  va_end(list);
  return (int)wide.numbers[1] + room[0];
}

int main(int count, char **arguments) { return aligned(count * 8, (double)(long)arguments[0]); }
