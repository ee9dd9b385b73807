// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "checked.h"
#include "job.h"
#include "objects.h"
#include "writer.h"

namespace stackwell {
namespace {

// Label names come from whoever pushes: `__proto__` must become a property like any other.
void Define(Napi::Object object, const std::string& name, const Napi::Value& value) {
  const Napi::Env env = object.Env();
  napi_property_descriptor property{};
  property.name = Napi::String::New(env, name);
  property.value = value;
  property.attributes =
      static_cast<napi_property_attributes>(napi_writable | napi_enumerable | napi_configurable);
  if (napi_define_properties(env, object, 1, &property) != napi_ok) throw Napi::Error::New(env);
}

Napi::Object ToStoredProfile(Napi::Env env, StoredProfile&& stored, const Batch& batch) {
  auto object = Napi::Object::New(env);
  object.Set("sampleType", stored.sample_type);
  object.Set("sampleUnit", stored.sample_unit);
  object.Set("periodType", stored.period_type);
  object.Set("periodUnit", stored.period_unit);
  object.Set("period", ToBigInt(env, stored.period));
  object.Set("timeNanos", ToBigInt(env, stored.time_nanos));
  object.Set("durationNanos", ToBigInt(env, stored.duration_nanos));
  object.Set("total", ToBigInt(env, stored.total));
  object.Set("rowCount", stored.row_count);
  object.Set("segments", ToStrings(env, batch.segments));
  object.Set("rows", ToColumn(env, std::move(stored.rows)));
  auto facets = Napi::Object::New(env);
  auto omitted = Napi::Object::New(env);
  for (const Facet& facet : stored.facets) {
    Define(facets, facet.name, ToStrings(env, facet.values));
    if (facet.omitted > 0)
      Define(omitted, facet.name, Napi::Number::New(env, static_cast<double>(facet.omitted)));
  }
  object.Set("facets", facets);
  object.Set("facetsOmitted", omitted);
  object.Set("comments", ToStrings(env, batch.comments));
  return object;
}

uint32_t AsTicket(const Napi::Value& value) {
  if (!value.IsNumber()) throw Napi::TypeError::New(value.Env(), "the ticket is not a number");
  return value.As<Napi::Number>().Uint32Value();
}

class SymbolWriterObject : public Napi::ObjectWrap<SymbolWriterObject> {
 public:
  static constexpr napi_type_tag kTag{0x9a5c1e1f7f0b4c11, 0x8d2f5b6a3e0c9d01};

  static void Define(Napi::Env env, Napi::Object exports) {
    exports.Set("SymbolWriter",
                DefineClass(env, "SymbolWriter",
                            {Method<SymbolWriterObject, &SymbolWriterObject::Add>("add"),
                             Method<SymbolWriterObject, &SymbolWriterObject::Commit>("commit"),
                             Method<SymbolWriterObject, &SymbolWriterObject::Rollback>("rollback"),
                             Getter<SymbolWriterObject, &SymbolWriterObject::Size>("size")}));
  }

  explicit SymbolWriterObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SymbolWriterObject>(info) {
    info.This().As<Napi::Object>().TypeTag(&kTag);
    const Napi::Object options = OptionalObject(info.Env(), info[0]);
    const Napi::Value prefix = options.Get("segmentPrefix");
    writer_ = std::make_shared<SymbolWriter>(prefix.IsUndefined() ? "" : AsString(prefix, "segmentPrefix"),
                                             OptionalCount(options, "maxStacks", 100'000, 0, 1u << 28),
                                             OptionalCount(options, "maxFacetValues", 64, 0, 1u << 28));
  }

  static std::shared_ptr<SymbolWriter> WriterOf(const Napi::Value& value) {
    if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag))
      throw Napi::TypeError::New(value.Env(), "the writer is not a SymbolWriter");
    return Unwrap(value.As<Napi::Object>())->writer_;
  }

 private:
  Napi::Value Add(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return Promised(env, [&] {
      const Limits limits = FromLimits(env, info[1]);
      return Job::Start(env,
                        [writer = writer_, limits, data = FromBytes(info[0], limits.max_bytes)]() -> Finish {
                          const Profile profile = Decode(SpanOf(data), limits);
                          auto batch = std::make_shared<Batch>(writer->Add(profile, limits.max_depth));
                          return [batch](Napi::Env env) { return ToBatch(env, std::move(*batch)); };
                        });
    });
  }

  Napi::Value Commit(const Napi::CallbackInfo& info) {
    writer_->Commit(AsTicket(info[0]));
    return info.Env().Undefined();
  }

  Napi::Value Rollback(const Napi::CallbackInfo& info) {
    writer_->Rollback(AsTicket(info[0]));
    return info.Env().Undefined();
  }

  Napi::Value Size(const Napi::CallbackInfo& info) {
    auto size = Napi::Object::New(info.Env());
    size.Set("stacks", static_cast<double>(writer_->stacks()));
    size.Set("bytes", static_cast<double>(writer_->bytes()));
    return size;
  }

  // Shared with the jobs that run: they may outlive this object.
  std::shared_ptr<SymbolWriter> writer_;
};

}  // namespace

std::shared_ptr<SymbolWriter> WriterOf(const Napi::Value& value) {
  return SymbolWriterObject::WriterOf(value);
}

Napi::Object ToBatch(Napi::Env env, Batch&& batch) {
  auto object = Napi::Object::New(env);
  if (batch.segment) {
    auto segment = Napi::Object::New(env);
    segment.Set("id", batch.segment->id);
    segment.Set("bytes", ToColumn(env, std::move(batch.segment->bytes)));
    object.Set("segment", segment);
  } else {
    object.Set("segment", env.Null());
  }
  auto profiles = Napi::Array::New(env, batch.profiles.size());
  for (uint32_t i = 0; i < batch.profiles.size(); i++)
    profiles.Set(i, ToStoredProfile(env, std::move(batch.profiles[i]), batch));
  object.Set("profiles", profiles);
  object.Set("truncated", static_cast<double>(batch.truncated));
  object.Set("ticket", batch.ticket);
  return object;
}

void DefineSymbolWriter(Napi::Env env, Napi::Object exports) { SymbolWriterObject::Define(env, exports); }

}  // namespace stackwell
