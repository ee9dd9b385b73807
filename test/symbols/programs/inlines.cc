// SPDX-License-Identifier: Apache-2.0
// Inlined calls two deep, templates, a lambda, an anonymous namespace, a static function, and C beside C++.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace {
volatile std::uint64_t sink;

inline __attribute__((always_inline)) std::uint64_t innermost(std::uint64_t value) {
  for (int i = 0; i < 100; i++) value = value * 6364136223846793005ull + 1442695040888963407ull;
  return value;
}

inline __attribute__((always_inline)) std::uint64_t middle(std::uint64_t value) {
  return innermost(value) ^ innermost(value + 1);
}

__attribute__((noinline)) std::uint64_t hidden(std::uint64_t value) { return middle(value) + middle(value + 2); }
}  // namespace

namespace shapes {
template <typename T>
struct Stack {
  std::vector<T> items;
  __attribute__((noinline)) void push(const T& item) {
    items.push_back(item);
    sink = sink + items.size();
  }
};

struct Point {
  double x, y;
  __attribute__((noinline)) Point operator+(const Point& other) const { return {x + other.x, y + other.y}; }
};
}  // namespace shapes

static __attribute__((noinline)) std::uint64_t file_local(std::uint64_t value) { return hidden(value) * 3; }

extern "C" __attribute__((noinline)) std::uint64_t plain_c(std::uint64_t value) { return file_local(value) + 1; }

int main(int argc, char** argv) {
  shapes::Stack<std::string> names;
  for (int i = 0; i < argc; i++) names.push(argv[i]);
  auto scale = [&](std::uint64_t by) __attribute__((noinline)) { return plain_c(by) * names.items.size(); };
  shapes::Point point{1.0, 2.0};
  for (int i = 0; i < 3; i++) point = point + point;
  sink = scale(static_cast<std::uint64_t>(argc)) + static_cast<std::uint64_t>(point.x);
  std::printf("%llu\n", static_cast<unsigned long long>(sink));
}
