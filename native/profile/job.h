// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <deque>
#include <functional>
#include <optional>

#include "javascript.h"

namespace stackwell {

/// Makes the result of a job, on the JavaScript thread.
using Finish = std::function<Napi::Value(Napi::Env)>;
/// Does the work of a job, on a pool thread: may throw Failure, must not touch JavaScript.
using Work = std::function<Finish()>;

class SerialQueue;

/// One piece of work on libuv's pool and the promise of its result.
class Job : public Napi::AsyncWorker {
 public:
  /// Starts `work` and returns the promise. `owner` (may be empty) is kept alive until it is done; with a
  /// `queue`, which `owner` must then hold, it waits for the jobs before it.
  static Napi::Value Start(Napi::Env env, Work work, Napi::Object owner = {}, SerialQueue* queue = nullptr);

 protected:
  void Execute() override;
  void OnOK() override;
  void OnError(const Napi::Error& error) override;

 private:
  Job(Napi::Env env, Work work, Napi::Object owner, SerialQueue* queue);
  void Done();

  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference owner_;
  SerialQueue* queue_;
  // Written by the pool thread, read by the JavaScript thread after libuv has handed the job back.
  Work work_;
  Finish finish_;
  std::optional<Failure> failure_;
};

/// Runs jobs one after another in the order in which they came, without a pool thread waiting for a lock.
/// Used on the JavaScript thread only; what its jobs touch needs no lock of its own.
class SerialQueue {
 public:
  ~SerialQueue();
  void Push(Job* job);
  /// The running job has ended.
  void Next();

 private:
  bool running_ = false;
  std::deque<Job*> waiting_;
};

/// Calls `body`, which returns a promise; turns what it throws (bad arguments) into a rejected one.
template <typename Body>
Napi::Value Promised(Napi::Env env, Body body) {
  try {
    return body();
  } catch (...) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(CurrentError(env).Value());
    return deferred.Promise();
  }
}

/// Calls `body`, and throws what it throws as a JavaScript exception.
template <typename Body>
auto Thrown(Napi::Env env, Body body) {
  try {
    return body();
  } catch (...) {
    throw CurrentError(env);
  }
}

}  // namespace stackwell
