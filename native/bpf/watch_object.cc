// SPDX-License-Identifier: Apache-2.0
#include "watch_object.h"

#include <memory>

#include "convert.h"
#include "kernel.h"
#include "watch.h"

namespace stackwell {

namespace {

constexpr napi_type_tag kWatchTag = {0x2b6d1f90c4e87a35, 0xd15a3c9e7f40b826};

std::string text(const Napi::Value& value, const char* what) {
  if (!value.IsString()) throw Failure("SW_USAGE", {{"reason", std::string(what) + " must be a string"}});
  return value.As<Napi::String>().Utf8Value();
}

uint64_t integer(const Napi::Value& value, const std::string& what) {
  bool lossless = true;
  if (value.IsBigInt()) {
    const uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless) return number;
  }
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value() ? 1 : 0;
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= 9007199254740991.0))
    throw Failure("SW_USAGE", {{"reason", what + " must be a whole number"}});
  return static_cast<uint64_t>(number);
}

std::vector<uint8_t> bytes(const Napi::Value& value, const char* what) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw Failure("SW_USAGE", {{"reason", std::string(what) + " must be a Uint8Array"}});
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.Data() + array.ByteLength()};
}

/** Calls `each` with the name and the value of every member; nothing when it is undefined. */
template <typename Each>
void members(const Napi::Value& value, Each each) {
  if (!value.IsObject()) return;
  const auto object = value.As<Napi::Object>();
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string name = names.Get(i).ToString().Utf8Value();
    each(name, object.Get(name));
  }
}

template <typename T>
Napi::TypedArrayOf<T> column(Napi::Env env, const std::vector<T>& values) {
  auto buffer = Napi::ArrayBuffer::New(env, values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(buffer.Data(), values.data(), values.size() * sizeof(T));
  return Napi::TypedArrayOf<T>::New(env, values.size(), buffer, 0);
}

class ReadWorker : public Napi::AsyncWorker {
 public:
  ReadWorker(Napi::Env env, std::shared_ptr<const Watch> watch, std::string map)
      : Napi::AsyncWorker(env, "stackwell.watch"),
        watch_(std::move(watch)),
        map_(std::move(map)),
        promise_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return promise_.Promise(); }

 protected:
  void Execute() override {
    try {
      rows_ = watch_->read(map_);
    } catch (const Failure& failure) {
      failure_ = std::make_unique<Failure>(failure);
    }
    watch_.reset();
  }
  void OnOK() override {
    if (failure_) {
      promise_.Reject(fromFailure(Env(), *failure_).Value());
      return;
    }
    auto rows = Napi::Object::New(Env());
    rows.Set("keyBytes", rows_.keyBytes);
    rows.Set("words", rows_.words);
    rows.Set("keys", column(Env(), rows_.keys));
    rows.Set("values", column(Env(), rows_.values));
    promise_.Resolve(rows);
  }

 private:
  std::shared_ptr<const Watch> watch_;
  std::string map_;
  Napi::Promise::Deferred promise_;
  Rows rows_;
  std::unique_ptr<Failure> failure_;
};

class WatchObject : public Napi::ObjectWrap<WatchObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Watch",
                       {StaticMethod<&WatchObject::tracepointArguments>("tracepointArguments"),
                        InstanceMethod("read", &WatchObject::checked<&WatchObject::read>),
                        InstanceMethod("erase", &WatchObject::checked<&WatchObject::erase>),
                        InstanceMethod("write", &WatchObject::checked<&WatchObject::write>),
                        InstanceMethod("drain", &WatchObject::checked<&WatchObject::drain>),
                        InstanceMethod("followCpus", &WatchObject::checked<&WatchObject::followCpus>),
                        InstanceMethod("programs", &WatchObject::checked<&WatchObject::programs>),
                        InstanceMethod("close", &WatchObject::checked<&WatchObject::close>),
                        InstanceAccessor<&WatchObject::kernelBytes>("kernelBytes")});
  }

  explicit WatchObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<WatchObject>(info) {
    info.This().As<Napi::Object>().TypeTag(&kWatchTag);
    guarded(info.Env(), [&] { watch_ = std::make_shared<Watch>(options(info[0])); });
  }

  /** Every method comes through here with its `this`. */
  static WatchObject* Unwrap(Napi::Object self) {
    if (!self.CheckTypeTag(&kWatchTag)) throw Napi::TypeError::New(self.Env(), "this is not a Watch");
    return Napi::ObjectWrap<WatchObject>::Unwrap(self);
  }

 private:
  template <Napi::Value (WatchObject::*method)(const Napi::CallbackInfo&)>
  Napi::Value checked(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return (this->*method)(info); });
  }

  static Napi::Value tracepointArguments(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      return Napi::Number::New(info.Env(), KernelTypes().tracepointArguments(text(info[0], "tracepoint")));
    });
  }

  static WatchOptions options(const Napi::Value& value) {
    if (!value.IsObject()) throw Failure("SW_USAGE", {{"reason", "options must be an object"}});
    const auto from = value.As<Napi::Object>();
    WatchOptions options{.objects = text(from.Get("objects"), "objects"),
                         .file = text(from.Get("file"), "file"),
                         .knobs = {},
                         .arrays = {},
                         .entries = {},
                         .omit = {},
                         .periodNs = 0,
                         .shared = {}};
    members(from.Get("knobs"), [&](const std::string& name, const Napi::Value& knob) {
      if (!knob.IsArray()) {
        options.knobs.emplace_back(name, integer(knob, name));
        return;
      }
      const auto list = knob.As<Napi::Array>();
      std::vector<uint64_t> numbers;
      for (uint32_t i = 0; i < list.Length(); i++) numbers.push_back(integer(list.Get(i), name));
      options.arrays.emplace_back(name, std::move(numbers));
    });
    members(from.Get("entries"), [&](const std::string& name, const Napi::Value& entries) {
      options.entries.emplace_back(name, static_cast<uint32_t>(integer(entries, name)));
    });
    members(from.Get("omit"),
            [&](const std::string&, const Napi::Value& name) { options.omit.push_back(text(name, "omit")); });
    members(from.Get("shared"), [&](const std::string& name, const Napi::Value& owner) {
      if (!owner.IsObject()) throw Failure("SW_USAGE", {{"reason", "shared must hold a Watch"}});
      options.shared.emplace_back(name, &Unwrap(owner.As<Napi::Object>())->open()->object());
    });
    const Napi::Value period = from.Get("periodNs");
    if (!period.IsUndefined()) options.periodNs = integer(period, "periodNs");
    return options;
  }

  std::shared_ptr<Watch> open() const {
    if (!watch_) throw Failure("SW_PROFILER_CLOSED", {});
    return watch_;
  }

  Napi::Value read(const Napi::CallbackInfo& info) {
    auto* worker = new ReadWorker(info.Env(), open(), text(info[0], "map"));
    worker->Queue();
    return worker->promise();
  }

  Napi::Value erase(const Napi::CallbackInfo& info) {
    open()->erase(text(info[0], "map"), bytes(info[1], "keys"));
    return info.Env().Undefined();
  }

  Napi::Value write(const Napi::CallbackInfo& info) {
    open()->write(text(info[0], "map"), bytes(info[1], "key"), bytes(info[2], "value"));
    return info.Env().Undefined();
  }

  Napi::Value drain(const Napi::CallbackInfo& info) {
    return column(info.Env(), open()->drain(text(info[0], "ring")));
  }

  Napi::Value followCpus(const Napi::CallbackInfo& info) {
    open()->followCpus();
    return info.Env().Undefined();
  }

  Napi::Value programs(const Napi::CallbackInfo& info) {
    return fromCosts(info.Env(), watch_ ? watch_->object().costs() : std::vector<ProgramCost>());
  }

  Napi::Value kernelBytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), watch_ ? static_cast<double>(watch_->object().mapBytes()) : 0);
  }

  /** Detaches at once; what still reads rows keeps them. */
  Napi::Value close(const Napi::CallbackInfo& info) {
    if (watch_) watch_->detach();
    watch_.reset();
    return info.Env().Undefined();
  }

  std::shared_ptr<Watch> watch_;
};

}  // namespace

Napi::Function defineWatch(Napi::Env env) { return WatchObject::define(env); }

}  // namespace stackwell
