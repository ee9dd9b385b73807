// SPDX-License-Identifier: Apache-2.0
// kinds SECONDS NAME=WEIGHT...: burns CPU time in kinds of code, by turns, in proportion to the weights. Says
// "ready" when it begins.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kinds.h"

enum { MAX_TURNS = 64 };
/* CPU time of a round, for the sum of all weights. */
static const double ROUND = 0.1;

static struct turn {
  void (*run)(double);
  double seconds;
} turns[MAX_TURNS];

/* Not every program is linked with all of them. */
extern const struct kind library_kinds[] __attribute__((weak));
extern const struct kind cxx_kinds[] __attribute__((weak));

FUNCTION void burn(double seconds) {
  const double done = cpu_seconds() + seconds;
  uint64_t x = 1;
  while (cpu_seconds() < done) x = spin(x, 20000);
}

static void (*find(const char* name, size_t length))(double) {
  const struct kind* lists[] = {call_kinds, stack_kinds, signal_kinds, wait_kinds, library_kinds, cxx_kinds};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    for (const struct kind* kind = lists[i]; kind != NULL && kind->name != NULL; kind++)
      if (strncmp(kind->name, name, length) == 0 && kind->name[length] == 0) return kind->run;
  return NULL;
}

int main(int argc, char** argv) {
  if (argc < 3 || argc - 2 > MAX_TURNS) return 2;
  double sum = 0;
  for (int i = 2; i < argc; i++) {
    const char* weight = strchr(argv[i], '=');
    struct turn* turn = &turns[i - 2];
    if (weight == NULL || (turn->run = find(argv[i], (size_t)(weight - argv[i]))) == NULL) {
      fprintf(stderr, "no such kind: %s\n", argv[i]);
      return 2;
    }
    sum += turn->seconds = atof(weight + 1);
  }
  puts("ready");
  fflush(stdout);
  const double until = now_seconds() + atof(argv[1]);
  uint32_t random = 1;
  while (now_seconds() < until) {
    // Rounds of one length could beat with the sampling clock, which would then see one kind more often.
    random = random * 1664525 + 1013904223;
    const double length = ROUND * (0.5 + (random >> 8) / 16777216.0);
    for (int i = 0; i < argc - 2; i++) turns[i].run(length * turns[i].seconds / sum);
  }
}
