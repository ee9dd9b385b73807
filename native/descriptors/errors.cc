// SPDX-License-Identifier: Apache-2.0
#include "errors.h"

#include <cstring>

Napi::Error SystemError(Napi::Env env, const char* call, int number) {
  // strerrorname_np is glibc 2.32's; the text beside it is for people.
  const char* name = strerrorname_np(number);
  const std::string code = name == nullptr ? std::to_string(number) : name;
  Napi::Error error = Napi::Error::New(env, code + ": " + strerror(number) + ", " + call);
  error.Set("code", Napi::String::New(env, code));
  error.Set("errno", Napi::Number::New(env, -number));
  error.Set("syscall", Napi::String::New(env, call));
  return error;
}
