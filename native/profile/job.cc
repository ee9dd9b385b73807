// SPDX-License-Identifier: Apache-2.0
#include "job.h"

#include <new>

namespace stackwell {

Napi::Value Job::Start(Napi::Env env, Work work, Napi::Object owner, SerialQueue* queue) {
  auto* job = new Job(env, std::move(work), owner, queue);
  const Napi::Value promise = job->deferred_.Promise();
  if (queue != nullptr)
    queue->Push(job);
  else
    job->Queue();
  return promise;
}

Job::Job(Napi::Env env, Work work, Napi::Object owner, SerialQueue* queue)
    : Napi::AsyncWorker(env, "stackwell.profile"), deferred_(env), queue_(queue), work_(std::move(work)) {
  if (!owner.IsEmpty()) owner_ = Napi::Persistent(owner);
}

void Job::Execute() {
  try {
    finish_ = work_();
  } catch (const Failure& failure) {
    failure_ = failure;
  } catch (const std::bad_alloc&) {
    failure_.emplace("SW_INTERNAL", "out of memory",
                     std::vector<Failure::Detail>{{"reason", std::string("out of memory")}});
  } catch (const std::exception& other) {
    failure_.emplace("SW_INTERNAL", other.what(),
                     std::vector<Failure::Detail>{{"reason", std::string(other.what())}});
  }
  work_ = nullptr;  // frees the inputs here, not on the JavaScript thread
}

// An exception that leaves here would end the process. An environment that is shutting down (a terminated
// worker thread) refuses every call; nobody waits for the promise then.
void Job::OnOK() {
  try {
    Done();
    if (failure_)
      deferred_.Reject(ToError(Env(), *failure_).Value());
    else
      deferred_.Resolve(finish_(Env()));
  } catch (const Napi::Error& error) {
    OnError(error);
  } catch (...) {
  }
}

void Job::OnError(const Napi::Error& error) {
  try {
    deferred_.Reject(error.Value());
  } catch (...) {
  }
}

void Job::Done() {
  if (queue_ != nullptr) queue_->Next();
}

SerialQueue::~SerialQueue() {
  for (Job* job : waiting_) delete job;
}

void SerialQueue::Push(Job* job) {
  if (running_) {
    waiting_.push_back(job);
  } else {
    running_ = true;
    job->Queue();
  }
}

void SerialQueue::Next() {
  running_ = !waiting_.empty();
  if (!running_) return;
  Job* job = waiting_.front();
  waiting_.pop_front();
  job->Queue();
}

}  // namespace stackwell
