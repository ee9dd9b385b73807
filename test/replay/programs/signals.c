// SPDX-License-Identifier: Apache-2.0
// Handlers of signals: one that a system call was interrupted by, and one, on a stack of its own, of a fault
// in the first instruction of a function.
#include <signal.h>
#include <stdlib.h>

__attribute__((noinline)) void handled(int number) { __asm__ volatile("nop" : : "r"(number)); }

static void handler(int number) {
  handled(number);
  if (number == SIGILL) _Exit(0);
}

#ifdef __x86_64__
#define FAULT "ud2"
#else
#define FAULT "udf #0"
#endif
__attribute__((noinline)) void faults(void) { __asm__ volatile(FAULT); }

__attribute__((noinline)) int interrupted(int number) {
  if (number == SIGILL) faults();
  return raise(number) + 1;
}

int main(void) {
  stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  sigaltstack(&stack, 0);
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGUSR1, &action, 0);
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGILL, &action, 0);
  return interrupted(SIGUSR1) + interrupted(SIGILL);
}
