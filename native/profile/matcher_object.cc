// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "checked.h"
#include "javascript.h"
#include "job.h"
#include "matcher.h"
#include "objects.h"

namespace stackwell {
namespace {

class MatcherObject : public Napi::ObjectWrap<MatcherObject> {
 public:
  static constexpr napi_type_tag kTag{0x9a5c1e1f7f0b4c12, 0x8d2f5b6a3e0c9d02};

  static void Define(Napi::Env env, Napi::Object exports) {
    exports.Set("Matcher",
                DefineClass(env, "Matcher", {Method<MatcherObject, &MatcherObject::Test>("test")}));
  }

  explicit MatcherObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MatcherObject>(info) {
    info.This().As<Napi::Object>().TypeTag(&kTag);
    Thrown(info.Env(), [&] {
      matcher_ = std::make_unique<Matcher>(AsString(info[0], "the operator"), AsString(info[1], "the value"));
    });
  }

 private:
  Napi::Value Test(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsArray()) throw Napi::TypeError::New(env, "the values are not an array");
    const auto values = info[0].As<Napi::Array>();
    Bytes matches(values.Length());
    for (uint32_t i = 0; i < matches.size(); i++) {
      Napi::HandleScope scope(env);
      matches[i] = matcher_->Test(AsString(values.Get(i), "a value"));
    }
    return ToColumn(env, std::move(matches));
  }

  std::unique_ptr<Matcher> matcher_;
};

}  // namespace

void DefineMatcher(Napi::Env env, Napi::Object exports) { MatcherObject::Define(env, exports); }

}  // namespace stackwell
