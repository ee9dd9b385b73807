// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include <algorithm>
#include <memory>

#include "columns.h"
#include "job.h"
#include "matching.h"
#include "objects.h"
#include "otlp.h"
#include "rollup.h"
#include "stacks.h"

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

Napi::Object ToOtlpExport(Napi::Env env, OtlpExport&& result) {
  const auto sets = Napi::Array::New(env, result.attribute_sets.size());
  for (uint32_t i = 0; i < sets.Length(); i++) {
    const auto& attributes = result.attribute_sets[i];
    const auto set = Napi::Array::New(env, attributes.size());
    for (uint32_t a = 0; a < set.Length(); a++) {
      const auto pair = Napi::Array::New(env, 2);
      pair.Set(0u, attributes[a].first);
      pair.Set(1u, attributes[a].second);
      set.Set(a, pair);
    }
    sets.Set(i, set);
  }
  const auto profiles = Napi::Array::New(env, result.profiles.size());
  for (uint32_t i = 0; i < profiles.Length(); i++) {
    auto& converted = result.profiles[i];
    const auto profile = Napi::Object::New(env);
    profile.Set("attributes", sets.Get(converted.attributes));
    profile.Set("service", converted.service);
    profile.Set("name", converted.name);
    profile.Set("pprof", ToColumn(env, std::move(converted.pprof)));
    profile.Set("profiles", converted.profiles);
    profiles.Set(i, profile);
  }
  const auto object = Napi::Object::New(env);
  object.Set("profiles", profiles);
  object.Set("received", result.received);
  object.Set("droppedAttributes", static_cast<double>(result.dropped_attributes));
  return object;
}

Napi::Value ConvertOtlpRequest(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Promised(env, [&] {
    const Limits limits = FromLimits(env, info[1]);
    return Job::Start(env, [limits, data = FromBytes(info[0], limits.max_bytes)]() -> Finish {
      auto result = std::make_shared<OtlpExport>(ConvertOtlp(SpanOf(data), limits));
      return [result](Napi::Env env) { return ToOtlpExport(env, std::move(*result)); };
    });
  });
}

Napi::Value ConvertStackText(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Promised(env, [&] {
    const Limits limits = FromLimits(env, info[2]);
    const Napi::Object options = AsObject(info[1], "the type");
    const std::string name = AsString(options.Get("format"), "the format");
    constexpr std::string_view kFormats[] = {"folded", "lines", "trie", "tree"};
    const auto found = std::ranges::find(kFormats, name);
    if (found == std::end(kFormats)) throw Napi::TypeError::New(env, "there is no such format");
    const auto format = static_cast<StackFormat>(found - std::begin(kFormats));
    const StackType type{AsString(options.Get("sampleType"), "the sample type"),
                         AsString(options.Get("sampleUnit"), "the sample unit"),
                         AsString(options.Get("periodType"), "the period type"),
                         AsString(options.Get("periodUnit"), "the period unit"),
                         AsInt64(options.Get("period"), "the period"),
                         AsInt64(options.Get("scale"), "the scale")};
    return Job::Start(
        env, [limits, type, format, name, data = FromBytes(info[0], limits.max_bytes)]() -> Finish {
          try {
            auto bytes = std::make_shared<Bytes>(ConvertStacks(SpanOf(data), format, type, limits));
            return [bytes](Napi::Env env) { return ToColumn(env, std::move(*bytes)); };
          } catch (const Failure& failure) {
            if (std::string_view(failure.code()) != "SW_PPROF_INVALID") throw;
            std::vector<Failure::Detail> details = failure.details();
            details.emplace_back("format", name);
            throw Failure("SW_STACKS_INVALID", failure.what(), details);
          }
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
  exports.Set("convertOtlp", Napi::Function::New(env, ConvertOtlpRequest, "convertOtlp"));
  exports.Set("convertStacks", Napi::Function::New(env, ConvertStackText, "convertStacks"));
  exports.Set("sumProfiles", Napi::Function::New(env, SumProfileRows, "sumProfiles"));
  exports.Set("matchingRules", Napi::Function::New(env, MatchingRules, "matchingRules"));
  DefineSymbolWriter(env, exports);
  DefineMatcher(env, exports);
  DefineMerger(env, exports);
  DefineDelta(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(profile, Init)

}  // namespace stackwell
