// SPDX-License-Identifier: Apache-2.0
// A function that the C library calls back, in the main thread and in another one.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) int innermost(const int *a, const int *b) {
  __asm__ volatile("nop");
  return *a - *b;
}

static int compare(const void *a, const void *b) { return 2 * innermost(a, b); }

__attribute__((noinline)) int sorted(int first) {
  int numbers[] = {first, 3, 1, 2};
  qsort(numbers, 4, sizeof(numbers[0]), compare);
  return numbers[0];
}

static void *thread(void *argument) {
  // Waits in a system call first.
  usleep(1000);
  return (void *)(long)sorted(*(int *)argument);
}

int main(int count, char **arguments) {
  if (count == 1) return sorted(count);
  pthread_t id;
  void *result;
  pthread_create(&id, 0, thread, &count);
  pthread_join(id, &result);
  return (int)(long)result + strcmp(arguments[0], "") + 1;
}
