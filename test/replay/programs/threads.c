// SPDX-License-Identifier: Apache-2.0
// A function that a thread is started with.
#include <pthread.h>

__attribute__((noinline)) long innermost(long number) {
  __asm__ volatile("nop");
  return number;
}

static void *thread(void *argument) { return (void *)(innermost((long)argument) + 1); }

int main(void) {
  pthread_t id;
  void *result;
  pthread_create(&id, 0, thread, 0);
  pthread_join(id, &result);
  return (int)(long)result - 1;
}
