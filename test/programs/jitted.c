// SPDX-License-Identifier: Apache-2.0
// jitted FOLDER SECONDS: makes two functions at run time that share its CPU 3 to 1, and says so in
// FOLDER/jit-PID.dump, as a JIT compiler does for perf.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"

// push %rbp; mov %rsp,%rbp; 1: dec %edi; jnz 1b; pop %rbp; ret
static const unsigned char kCode[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xcf, 0x75, 0xfc, 0x5d, 0xc3};
static const char kFile[] = "/srv/app/turns.script";

struct line {
  uint64_t address;
  uint32_t line, column;
};

static FILE* dump;

static void record(uint32_t kind, uint32_t size) {
  uint32_t head[] = {kind, size + 16};
  uint64_t now = (uint64_t)(now_seconds() * 1e9);
  fwrite(head, sizeof(head), 1, dump);
  fwrite(&now, sizeof(now), 1, dump);
}

// Lines of the prologue, of the loop and of the end; then the code.
static void tell(const unsigned char* at, const char* name, uint32_t first_line) {
  uint64_t start = (uint64_t)at;
  uint64_t about[] = {start, 3};
  struct line lines[] = {
      {start, first_line, 0}, {start + 4, first_line + 1, 0}, {start + 8, first_line + 2, 0}};
  record(2, sizeof(about) + sizeof(lines) + sizeof(kFile) + 2 * sizeof("\xff"));
  fwrite(about, sizeof(about), 1, dump);
  for (int i = 0; i < 3; i++) {
    fwrite(&lines[i], sizeof(lines[i]), 1, dump);
    if (i == 0)
      fwrite(kFile, sizeof(kFile), 1, dump);
    else
      fwrite("\xff", 2, 1, dump);
  }
  static uint64_t index;
  uint64_t where[] = {(uint64_t)getpid() << 32 | (uint32_t)getpid(), start, start, sizeof(kCode), index++};
  record(0, sizeof(where) + strlen(name) + 1 + sizeof(kCode));
  fwrite(where, sizeof(where), 1, dump);
  fwrite(name, strlen(name) + 1, 1, dump);
  fwrite(kCode, sizeof(kCode), 1, dump);
  fflush(dump);
}

static void (*make(unsigned char* at, const char* name, uint32_t first_line))(uint32_t) {
  memcpy(at, kCode, sizeof(kCode));
  tell(at, name, first_line);
  return (void (*)(uint32_t))(void*)at;
}

__attribute__((noinline)) static void run(void (*function)(uint32_t), uint32_t turns) {
  KEEP_FRAME();
  function(turns);
  __asm__ volatile("");  // no tail call
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  char path[4096];
  snprintf(path, sizeof(path), "%s/jit-%d.dump", argv[1], getpid());
  dump = fopen(path, "w+");
  if (!dump) return 1;
  uint32_t header[10] = {0x4a695444, 1, sizeof(header), 62, 0, (uint32_t)getpid()};
  fwrite(header, sizeof(header), 1, dump);
  fflush(dump);
  // What tells perf, and us, that there is a dump.
  long page = sysconf(_SC_PAGESIZE);
  if (mmap(0, (size_t)page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(dump), 0) == MAP_FAILED) return 1;
  unsigned char* memory =
      mmap(0, (size_t)page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  make(memory, "dropped before it ran", 1);
  void (*heavy)(uint32_t) = make(memory, "script heavy<int>", 10);
  void (*light)(uint32_t) = make(memory + 64, "script light", 20);
  double end = now_seconds() + atof(argv[2]);
  while (now_seconds() < end) {
    // Turns of one length could beat with the sampling clock, which would then see one side more often.
    static uint32_t random = 1;
    random = random * 1664525 + 1013904223;
    uint32_t turns = 500000 + (random >> 8) % 2000000;
    run(heavy, turns * 3);
    run(light, turns);
  }
}
