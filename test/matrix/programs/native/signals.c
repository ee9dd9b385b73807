// SPDX-License-Identifier: Apache-2.0
// Signal handlers that burn: their stack goes on below the frame that the kernel made.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "kinds.h"

static volatile double to_burn;
static volatile int handled;

FUNCTION void on_signal(int signal) {
  (void)signal;
  burn(to_burn);
  handled = 1;
}

/* Interrupted anywhere in its loop. It has no frame, and nothing of it is on the stack but its return address. */
FUNCTION uint64_t interrupted(uint64_t x) {
  while (!handled) x = spin(x, 100);
  return x;
}

FUNCTION void interrupt(double seconds, int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = flags;
  sigaction(SIGALRM, &action, NULL);
  to_burn = seconds;
  handled = 0;
  // A while later, when the loop is on.
  const struct itimerval soon = {{0, 0}, {0, 100}};
  setitimer(ITIMER_REAL, &soon, NULL);
  interrupted(1);
  RETURNS_HERE();
}

FUNCTION void via_signal(double seconds) {
  interrupt(seconds, 0);
  RETURNS_HERE();
}

FUNCTION void via_alternate_stack(double seconds) {
  static char* memory;
  enum { SIZE = 65536 };
  if (memory == NULL) memory = malloc(SIZE);
  const stack_t other = {.ss_sp = memory, .ss_size = SIZE};
  sigaltstack(&other, NULL);
  interrupt(seconds, SA_ONSTACK);
  RETURNS_HERE();
}

const struct kind signal_kinds[] = {
    {"signal", via_signal},
    {"alternate_stack", via_alternate_stack},
    {0},
};
