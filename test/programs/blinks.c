// SPDX-License-Identifier: Apache-2.0
// blinks COUNT PROGRAM [ARG…]: waits for a line on stdin, then runs the program that often, one after
// another.
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char** environ;

int main(int argc, char** argv) {
  if (argc < 3 || getchar() == EOF) return 2;
  for (int i = atoi(argv[1]); i > 0; i--) {
    pid_t pid;
    int status;
    if (posix_spawn(&pid, argv[2], NULL, NULL, argv + 2, environ) != 0) return 1;
    if (waitpid(pid, &status, 0) != pid || status != 0) return 1;
  }
}
