// SPDX-License-Identifier: Apache-2.0
// Waiting, deep in code and in libc: for a while again and again, and for ever.
#include <pthread.h>
#include <unistd.h>

#include "kinds.h"

FUNCTION void sleeps(double seconds) {
  usleep((useconds_t)(seconds * 1e6));
  RETURNS_HERE();
}
FUNCTION void waits(double seconds) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  (void)seconds;
  pthread_mutex_lock(&mutex);
  for (;;) pthread_cond_wait(&never, &mutex);
}
FUNCTION void deeper(int depth, void (*wait)(double), double seconds) {
  if (depth == 0)
    wait(seconds);
  else
    deeper(depth - 1, wait, seconds);
  RETURNS_HERE();
}

FUNCTION void via_sleep(double seconds) {
  deeper(20, sleeps, seconds);
  RETURNS_HERE();
}

FUNCTION void* in_waiting_thread(void* unused) {
  deeper(20, waits, 0);
  RETURNS_HERE();
  return unused;
}
FUNCTION void via_wait(double seconds) {
  static pthread_t thread;
  if (thread == 0) pthread_create(&thread, NULL, in_waiting_thread, NULL);
  (void)seconds;
}

const struct kind wait_kinds[] = {
    {"sleep", via_sleep},
    {"wait", via_wait},
    {0},
};
