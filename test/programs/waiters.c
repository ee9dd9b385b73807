// SPDX-License-Identifier: Apache-2.0
// waiters SECONDS: three threads that wait on futexes, 60 % of the time for a job and 40 % for its reply,
// woken by a fourth one. Their names are worker-0, worker-1, worker-2 and conductor.
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "clock.h"

enum { WORKERS = 3, JOB_MS = 60, REPLY_MS = 40 };

static volatile uint32_t jobs, replies, stop;

static inline __attribute__((always_inline)) void futex_wait(volatile uint32_t* word, uint32_t seen) {
  while (*word == seen) raw_syscall4(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, (long)seen, 0);
}

static inline void futex_wake_all(volatile uint32_t* word) {
  __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
  raw_syscall4(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, WORKERS, 0);
}

__attribute__((noinline, noclone)) static void wait_for_job(uint32_t seen) {
  KEEP_FRAME();
  futex_wait(&jobs, seen);
  __asm__ volatile("");
}

__attribute__((noinline, noclone)) static void wait_for_reply(uint32_t seen) {
  KEEP_FRAME();
  futex_wait(&replies, seen);
  __asm__ volatile("");
}

static void* work(void* index) {
  char name[16];
  snprintf(name, sizeof name, "worker-%d", (int)(long)index);
  prctl(PR_SET_NAME, name);
  for (uint32_t round = 0; !stop; round++) {
    wait_for_job(round);
    wait_for_reply(round);
  }
  return NULL;
}

int main(int argc, char** argv) {
  const double until = now_seconds() + (argc > 1 ? atof(argv[1]) : 10);
  pthread_t workers[WORKERS];
  for (long i = 0; i < WORKERS; i++) pthread_create(&workers[i], NULL, work, (void*)i);
  prctl(PR_SET_NAME, "conductor");
  while (!stop) {
    sleep_ms(JOB_MS);
    futex_wake_all(&jobs);
    sleep_ms(REPLY_MS);
    if (now_seconds() >= until) stop = 1;
    futex_wake_all(&replies);
  }
  for (int i = 0; i < WORKERS; i++) pthread_join(workers[i], NULL);
}
