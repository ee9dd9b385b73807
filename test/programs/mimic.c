// SPDX-License-Identifier: Apache-2.0
// Looks like a Java virtual machine and is none. Arguments: a file to map as code, seconds to burn, and what
// it has of a machine: `threads` with the names of its threads, or a `handler` for SIGQUIT, which ends it
// with 3.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"

static void quit(int signal) {
  (void)signal;
  _exit(3);
}

static void *thread(void *name) {
  prctl(PR_SET_NAME, name);
  for (;;) pause();
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int library = open(argv[1], O_RDONLY);
  void *code = library < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, library, 0);
  if (code == MAP_FAILED) {
    perror(argv[1]);
    return 2;
  }
  if (strcmp(argv[3], "handler") == 0) {
    signal(SIGQUIT, quit);
  } else {
    pthread_t id;
    pthread_create(&id, NULL, thread, "VM Thread");
    pthread_create(&id, NULL, thread, "Signal Dispatch");
  }
  double end = now_seconds() + atof(argv[2]);
  for (uint64_t x = 1; now_seconds() < end;) {
    x = spin(x, 1000000);
    sleep_ms(2);
  }
  return 0;
}
