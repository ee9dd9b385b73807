// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <utility>

#include "checked.h"
#include "delta.h"
#include "job.h"
#include "objects.h"

namespace stackwell {
namespace {

Napi::Object ToGrown(Napi::Env env, Delta::Result&& result) {
  auto object = Napi::Object::New(env);
  object.Set("pprof", ToColumn(env, std::move(result.pprof)));
  object.Set("samples", result.samples);
  object.Set("first", result.first);
  object.Set("restarted", result.restarted);
  object.Set("program", result.program);
  object.Set("buildId", result.build_id);
  return object;
}

std::optional<Delta::Window> FromWindow(const Napi::Value& value) {
  if (value.IsUndefined()) return std::nullopt;
  const Napi::Object window = AsObject(value, "the window");
  return Delta::Window{AsInt64(window.Get("timeNanos"), "timeNanos"),
                       AsInt64(window.Get("durationNanos"), "durationNanos")};
}

class DeltaObject : public Napi::ObjectWrap<DeltaObject> {
 public:
  static constexpr napi_type_tag kTag{0x9a5c1e1f7f0b4c14, 0x8d2f5b6a3e0c9d04};

  static void Define(Napi::Env env, Napi::Object exports) {
    exports.Set("Delta", DefineClass(env, "Delta",
                                     {Method<DeltaObject, &DeltaObject::Add>("add"),
                                      Method<DeltaObject, &DeltaObject::Forget>("forget"),
                                      Getter<DeltaObject, &DeltaObject::Size>("size")}));
  }

  explicit DeltaObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DeltaObject>(info) {
    info.This().As<Napi::Object>().TypeTag(&kTag);
    Thrown(info.Env(), [&] {
      const Napi::Object options = AsObject(info[0], "options");
      limits_ = FromLimits(info.Env(), options.Get("limits"));
      delta_ = std::make_unique<Delta>(FromStrings(options.Get("counters"), "counters"), limits_);
    });
  }

 private:
  struct Counts {
    size_t stacks = 0, bytes = 0;
  };

  Counts Now() const { return {delta_->cells(), delta_->bytes()}; }

  Napi::Value Add(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return Promised(env, [&] {
      return Job::Start(
          env,
          [this, window = FromWindow(info[1]), data = FromBytes(info[0], limits_.max_bytes)]() -> Finish {
            auto result = std::make_shared<Delta::Result>(delta_->Add(SpanOf(data), window));
            return [this, result, counts = Now()](Napi::Env env) {
              counts_ = counts;
              return ToGrown(env, std::move(*result));
            };
          },
          info.This().As<Napi::Object>(), &queue_);
    });
  }

  Napi::Value Forget(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      return Job::Start(
          info.Env(),
          [this]() -> Finish {
            delta_->Forget();
            return [this, counts = Now()](Napi::Env env) {
              counts_ = counts;
              return env.Undefined();
            };
          },
          info.This().As<Napi::Object>(), &queue_);
    });
  }

  Napi::Value Size(const Napi::CallbackInfo& info) {
    auto size = Napi::Object::New(info.Env());
    size.Set("stacks", static_cast<double>(counts_.stacks));
    size.Set("bytes", static_cast<double>(counts_.bytes));
    return size;
  }

  // Used by the jobs of queue_ only, one at a time; each keeps this object alive.
  std::unique_ptr<Delta> delta_;
  SerialQueue queue_;
  Limits limits_;
  // Of JavaScript's thread: what the jobs that have ended left.
  Counts counts_;
};

}  // namespace

void DefineDelta(Napi::Env env, Napi::Object exports) { DeltaObject::Define(env, exports); }

}  // namespace stackwell
