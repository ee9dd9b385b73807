// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>
#include <unistd.h>

#include <string>
#include <utility>

/// An Error as Node.js makes them for system calls: `code` is the errno's name, `errno` its negative number.
Napi::Error SystemError(Napi::Env env, const char* call, int number);

/// Closes a descriptor at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};
