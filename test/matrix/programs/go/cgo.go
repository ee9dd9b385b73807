// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

/*
#cgo CFLAGS: -O2 -fomit-frame-pointer
#include <stdint.h>
#include <time.h>

static double cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

__attribute__((noipa)) static void c_burn(double seconds) {
  uint64_t x = 1;
  for (const double done = cpu_seconds() + seconds; cpu_seconds() < done;)
    for (int i = 0; i < 10000; i++) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      __asm__ volatile("" : "+r"(x));
    }
}

__attribute__((noipa)) static void c_outer(double seconds) {
  c_burn(seconds);
  __asm__ volatile("" ::: "memory");
}

void goBack(double seconds);

__attribute__((noipa)) static void c_calls_back(double seconds) {
  goBack(seconds);
  __asm__ volatile("" ::: "memory");
}
*/
import "C"

func init() {
	kinds["c"] = viaC
	kinds["back_from_c"] = viaBackFromC
}

//go:noinline
func viaC(seconds float64) {
	C.c_outer(C.double(seconds))
	sink++
}

//export goBack
func goBack(seconds C.double) {
	burn(float64(seconds))
	sink++
}

//go:noinline
func viaBackFromC(seconds float64) {
	C.c_calls_back(C.double(seconds))
	sink++
}
