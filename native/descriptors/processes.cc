// SPDX-License-Identifier: Apache-2.0
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "errors.h"
#include "functions.h"

Napi::Value OpenProcess(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsNumber())
    throw Napi::TypeError::New(env, "openProcess(pid) takes a number");
  // By number: glibc has pidfd_open since 2.36. It is close-on-exec by itself.
  const long opened = syscall(SYS_pidfd_open, info[0].As<Napi::Number>().Int32Value(), 0);
  if (opened < 0) throw SystemError(env, "pidfd_open", errno);
  return Napi::Number::New(env, static_cast<double>(opened));
}

Napi::Value SignalProcess(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsNumber() || !info[1].IsNumber())
    throw Napi::TypeError::New(env, "signalProcess(process, signal) takes two numbers");
  const int process = info[0].As<Napi::Number>().Int32Value();
  const int signal = info[1].As<Napi::Number>().Int32Value();
  if (syscall(SYS_pidfd_send_signal, process, signal, nullptr, 0) < 0)
    throw SystemError(env, "pidfd_send_signal", errno);
  return env.Undefined();
}
