// SPDX-License-Identifier: Apache-2.0
// C++: templates, lambdas, virtual calls, exceptions, callbacks from the standard library, and the library itself.
#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "kinds.h"

namespace {

template <int N>
struct Layer {
  template <typename Body>
  FUNCTION static void call(const Body& body, double seconds) {
    if constexpr (N == 0)
      body(seconds);
    else
      Layer<N - 1>::call(body, seconds);
    RETURNS_HERE();
  }
};

FUNCTION void via_templates(double seconds) {
  int calls = 0;
  Layer<12>::call(
      [&](double wanted) {
        calls++;
        burn(wanted);
        RETURNS_HERE();
      },
      seconds);
}

struct Shape {
  virtual ~Shape() = default;
  virtual void draw(double seconds) = 0;
};
struct Square : Shape {
  FUNCTION void draw(double seconds) override {
    burn(seconds);
    RETURNS_HERE();
  }
};
/* By way of a thunk: the second base is not at the object's start. */
struct Named {
  virtual ~Named() = default;
  std::string name;
};
struct Picture : Named, Shape {
  std::function<void(double)> inner;
  FUNCTION void draw(double seconds) override {
    inner(seconds);
    RETURNS_HERE();
  }
};
FUNCTION void draw(Shape& shape, double seconds) {
  shape.draw(seconds);
  RETURNS_HERE();
}
FUNCTION void via_virtual(double seconds) {
  Square square;
  Picture picture;
  picture.inner = [&](double wanted) {
    draw(square, wanted);
    RETURNS_HERE();
  };
  draw(picture, seconds);
}

/* Burns while the stack is taken down for an exception. */
struct Guard {
  double seconds;
  FUNCTION ~Guard() {
    burn(seconds);
    RETURNS_HERE();
  }
};
FUNCTION void throws(int depth, double seconds) {
  Guard guard{seconds};
  if (depth == 0) throw std::runtime_error("unwound");
  throws(depth - 1, seconds);
}
FUNCTION void catches(double seconds) {
  try {
    throws(9, seconds / 20);
  } catch (const std::runtime_error&) {
    burn(seconds / 2);
  }
  RETURNS_HERE();
}
FUNCTION void via_exceptions(double seconds) {
  catches(seconds);
  RETURNS_HERE();
}

/* Nothing but throwing: most of it is in the unwinder of libgcc and in the personality routine. */
FUNCTION void throws_only(int depth) {
  if (depth == 0) throw depth;
  throws_only(depth - 1);
  RETURNS_HERE();
}
FUNCTION void via_throwing(double seconds) {
  for (const double done = cpu_seconds() + seconds; cpu_seconds() < done;) try {
      throws_only(9);
    } catch (int) {
    }
}

FUNCTION bool less_slowly(int a, int b) { return spin(1, 1000) != 0 && a < b; }
FUNCTION void via_sort(double seconds) {
  for (const double done = cpu_seconds() + seconds; cpu_seconds() < done;) {
    std::array<int, 64> numbers;
    for (int i = 0; i < 64; i++) numbers[i] = i * 7919 % 64;
    std::sort(numbers.begin(), numbers.end(), less_slowly);
  }
}

/* Work that is all in libstdc++ and libc: trees, streams, formatting, allocation, assembly for strings. */
FUNCTION void via_standard_library(double seconds) {
  for (const double done = cpu_seconds() + seconds; cpu_seconds() < done;) {
    std::map<std::string, double> prices;
    for (int i = 0; i < 20; i++) prices["price of item " + std::to_string(i * 7919 % 20)] = i * 1.1;
    std::ostringstream out;
    for (const auto& [item, price] : prices) out << item << ' ' << price << '\n';
    std::string text = out.str();
    std::stable_sort(text.begin(), text.end());
    std::snprintf(text.data(), text.size(), "%.17g", prices.begin()->second);
  }
}

FUNCTION void in_cxx_thread(double seconds) {
  burn(seconds);
  RETURNS_HERE();
}
FUNCTION void via_cxx_thread(double seconds) { std::thread(in_cxx_thread, seconds).join(); }

}  // namespace

const kind cxx_kinds[] = {
    {"templates", via_templates},
    {"virtual", via_virtual},
    {"exceptions", via_exceptions},
    {"throwing", via_throwing},
    {"sort", via_sort},
    {"standard_library", via_standard_library},
    {"cxx_thread", via_cxx_thread},
    {nullptr, nullptr},
};
