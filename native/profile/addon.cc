// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include <memory>

#include "columns.h"
#include "job.h"
#include "matching.h"
#include "objects.h"
#include "rollup.h"

namespace stackwell {
namespace {

Napi::Value DecodeColumns(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Promised(env, [&] {
    const Limits limits = FromLimits(env, info[1]);
    return Job::Start(env, [limits, data = FromBytes(info[0], limits.max_bytes)]() -> Finish {
      auto profile = std::make_shared<Profile>(Decode({data.data(), data.data() + data.size()}, limits));
      return [profile](Napi::Env env) { return ToColumns(env, std::move(*profile)); };
    });
  });
}

Napi::Value EncodeColumns(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Promised(env, [&] {
    auto profile = std::make_shared<Profile>(FromColumns(AsObject(info[0], "the profile")));
    const auto level = static_cast<int>(OptionalCount(OptionalObject(env, info[1]), "gzipLevel", 1, 0, 9));
    return Job::Start(env, [profile, level]() -> Finish {
      CheckConsistent(*profile);
      auto bytes = std::make_shared<Bytes>(Encode(*profile, level));
      return [bytes](Napi::Env env) { return ToColumn(env, std::move(*bytes)); };
    });
  });
}

Napi::Value SumProfileRows(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Promised(env, [&] {
    return Job::Start(
        env, [inputs = std::make_shared<std::vector<Merger::Input>>(FromInputs(info[0]))]() -> Finish {
          auto summed = std::make_shared<Summed>(SumProfiles(*inputs));
          return [summed](Napi::Env env) { return ToSummed(env, std::move(*summed)); };
        });
  });
}

Napi::Value MatchingRules(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto rules = Napi::Array::New(env);
  for (const auto& [id, what, example, becomes] : Matching::Rules()) {
    auto rule = Napi::Object::New(env);
    rule.Set("id", std::string(id));
    rule.Set("what", std::string(what));
    rule.Set("example", std::string(example));
    rule.Set("becomes", std::string(becomes));
    rules.Set(rules.Length(), rule);
  }
  return rules;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("decode", Napi::Function::New(env, DecodeColumns, "decode"));
  exports.Set("encode", Napi::Function::New(env, EncodeColumns, "encode"));
  exports.Set("sumProfiles", Napi::Function::New(env, SumProfileRows, "sumProfiles"));
  exports.Set("matchingRules", Napi::Function::New(env, MatchingRules, "matchingRules"));
  DefineSymbolWriter(env, exports);
  DefineMatcher(env, exports);
  DefineMerger(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(profile, Init)

}  // namespace stackwell
