// SPDX-License-Identifier: Apache-2.0
// Kinds of code. Each is a function that burns a given amount of its thread's CPU time, most of it in the innermost
// function of a call chain that is known by name.
#pragma once
#include "../../../programs/clock.h"

/* As written, out of line, and never specialized: the chain of calls is the one in the source. */
#ifdef __clang__
#define FUNCTION __attribute__((noinline))
#else
#define FUNCTION __attribute__((noipa))
#endif
/* Behind a call that would else become a jump. */
#define RETURNS_HERE() __asm__ volatile("" ::: "memory")

#ifdef __cplusplus
extern "C" {
#endif

struct kind {
  const char* name;
  void (*run)(double seconds);
};

/* Ended by one without a name. */
extern const struct kind call_kinds[], stack_kinds[], signal_kinds[], wait_kinds[];
extern const struct kind library_kinds[], cxx_kinds[];

/* Burns, and calls nothing. */
FUNCTION void burn(double seconds);

/* In libkinds.so. */
uint64_t far_tiny(uint64_t x);
void far_call(void (*back)(double), double seconds);

#ifdef __cplusplus
}
#endif
