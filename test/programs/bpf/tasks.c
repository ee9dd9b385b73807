// SPDX-License-Identifier: Apache-2.0
// tasks MODE [ARGUMENT]: what the tests of native/bpf look at. All waiting is by system calls of its own, see
// clock.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../clock.h"

#define FUNCTION __attribute__((noinline, noclone))
#define FUTEX_WAIT_PRIVATE 128

static volatile uint64_t sink;

FUNCTION static void burn_some(void) {
  KEEP_FRAME();
  sink = spin(sink, 600000);
}
FUNCTION static void burn_less(void) {
  KEEP_FRAME();
  sink = spin(sink, 300000);
}
FUNCTION static void burn_little(void) {
  KEEP_FRAME();
  sink = spin(sink, 100000);
}

/* 60/30/10 % of the CPU time in three functions. */
FUNCTION static void shares(double seconds) {
  for (double until = now_seconds() + seconds; now_seconds() < until;) {
    burn_some();
    burn_less();
    burn_little();
  }
  __asm__ volatile("");
}

/* Half of the CPU time in the kernel. */
FUNCTION static void read_zeros(double seconds) {
  static char zeros[1 << 20];
  FILE *file = fopen("/dev/zero", "r");
  for (double until = now_seconds() + seconds; now_seconds() < until;)
    raw_syscall4(SYS_read, fileno(file), (long)zeros, sizeof zeros, 0);
}

FUNCTION static void sleep_long(void) {
  KEEP_FRAME();
  sleep_ms(70);
  __asm__ volatile("");
}
FUNCTION static void sleep_short(void) {
  KEEP_FRAME();
  sleep_ms(30);
  __asm__ volatile("");
}
FUNCTION static void sleeps(double seconds) {
  for (double until = now_seconds() + seconds; now_seconds() < until;) {
    sleep_long();
    sleep_short();
  }
  __asm__ volatile("");
}

/* Waits for what never comes. */
FUNCTION static void stuck(void) {
  int word = 0;
  KEEP_FRAME();
  for (;;) raw_syscall4(SYS_futex, (long)&word, FUTEX_WAIT_PRIVATE, 0, 0);
}
FUNCTION static void wait_forever(void) {
  stuck();
  __asm__ volatile("");
}

/* Children one after another, each a new program that burns for 20 ms. */
static void series(const char *self, int count) {
  for (int i = 0; i < count; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      execl(self, "blink", "shares", "0.02", (char *)NULL);
      _exit(1);
    }
    waitpid(pid, NULL, 0);
  }
}

/* Starts a child when a line is read, and waits for it. */
static void parent(double seconds) {
  char line[16];
  if (!fgets(line, sizeof line, stdin)) return;
  pid_t pid = fork();
  if (pid == 0) {
    shares(seconds);
    _exit(0);
  }
  printf("%d\n", pid);
  fflush(stdout);
  waitpid(pid, NULL, 0);
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  double argument = argc > 2 ? atof(argv[2]) : 0;
  if (!strcmp(mode, "shares")) shares(argument);
  if (!strcmp(mode, "kernel")) read_zeros(argument);
  if (!strcmp(mode, "sleeps")) sleeps(argument);
  if (!strcmp(mode, "stuck")) wait_forever();
  if (!strcmp(mode, "series")) series("/proc/self/exe", (int)argument);
  if (!strcmp(mode, "parent")) parent(argument);
  return 0;
}
