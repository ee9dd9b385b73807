// SPDX-License-Identifier: Apache-2.0
// Publishes what its threads work on, as OTEP 4719 and 4947 say, or as they do not.
//   publisher half [LIBRARY]     two threads: half of their CPU time with a context, each with a span of its
//   own publisher waits [LIBRARY]    asleep 70 % of the time with a context, 30 % without publisher stuck
//   [LIBRARY]    asleep with a context publisher flood [LIBRARY]    another trace and span each time round
//   publisher garbage [LIBRARY]  records and pointers that are none, for ever changing
//   publisher liar [LIBRARY]     as half, but the process context is nonsense
// The variable is in LIBRARY, or linked in. Ends with its input.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "context.h"

#ifdef LOADED
static void (*attach)(struct context_record *record);
#else
#define attach context_attach
#endif

struct header {
  char signature[8];
  uint32_t version, payload_size;
  uint64_t published_ns, payload;
};

// ProcessContext { attributes: [ { key: "threadlocal.schema_version", value: { string_value: "tlsdesc_v1_dev"
// } } ] }
static const char payload[] =
    "\x12\x2e\x0a\x1a"
    "threadlocal.schema_version"
    "\x12\x10\x0a\x0e"
    "tlsdesc_v1_dev";

static struct header *publish(bool whole) {
  int fd = memfd_create("OTEL_CTX", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ftruncate(fd, sizeof(struct header)) != 0) exit(1);
  struct header *header = mmap(0, sizeof *header, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (header == MAP_FAILED) exit(1);
  close(fd);
  memcpy(header->signature, "OTEL_CTX", 8);
  header->version = 2;
  header->payload_size = sizeof payload - 1;
  header->payload = (uint64_t)payload;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  header->published_ns = whole;
  return header;
}

static __attribute__((noinline)) uint64_t burn(uint64_t x, double seconds) {
  KEEP_FRAME();
  double end = cpu_seconds() + seconds;
  while (cpu_seconds() < end) x = spin(x, 2000);
  return x;
}

/* The compiler would see that it is the next one, too. */
static __attribute__((noinline, no_icf)) uint64_t traced(uint64_t x, double seconds) {
  KEEP_FRAME();
  x = burn(x, seconds);
  __asm__ volatile("" : "+r"(x));
  return x;
}

static __attribute__((noinline, no_icf)) uint64_t untraced(uint64_t x, double seconds) {
  KEEP_FRAME();
  x = burn(x, seconds);
  __asm__ volatile("" : "+r"(x));
  return x;
}

static struct context_record *record_of(uint8_t span) {
  struct context_record *record = aligned_alloc(8, sizeof *record);
  // The example of W3C Trace Context.
  static const uint8_t trace[] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
                                  0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};
  memset(record, 0, sizeof *record);
  memcpy(record->trace_id, trace, sizeof trace);
  memcpy(record->span_id, "\xb7\xad\x6b\x71\x69\x20\x33", 7);
  record->span_id[7] = span;
  record->valid = 1;
  return record;
}

static void *half(void *span) {
  struct context_record *record = record_of((uint8_t)(uintptr_t)span);
  for (uint64_t x = 1;;) {
    attach(record);
    x = traced(x, 0.02);
    attach(0);
    x = untraced(x, 0.02);
  }
  return 0;
}

static __attribute__((noinline, no_icf)) void sleep_traced(void) {
  KEEP_FRAME();
  sleep_ms(70);
  KEEP_FRAME();
}

static __attribute__((noinline, no_icf)) void sleep_untraced(void) {
  KEEP_FRAME();
  sleep_ms(30);
  KEEP_FRAME();
}

static void *waits(void *span) {
  struct context_record *record = record_of((uint8_t)(uintptr_t)span);
  for (;;) {
    attach(record);
    sleep_traced();
    attach(0);
    sleep_untraced();
  }
  return 0;
}

static void *stuck(void *span) {
  attach(record_of((uint8_t)(uintptr_t)span));
  for (;;) sleep_ms(1000000);
  return 0;
}

static void *flood(void *span) {
  struct context_record *record = record_of((uint8_t)(uintptr_t)span);
  attach(record);
  for (uint64_t x = 1;;) {
    record->valid = 0;
    memcpy(record->trace_id, &x, sizeof x);
    memcpy(record->span_id, &x, sizeof x);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    record->valid = 1;
    x = traced(x, 0.0001);
  }
  return 0;
}

static void *garbage(void *unused) {
  (void)unused;
  struct context_record *record = record_of(1);
  // A record that goes past the end of what is mapped.
  char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + 4096, 4096);
  memset(pages, 1, 4096);
  // What holds no memory at all, or none of ours.
  void *places[] = {(void *)0x10,
                    (void *)0xdeadbeef000,
                    (void *)0x0123456789abcdef,
                    (void *)0xffff888000000000,
                    pages + 4096 - 20,
                    (char *)record + 1,
                    (void *)~0ul};
  for (uint64_t x = 1;; x = traced(x, 0.00005)) {
    switch (x >> 60) {
      case 0:
      case 1:
      case 2:
      case 3:
        attach(places[x % (sizeof places / sizeof *places)]);
        break;
      case 4:
      case 5:
      case 6:
      case 7: /* valid says neither yes nor no */
        record->valid = 2 + x % 254;
        attach(record);
        break;
      case 8:
      case 9:
      case 10: /* a trace without span, a span without trace */
        memset(record, 0, 24);
        (x & 256 ? record->trace_id : record->span_id)[0] = 1;
        record->valid = 1;
        attach(record);
        break;
      case 11:
      case 12: /* huge */
        record->attributes_size = 0xffff;
        record->valid = 3;
        attach(record);
        break;
      default: /* while it is being written */
        record->valid = 0;
        attach(record);
        memcpy(record->trace_id, &x, sizeof x);
    }
  }
  return 0;
}

static void lie(struct header *header, uint64_t turn) {
  struct header lies[] = {
      {"OTEL_CTX", 2, 0xffffffff, 1, (uint64_t)payload},
      {"OTEL_CTX", 2, 65536, 1, 0xffff888000000000},
      {"OTEL_CTX", 7, sizeof payload, 1, (uint64_t)payload},
      {"OTEL_CTX", 2, sizeof payload + 30, 1, (uint64_t)payload},
      {"otel_ctx", 2, sizeof payload, 1, (uint64_t)payload},
      {"OTEL_CTX", 2, sizeof payload, 0, (uint64_t)payload},
      {"OTEL_CTX", 2, 20, 1, (uint64_t)payload},
      {"OTEL_CTX", 2, 4096, 1, (uint64_t)header},
  };
  *header = lies[turn % (sizeof lies / sizeof *lies)];
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
#ifdef LOADED
  void *library = argc > 2 ? dlopen(argv[2], RTLD_NOW) : 0;
  attach = library ? (void (*)(struct context_record *))dlsym(library, "context_attach") : 0;
  if (!attach) {
    fprintf(stderr, "publisher: %s\n", dlerror());
    return 2;
  }
#endif
  void *(*work)(void *) = !strcmp(mode, "half") || !strcmp(mode, "liar") ? half
                          : !strcmp(mode, "waits")                       ? waits
                          : !strcmp(mode, "stuck")                       ? stuck
                          : !strcmp(mode, "flood")                       ? flood
                          : !strcmp(mode, "garbage")                     ? garbage
                                                                         : 0;
  if (!work) return 2;
  bool lies = !strcmp(mode, "liar");
  struct header *header = publish(!lies);
  int threads = work == half ? 2 : 1;
  for (int i = 0; i < threads; i++) {
    pthread_t thread;
    if (pthread_create(&thread, 0, work, (void *)(uintptr_t)(0x31 + i)) != 0) return 1;
  }
  for (uint64_t turn = 0; lies; turn++) {
    lie(header, turn);
    sleep_ms(1);
    if (getppid() == 1) return 0;
  }
  char byte;
  while (read(0, &byte, 1) > 0 || errno == EINTR);
  return 0;
}
