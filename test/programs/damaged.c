// SPDX-License-Identifier: Apache-2.0
// damaged SECONDS FOLDER: burns half of its CPU in code mapped from ELF files whose headers lie, the other
// half in a function of its own. The files are copies of this program with a damaged header and machine code
// behind them.
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

typedef void (*burn_fn)(long iterations);

/* push rbp; mov rbp,rsp; 1: dec rdi; jnz 1b; pop rbp; ret */
static const unsigned char kCode[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xff, 0xcf, 0x75, 0xfb, 0x5d, 0xc3};

static void damage(Elf64_Ehdr* header, int kind) {
  switch (kind) {
    case 0: /* not ELF at all any more */
      memcpy(header->e_ident,
             "\x7f"
             "ELG",
             4);
      break;
    case 1: /* sections far behind the end of the file */
      header->e_shoff = UINT64_MAX - 64;
      header->e_shnum = 0xfffe;
      break;
    case 2: /* program headers far behind the end, more than there is room for */
      header->e_phoff = UINT64_MAX / 2;
      header->e_phnum = 0xfffe;
      break;
    case 3: /* entries of a size that no parser expects */
      header->e_shentsize = 1;
      header->e_phentsize = 0xffff;
      break;
  }
}

static burn_fn map_damaged(const char* folder, int kind) {
  char path[4096];
  snprintf(path, sizeof path, "%s/damaged-%d.so", folder, kind);
  const int self = open("/proc/self/exe", O_RDONLY), out = open(path, O_RDWR | O_CREAT | O_TRUNC, 0755);
  struct stat info;
  if (self < 0 || out < 0 || fstat(self, &info) != 0) return NULL;
  const long page = sysconf(_SC_PAGESIZE), code = (info.st_size + page - 1) / page * page;
  char* copy = calloc(1, (size_t)(code + page));
  if (copy == NULL || read(self, copy, (size_t)info.st_size) != info.st_size) return NULL;
  damage((Elf64_Ehdr*)copy, kind);
  memcpy(copy + code, kCode, sizeof kCode);
  if (write(out, copy, (size_t)(code + page)) != code + page) return NULL;
  free(copy);
  void* mapped = mmap(NULL, (size_t)page, PROT_READ | PROT_EXEC, MAP_PRIVATE, out, code);
  close(self);
  close(out);
  return mapped == MAP_FAILED ? NULL : (burn_fn)mapped;
}

__attribute__((noinline, noclone)) static uint64_t burn_sound(uint64_t x) {
  KEEP_FRAME();
  // Turns of one length could beat with the sampling clock, which would then see one side more often.
  static uint32_t random = 1;
  random = random * 1664525 + 1013904223;
  x = spin(x, 100000 + (random >> 8) % 3000000);
  __asm__ volatile("" : "+r"(x));
  return x;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const double until = now_seconds() + atof(argv[1]);
  enum { KINDS = 4 };
  burn_fn burn[KINDS];
  for (int kind = 0; kind < KINDS; kind++)
    if ((burn[kind] = map_damaged(argv[2], kind)) == NULL) return 1;
  puts("ready");
  fflush(stdout);
  uint64_t x = 1;
  while (now_seconds() < until) {
    const double start = cpu_seconds();
    x = burn_sound(x);
    const double half = cpu_seconds() - start, done = start + 2 * half;
    for (int kind = 0; cpu_seconds() < done; kind = (kind + 1) % KINDS) burn[kind](50000);
  }
  return x == 0;
}
