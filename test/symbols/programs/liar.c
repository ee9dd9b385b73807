// SPDX-License-Identifier: Apache-2.0
// A library that says it is a Java virtual machine: tables as libjvm.so exports them, of structures that are valid at
// first. Then a thread writes over all of it: pointers to anywhere and to themselves, huge and negative numbers, pages
// that go away; every now and then everything is right again. Preloaded as libjvm.so into a program that sleeps.
//
// Prints what to ask about: method, its identity, code, what tells the compiled method, a stub.
#define _GNU_SOURCE
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define DEPTH 60 /* of inlined calls */
#define LINES (200 << 10)
#define PAGE 4096
#define AREA (1 << 20)

struct symbol {
  uint32_t hash_and_refcount;
  uint16_t length;
  char body[4090];
};
struct klass {
  uint64_t vtable;
  struct symbol *name;
  struct klass *next;
  struct loader *loader;
};
struct loader {
  struct loader *next;
  struct klass *classes;
};
struct tags {
  int length;
  uint8_t data[8];
};
struct pool {
  uint64_t vtable;
  struct tags *tags;
  struct klass *holder;
  uint16_t source;
  int length;
  struct symbol *entry[8];
};
struct const_method {
  struct pool *constants;
  int words;
  uint16_t flags, unused, code_size, name, signature, number;
  uint8_t bytecode[8 + LINES];
};
struct method {
  uint64_t vtable;
  struct const_method *constant;
};
struct space {
  char *low, *high;
};
struct heap {
  struct space memory, map;
  int shift;
};
struct array {
  int length;
  struct heap **data;
};
struct queue {
  char *buffer;
  int limit;
};
struct stub {
  struct stub *next;
  const char *group, *name;
  char *begin, *end;
};
struct nmethod {
  const char *name;
  int size, frame_size, frame_complete, compile_id, original_pc, pcs, dependencies, metadata;
  char *code, *code_end, *deopt, *scopes;
  struct method *method;
};
struct code {
  uint64_t used;
  struct nmethod header;
  uint8_t text[256];
  struct method *metadata[2];
  uint8_t scopes[DEPTH * 8 + 8];
  int pcs[3][4];
};
struct entry {
  const char *type, *field, *kind;
  int fixed;
  uint64_t offset;
  void *address;
};
struct size {
  const char *type;
  uint64_t size;
};
struct constant {
  const char *name;
  int value;
};

/* All of it in whole pages that are written over. */
static struct arena {
  struct entry structs[64];
  struct size types[4];
  struct constant constants[4];
  int version;
  struct array *heaps;
  struct queue *interpreter;
  struct loader *loaders;
  struct heap heap, *heap_list[1];
  struct array array;
  struct queue queue;
  struct loader loader[2];
  struct klass klass;
  struct tags tags;
  struct pool pool;
  struct method method;
  struct stub stub;
  struct symbol class_name, name, signature, source;
  uint8_t map[AREA >> 7];
  struct const_method constant;
  uint8_t rest[AREA / 4];
} *arena, *right;

#define EXPORT __attribute__((visibility("default")))
EXPORT struct entry *gHotSpotVMStructs;
EXPORT struct size *gHotSpotVMTypes;
EXPORT struct constant *gHotSpotVMIntConstants;
EXPORT struct stub *_ZN12StubCodeDesc5_listE;
#define PLACE(name, type, member) EXPORT uint64_t gHotSpotVM##name##Offset = offsetof(struct type, member)
PLACE(StructEntryTypeName, entry, type);
PLACE(StructEntryFieldName, entry, field);
PLACE(StructEntryTypeString, entry, kind);
PLACE(StructEntryIsStatic, entry, fixed);
PLACE(StructEntryOffset, entry, offset);
PLACE(StructEntryAddress, entry, address);
PLACE(TypeEntryTypeName, size, type);
PLACE(TypeEntrySize, size, size);
PLACE(IntConstantEntryName, constant, name);
PLACE(IntConstantEntryValue, constant, value);
EXPORT uint64_t gHotSpotVMStructEntryArrayStride = sizeof(struct entry);
EXPORT uint64_t gHotSpotVMTypeEntryArrayStride = sizeof(struct size);
EXPORT uint64_t gHotSpotVMIntConstantEntryArrayStride = sizeof(struct constant);

static void write_symbol(struct symbol *symbol, const char *text, int length) {
  symbol->hash_and_refcount = 0x12340001;
  symbol->length = length;
  memset(symbol->body, 'x', sizeof(symbol->body));
  memcpy(symbol->body, text, strlen(text));
}

/* A compressed number. */
static uint8_t *write_number(uint8_t *to, uint32_t number) {
  while (number >= 192) {
    uint32_t low = 192 + (number & 63);
    *to++ = low;
    number = (number - low) >> 6;
  }
  *to++ = number;
  return to;
}

/* A blob as at the start of the heap: one method that has itself inlined, over and over. */
static void write_code(struct code *code) {
  struct nmethod *header = &code->header;
  code->used = 1;
  uint8_t *scope = code->scopes;
  uint32_t before = 0, at = 0;
  *scope++ = 0; /* 0 is none */
  for (int i = 0; i < DEPTH; i++) {
    at = scope - code->scopes;
    scope = write_number(write_number(write_number(scope, before), 1), 1);
    before = at;
  }
  code->metadata[0] = &arena->method;
  int pcs[3][4] = {{-1, 0, 0, 0}, {128, (int)at, 0, 0}, {0x7fffffff, 0, 0, 0}};
  memcpy(code->pcs, pcs, sizeof(pcs));
  *header = (struct nmethod){
      .name = "nmethod",
      .size = sizeof(*code) - offsetof(struct code, header),
      .frame_size = 4,
      .compile_id = 77,
      .metadata = offsetof(struct code, metadata) - offsetof(struct code, header),
      .pcs = offsetof(struct code, pcs) - offsetof(struct code, header),
      .dependencies = sizeof(*code) - offsetof(struct code, header),
      .code = (char *)code->text,
      .code_end = (char *)code->text + sizeof(code->text),
      .scopes = (char *)code->scopes,
      .method = &arena->method,
  };
}

static void describe(void) {
  struct arena *a = arena;
  struct entry *next = a->structs;
#define HAS(of, field, kind, type, member) \
  *next++ = (struct entry){of, field, kind, 0, offsetof(struct type, member), 0}
#define STATIC(of, field, kind, where) *next++ = (struct entry){of, field, kind, 1, 0, where}
  STATIC("Abstract_VM_Version", "_vm_major_version", "int", &a->version);
  STATIC("CodeCache", "_heaps", "GrowableArray<CodeHeap*>*", &a->heaps);
  STATIC("AbstractInterpreter", "_code", "StubQueue*", &a->interpreter);
  STATIC("ClassLoaderDataGraph", "_head", "ClassLoaderData*", &a->loaders);
  HAS("GrowableArrayBase", "_len", "int", array, length);
  HAS("GrowableArray<int>", "_data", "int*", array, data);
  HAS("CodeHeap", "_memory", "VirtualSpace", heap, memory);
  HAS("CodeHeap", "_segmap", "VirtualSpace", heap, map);
  HAS("CodeHeap", "_log2_segment_size", "int", heap, shift);
  HAS("VirtualSpace", "_low", "char*", space, low);
  HAS("VirtualSpace", "_high_boundary", "char*", space, high);
  HAS("HeapBlock::Header", "_used", "bool", code, used);
  HAS("StubQueue", "_stub_buffer", "address", queue, buffer);
  HAS("StubQueue", "_buffer_limit", "int", queue, limit);
  HAS("CodeBlob", "_name", "const char*", nmethod, name);
  HAS("CodeBlob", "_size", "int", nmethod, size);
  HAS("CodeBlob", "_frame_size", "int", nmethod, frame_size);
  HAS("CodeBlob", "_frame_complete_offset", "int", nmethod, frame_complete);
  HAS("CodeBlob", "_code_begin", "address", nmethod, code);
  HAS("CodeBlob", "_code_end", "address", nmethod, code_end);
  HAS("CompiledMethod", "_method", "Method*", nmethod, method);
  HAS("CompiledMethod", "_deopt_handler_begin", "address", nmethod, deopt);
  HAS("CompiledMethod", "_scopes_data_begin", "address", nmethod, scopes);
  HAS("nmethod", "_compile_id", "int", nmethod, compile_id);
  HAS("nmethod", "_orig_pc_offset", "int", nmethod, original_pc);
  HAS("nmethod", "_scopes_pcs_offset", "int", nmethod, pcs);
  HAS("nmethod", "_dependencies_offset", "int", nmethod, dependencies);
  HAS("nmethod", "_metadata_offset", "int", nmethod, metadata);
  HAS("Method", "_constMethod", "ConstMethod*", method, constant);
  HAS("ConstMethod", "_constants", "ConstantPool*", const_method, constants);
  HAS("ConstMethod", "_constMethod_size", "int", const_method, words);
  HAS("ConstMethod", "_flags", "u2", const_method, flags);
  HAS("ConstMethod", "_code_size", "u2", const_method, code_size);
  HAS("ConstMethod", "_name_index", "u2", const_method, name);
  HAS("ConstMethod", "_signature_index", "u2", const_method, signature);
  HAS("ConstMethod", "_method_idnum", "u2", const_method, number);
  HAS("ConstantPool", "_pool_holder", "InstanceKlass*", pool, holder);
  HAS("ConstantPool", "_tags", "Array<u1>*", pool, tags);
  HAS("ConstantPool", "_length", "int", pool, length);
  HAS("ConstantPool", "_source_file_name_index", "u2", pool, source);
  HAS("Array<u1>", "_data", "u1", tags, data);
  HAS("Klass", "_name", "Symbol*", klass, name);
  HAS("Klass", "_next_link", "Klass*", klass, next);
  HAS("Klass", "_class_loader_data", "ClassLoaderData*", klass, loader);
  HAS("Symbol", "_hash_and_refcount", "unsigned int", symbol, hash_and_refcount);
  HAS("Symbol", "_length", "u2", symbol, length);
  HAS("Symbol", "_body[0]", "u1", symbol, body);
  HAS("ClassLoaderData", "_next", "ClassLoaderData*", loader, next);
  HAS("ClassLoaderData", "_klasses", "Klass*", loader, classes);
  a->types[0] = (struct size){"HeapBlock", offsetof(struct code, header)};
  a->types[1] = (struct size){"ConstMethod", offsetof(struct const_method, bytecode)};
  a->types[2] = (struct size){"ConstantPool", offsetof(struct pool, entry)};
  a->constants[0] = (struct constant){"ConstMethod::_has_linenumber_table", 1};
}

static void write_machine(char *area) {
  struct arena *a = arena;
  a->version = 17;
  a->heaps = &a->array;
  a->array = (struct array){1, a->heap_list};
  a->heap_list[0] = &a->heap;
  a->heap.memory = (struct space){area, area + AREA};
  a->heap.map = (struct space){(char *)a->map, (char *)a->map + sizeof(a->map)};
  a->heap.shift = 7;
  a->map[0] = 0;
  for (size_t i = 1; i < sizeof(a->map); i++) a->map[i] = i < 200 ? i : 200;
  a->interpreter = &a->queue;
  a->queue = (struct queue){area + AREA / 2, 4096};
  a->loaders = &a->loader[0];
  a->loader[0] = (struct loader){&a->loader[1], &a->klass};
  a->klass = (struct klass){0, &a->class_name, 0, &a->loader[0]};
  a->tags = (struct tags){8, {0, 1, 1, 1}};
  a->pool = (struct pool){0, &a->tags, &a->klass, 3, 8, {0, &a->name, &a->signature, &a->source}};
  a->method = (struct method){0, &a->constant};
  a->constant = (struct const_method){&a->pool, sizeof(a->constant) / 8, 1, 0, 8, 1, 2, 5, {0}};
  memset(a->constant.bytecode + 8, 0x11, LINES - 8); /* many short steps: lines are counted to the end */
  a->stub = (struct stub){&a->stub, "StubRoutines", "endless", area + AREA / 4, area + AREA / 4 + 64};
  _ZN12StubCodeDesc5_listE = &a->stub;
  write_symbol(&a->class_name, "com/example/Liar", 4000);
  write_symbol(&a->name, "lie", 4000);
  write_symbol(&a->signature, "()V", 4000);
  write_symbol(&a->source, "Liar.java", 9);
  describe();
  gHotSpotVMStructs = a->structs;
  gHotSpotVMTypes = a->types;
  gHotSpotVMIntConstants = a->constants;
}

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
  return hash ^ hash >> 32;
}

static uint32_t seed = 1;
static uint32_t below(uint32_t most) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  seed ^= seed << 5;
  return seed % most;
}

static char *code_area;

static void lie(void) {
  static const uint64_t trying[] = {0, 1, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 47, ~0ull};
  /* Where the meaning is there is more to damage. */
  size_t small = offsetof(struct arena, class_name), all = sizeof(*arena);
  char *base = below(6) == 0 ? code_area : (char *)arena;
  size_t size = base == code_area ? sizeof(struct code) : below(2) ? small : all;
  uint64_t *word = (uint64_t *)(base + (below(size - 8) & ~7u));
  switch (below(6)) {
    case 0:
      *word = (uint64_t)word;
      break;
    case 1:
      *word = (uint64_t)arena + (below(all) & ~7u);
      break;
    case 2:
      *word = trying[below(sizeof(trying) / sizeof(trying[0]))];
      break;
    case 3:
      *word = *(uint64_t *)((char *)right + (below(small - 8) & ~7u));
      break;
    case 4:
      ((uint8_t *)word)[below(8)] = below(256);
      break;
    default: {
      /* A page is not there for a moment. */
      char *page = (char *)arena + (below(all) & ~(PAGE - 1));
      char kept[PAGE];
      memcpy(kept, page, PAGE);
      munmap(page, PAGE);
      mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      memcpy(page, kept, PAGE);
    }
  }
}

static void *change(void *unused) {
  (void)unused;
  struct timespec pause = {0, 20000000};
  for (;;) {
    nanosleep(&pause, NULL);
    for (int i = 0; i < 40 + 4000 * (int)below(2); i++) {
      lie();
      if (i % 4 == 0) nanosleep(&(struct timespec){0, 20000}, NULL);
    }
    memcpy(arena, right, sizeof(*arena));
    write_code((struct code *)code_area);
  }
  return NULL;
}

__attribute__((constructor)) static void begin(void) {
  size_t size = (sizeof(*arena) + PAGE - 1) & ~(size_t)(PAGE - 1);
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  arena = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
  right = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
  code_area = mmap(NULL, AREA, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
  write_machine(code_area);
  struct code *code = (struct code *)code_area;
  write_code(code);
  memcpy(right, arena, sizeof(*arena));
  uint64_t shape = 8 | 1ull << 16 | 2ull << 32 | 5ull << 48;
  uint64_t identity = mix(mix(0, (uint64_t)&arena->constant), shape) << 18;
  uint64_t compiled = 77ull << 32 | offsetof(struct code, header);
  printf("%#lx %#lx %#lx %#lx %#lx\n", (uint64_t)&arena->method, identity | 1, (uint64_t)code->text + 128, compiled,
         (uint64_t)code_area + AREA / 4 + 8);
  fflush(stdout);
  pthread_t thread;
  pthread_create(&thread, NULL, change, NULL);
}
