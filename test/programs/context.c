// SPDX-License-Identifier: Apache-2.0
// The variable of OpenTelemetry's thread context (OTEP 4947), to be compiled into a program or a library in
// each way that such a variable can be reached.
#include "context.h"

__attribute__((visibility("default"))) __thread struct context_record *otel_thread_ctx_v1;

// Volatile, and through the variable each time: as a writer does it.
__attribute__((visibility("default"), noinline)) void context_attach(struct context_record *record) {
  *(struct context_record *volatile *)&otel_thread_ctx_v1 = record;
}
