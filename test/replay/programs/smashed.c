// SPDX-License-Identifier: Apache-2.0
// A function whose return address was overwritten.
__attribute__((noinline)) int below(int number) {
  __asm__ volatile("nop");
  return number;
}

__attribute__((noinline)) int smashed(int number) {
  ((void *volatile *)__builtin_frame_address(0))[1] = (void *)0x1234;
  return below(number) + 1;
}

int main(void) { return smashed(1); }
