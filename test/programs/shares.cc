// SPDX-License-Identifier: Apache-2.0
// shares SECONDS: one thread spends 60, 30 and 10 % of its CPU in three functions; the 30 % one is always
// inlined. The same loop of dependent multiplications everywhere, so iterations are time. Rounds differ in
// length: a sampler's period must not be a multiple of theirs.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "clock.h"

namespace shop {

constexpr std::uint64_t kFactor = 6364136223846793005u;

struct Cart {
  std::uint64_t state = 1;
  int unit = 0;  // iterations of a tenth of this round

  [[gnu::noinline, gnu::noclone]] void price_items() {
    KEEP_FRAME();
    std::uint64_t x = state;
    for (int i = 0; i < 6 * unit; i++)
      asm volatile("imul %1, %0" : "+r"(x) : "r"(kFactor));  // burn: price_items
    state = x;
  }

  [[gnu::always_inline]] inline void apply_discounts() {
    std::uint64_t x = state;
    for (int i = 0; i < 3 * unit; i++)
      asm volatile("imul %1, %0" : "+r"(x) : "r"(kFactor));  // burn: apply_discounts
    state = x;
  }

  [[gnu::noinline, gnu::noclone]] void add_tax() {
    KEEP_FRAME();
    std::uint64_t x = state;
    for (int i = 0; i < 1 * unit; i++) asm volatile("imul %1, %0" : "+r"(x) : "r"(kFactor));  // burn: add_tax
    state = x;
  }

  [[gnu::noinline, gnu::noclone]] void checkout() {
    unit = 50'000 + static_cast<int>((state >> 40) % 100'000);
    price_items();      // call: price_items
    apply_discounts();  // call: apply_discounts
    add_tax();          // call: add_tax
    asm volatile("");   // keeps the last call from becoming a jump
  }
};

}  // namespace shop

int main(int argc, char** argv) {
  const double until = now_seconds() + (argc > 1 ? atof(argv[1]) : 10);
  shop::Cart cart;
  while (now_seconds() < until) cart.checkout();
  std::printf("%llu\n", static_cast<unsigned long long>(cart.state));
}
