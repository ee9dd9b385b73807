// SPDX-License-Identifier: Apache-2.0
// The JavaScript side: `Profiler` and `probe` of index.d.ts; `Watch` is in watch_object.cc.
#include <malloc.h>
#include <napi.h>

#include <memory>

#include "convert.h"
#include "kernel.h"
#include "probe.h"
#include "recorder.h"
#include "watch_object.h"

namespace stackwell {

namespace {

// Tells our objects from any other that a caller may put in `this`.
constexpr napi_type_tag kProfilerTag = {0x8f3c5d0b1e7a4c26, 0x9b21d47f60ae83c5};

class DrainWorker : public Napi::AsyncWorker {
 public:
  DrainWorker(Napi::Env env, std::shared_ptr<Recorder> recorder)
      : Napi::AsyncWorker(env, "stackwell.drain"),
        recorder_(std::move(recorder)),
        promise_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return promise_.Promise(); }

 protected:
  void Execute() override {
    try {
      columns_ = recorder_->drain();
      // The reading of the kernel's BTF and every drain leave 10 MB of holes; giving them back takes a
      // millisecond.
      malloc_trim(0);
    } catch (const Failure& failure) {
      failure_ = std::make_unique<Failure>(failure);
    } catch (const std::exception& error) {
      failure_ = std::make_unique<Failure>("SW_INTERNAL", Failure::Details{{"reason", error.what()}});
    }
    recorder_
        .reset();  // if the profiler was closed meanwhile, it is taken down here and not on the event loop
  }
  void OnOK() override {
    if (failure_)
      promise_.Reject(fromFailure(Env(), *failure_).Value());
    else
      promise_.Resolve(fromColumns(Env(), columns_));
  }

 private:
  std::shared_ptr<Recorder> recorder_;
  Napi::Promise::Deferred promise_;
  Columns columns_;
  std::unique_ptr<Failure> failure_;
};

class Profiler : public Napi::ObjectWrap<Profiler> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Profiler",
        {StaticMethod<&Profiler::now>("now"), InstanceMethod("poll", &Profiler::checked<&Profiler::poll>),
         InstanceMethod("drain", &Profiler::checked<&Profiler::drain>),
         InstanceMethod("setScope", &Profiler::checked<&Profiler::setScope>),
         InstanceMethod("wantedTables", &Profiler::checked<&Profiler::wantedTables>),
         InstanceMethod("installTable", &Profiler::checked<&Profiler::installTable>),
         InstanceMethod("refuseTable", &Profiler::checked<&Profiler::refuseTable>),
         InstanceMethod("wantedRuntimes", &Profiler::checked<&Profiler::wantedRuntimes>),
         InstanceMethod("setRuntime", &Profiler::checked<&Profiler::setRuntime>),
         InstanceMethod("wantedPublishers", &Profiler::checked<&Profiler::wantedPublishers>),
         InstanceMethod("setPublisher", &Profiler::checked<&Profiler::setPublisher>),
         InstanceMethod("programs", &Profiler::checked<&Profiler::programs>),
         InstanceMethod("close", &Profiler::checked<&Profiler::close>),
         InstanceAccessor<&Profiler::chosen>("chosen"), InstanceAccessor<&Profiler::memory>("memory")});
  }

  explicit Profiler(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Profiler>(info) {
    Napi::Object self = info.This().As<Napi::Object>();
    self.TypeTag(&kProfilerTag);
    guarded(info.Env(), [&] { recorder_ = std::make_shared<Recorder>(toOptions(info[0])); });
    napi_add_env_cleanup_hook(info.Env(), teardown, this);
    env_ = info.Env();
  }

  ~Profiler() override { release(); }

  /** Every method comes through here with its `this`. */
  static Profiler* Unwrap(Napi::Object self) {
    if (!self.CheckTypeTag(&kProfilerTag)) throw Napi::TypeError::New(self.Env(), "this is not a Profiler");
    return Napi::ObjectWrap<Profiler>::Unwrap(self);
  }

 private:
  static Napi::Value now(const Napi::CallbackInfo& info) {
    return Napi::BigInt::New(info.Env(), monotonicNow());
  }

  static void teardown(void* self) {
    auto* profiler = static_cast<Profiler*>(self);
    profiler->env_ = nullptr;
    profiler->release();
  }

  template <Napi::Value (Profiler::*method)(const Napi::CallbackInfo&)>
  Napi::Value checked(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return (this->*method)(info); });
  }

  std::shared_ptr<Recorder> open() const {
    if (!recorder_) throw Failure("SW_PROFILER_CLOSED", {});
    return recorder_;
  }

  Napi::Value poll(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), recorder_ ? recorder_->poll() : 0);
  }

  Napi::Value drain(const Napi::CallbackInfo& info) {
    auto* worker = new DrainWorker(info.Env(), open());
    worker->Queue();
    return worker->promise();
  }

  Napi::Value setScope(const Napi::CallbackInfo& info) {
    open()->setScope(toScope(info[0]));
    return info.Env().Undefined();
  }

  Napi::Value wantedTables(const Napi::CallbackInfo& info) {
    return fromWanted(info.Env(), recorder_ ? recorder_->takeWantedTables() : std::vector<WantedTable>());
  }

  Napi::Value installTable(const Napi::CallbackInfo& info) {
    if (!info[0].IsNumber() || !info[1].IsString() || !info[2].IsTypedArray())
      throw Failure("SW_USAGE", {{"reason", "installTable takes an id, a build id and bytes"}});
    auto bytes = info[2].As<Napi::Uint8Array>();
    TableAnswer answer{info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::String>().Utf8Value(), {}};
    answer.table.assign(bytes.Data(), bytes.Data() + bytes.ByteLength());
    if (recorder_) recorder_->answerWanted(std::move(answer));
    return info.Env().Undefined();
  }

  Napi::Value refuseTable(const Napi::CallbackInfo& info) {
    if (!info[0].IsNumber() || !info[1].IsBoolean())
      throw Failure("SW_USAGE", {{"reason", "refuseTable takes an id and whether to ask again"}});
    TableAnswer answer{info[0].As<Napi::Number>().Uint32Value(), "", {}};
    answer.later = info[1].As<Napi::Boolean>().Value();
    if (recorder_) recorder_->answerWanted(std::move(answer));
    return info.Env().Undefined();
  }

  Napi::Value wantedRuntimes(const Napi::CallbackInfo& info) {
    return fromWanted(info.Env(), recorder_ ? recorder_->takeWantedRuntimes() : std::vector<WantedRuntime>());
  }

  Napi::Value setRuntime(const Napi::CallbackInfo& info) {
    return setDescription<RuntimeAnswer>(info, "setRuntime");
  }

  Napi::Value wantedPublishers(const Napi::CallbackInfo& info) {
    return fromWanted(info.Env(),
                      recorder_ ? recorder_->takeWantedPublishers() : std::vector<WantedPublisher>());
  }

  Napi::Value setPublisher(const Napi::CallbackInfo& info) {
    return setDescription<PublisherAnswer>(info, "setPublisher");
  }

  /** What is known of a process, or null. */
  template <typename Answer>
  Napi::Value setDescription(const Napi::CallbackInfo& info, const std::string& name) {
    bool bytes = info[2].IsTypedArray();
    if (!info[0].IsNumber() || !info[1].IsNumber() || !(bytes || info[2].IsNull()))
      throw Failure("SW_USAGE", {{"reason", name + " takes a pid, its start and bytes or null"}});
    std::vector<uint8_t> description;
    if (bytes) {
      auto given = info[2].As<Napi::Uint8Array>();
      description.assign(given.Data(), given.Data() + given.ByteLength());
    }
    if (recorder_)
      recorder_->answerWanted(Answer{info[0].As<Napi::Number>().Uint32Value(),
                                     static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value()),
                                     std::move(description)});
    return info.Env().Undefined();
  }

  Napi::Value programs(const Napi::CallbackInfo& info) {
    return fromCosts(info.Env(), recorder_ ? recorder_->programs() : std::vector<ProgramCost>());
  }

  Napi::Value chosen(const Napi::CallbackInfo& info) {
    auto out = Napi::Object::New(info.Env());
    if (recorder_)
      for (const auto& [job, program] : recorder_->chosen()) out.Set(job, program);
    return out;
  }

  Napi::Value memory(const Napi::CallbackInfo& info) {
    Memory memory = recorder_ ? recorder_->memory() : Memory{};
    auto out = Napi::Object::New(info.Env());
    out.Set("kernelBytes", static_cast<double>(memory.kernelBytes));
    out.Set("userBytes", static_cast<double>(memory.userBytes));
    out.Set("processes", static_cast<double>(memory.processes));
    auto tables = Napi::Object::New(info.Env());
    const std::pair<const char*, uint64_t> counts[] = {
        {"tables", memory.tables.tables},   {"files", memory.tables.files},
        {"bytes", memory.tables.bytes},     {"limitBytes", memory.tables.limitBytes},
        {"evicted", memory.tables.evicted}, {"refused", memory.tables.refused},
        {"noRoom", memory.tables.noRoom}};
    for (const auto& [name, value] : counts) tables.Set(name, static_cast<double>(value));
    out.Set("tables", tables);
    out.Set("runtimes", static_cast<double>(memory.runtimes));
    out.Set("runtimesRefused", static_cast<double>(memory.runtimesRefused));
    out.Set("publishers", static_cast<double>(memory.publishers));
    out.Set("publishersRefused", static_cast<double>(memory.publishersRefused));
    return out;
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    release();
    return info.Env().Undefined();
  }

  /** Detaches at once; what a running drain still reads goes when it is done. */
  void release() {
    if (env_) napi_remove_env_cleanup_hook(env_, teardown, this);
    env_ = nullptr;
    if (recorder_) recorder_->close();
    recorder_.reset();
  }

  std::shared_ptr<Recorder> recorder_;
  napi_env env_ = nullptr;
};

Napi::Value probeKernel(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsString()) throw Failure("SW_USAGE", {{"reason", "objects must be a path"}});
    auto out = Napi::Object::New(info.Env());
    for (const Finding& finding : probe(info[0].As<Napi::String>().Utf8Value())) {
      auto each = Napi::Object::New(info.Env());
      each.Set("ok", finding.ok);
      each.Set("detail", finding.detail);
      out.Set(finding.name, each);
    }
    return out;
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Profiler", Profiler::define(env));
  exports.Set("Watch", defineWatch(env));
  exports.Set("probe", Napi::Function::New(env, probeKernel, "probe"));
  return exports;
}

}  // namespace

}  // namespace stackwell

Napi::Object initAddon(Napi::Env env, Napi::Object exports) { return stackwell::init(env, exports); }
NODE_API_MODULE(bpf, initAddon)
