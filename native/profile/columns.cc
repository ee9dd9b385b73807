// SPDX-License-Identifier: Apache-2.0
#include "columns.h"

#include "javascript.h"

namespace stackwell {
namespace {

Napi::Object ToValueType(Napi::Env env, const Profile::ValueType& type) {
  auto object = Napi::Object::New(env);
  object.Set("type", type.type);
  object.Set("unit", type.unit);
  return object;
}

uint32_t Index(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  // Checked before the cast: what does not fit must not wrap into the table.
  if (!(number >= 0 && number <= UINT32_MAX))
    throw Napi::TypeError::New(object.Env(), std::string(name) + " is not an index");
  return static_cast<uint32_t>(number);
}

Profile::ValueType FromValueType(const Napi::Value& value) {
  const Napi::Object object = AsObject(value, "a value type");
  return {Index(object, "type"), Index(object, "unit")};
}

Napi::Object Part(const Napi::Object& columns, const char* name) { return AsObject(columns.Get(name), name); }

}  // namespace

Napi::Object ToColumns(Napi::Env env, Profile&& p) {
  auto columns = Napi::Object::New(env);
  columns.Set("strings", ToStrings(env, p.strings));
  auto types = Napi::Array::New(env, p.sample_types.size());
  for (uint32_t i = 0; i < p.sample_types.size(); i++) types.Set(i, ToValueType(env, p.sample_types[i]));
  columns.Set("sampleTypes", types);
  columns.Set("periodType", p.period_type ? Napi::Value(ToValueType(env, *p.period_type)) : env.Null());
  columns.Set("period", ToBigInt(env, p.period));
  columns.Set("timeNanos", ToBigInt(env, p.time_nanos));
  columns.Set("durationNanos", ToBigInt(env, p.duration_nanos));
  columns.Set("comments", ToColumn(env, std::move(p.comments)));
  columns.Set("defaultSampleType", p.default_sample_type);
  columns.Set("dropFrames", p.drop_frames);
  columns.Set("keepFrames", p.keep_frames);
  columns.Set("docUrl", p.doc_url);

  auto mappings = Napi::Object::New(env);
  mappings.Set("start", ToColumn(env, std::move(p.mappings.start)));
  mappings.Set("limit", ToColumn(env, std::move(p.mappings.limit)));
  mappings.Set("offset", ToColumn(env, std::move(p.mappings.offset)));
  mappings.Set("filename", ToColumn(env, std::move(p.mappings.filename)));
  mappings.Set("buildId", ToColumn(env, std::move(p.mappings.build_id)));
  mappings.Set("flags", ToColumn(env, std::move(p.mappings.flags)));
  columns.Set("mappings", mappings);

  auto functions = Napi::Object::New(env);
  functions.Set("name", ToColumn(env, std::move(p.functions.name)));
  functions.Set("systemName", ToColumn(env, std::move(p.functions.system_name)));
  functions.Set("filename", ToColumn(env, std::move(p.functions.filename)));
  functions.Set("startLine", ToColumn(env, std::move(p.functions.start_line)));
  columns.Set("functions", functions);

  auto locations = Napi::Object::New(env);
  locations.Set("mapping", ToColumn(env, std::move(p.locations.mapping)));
  locations.Set("address", ToColumn(env, std::move(p.locations.address)));
  locations.Set("isFolded", ToColumn(env, std::move(p.locations.is_folded)));
  locations.Set("lineOffset", ToColumn(env, std::move(p.locations.line_offset)));
  columns.Set("locations", locations);

  auto lines = Napi::Object::New(env);
  lines.Set("function", ToColumn(env, std::move(p.lines.function)));
  lines.Set("line", ToColumn(env, std::move(p.lines.line)));
  lines.Set("column", ToColumn(env, std::move(p.lines.column)));
  columns.Set("lines", lines);

  auto samples = Napi::Object::New(env);
  samples.Set("locationOffset", ToColumn(env, std::move(p.samples.location_offset)));
  samples.Set("location", ToColumn(env, std::move(p.samples.location)));
  samples.Set("values", ToColumn(env, std::move(p.samples.values)));
  samples.Set("labelOffset", ToColumn(env, std::move(p.samples.label_offset)));
  columns.Set("samples", samples);

  auto labels = Napi::Object::New(env);
  labels.Set("key", ToColumn(env, std::move(p.labels.key)));
  labels.Set("str", ToColumn(env, std::move(p.labels.str)));
  labels.Set("num", ToColumn(env, std::move(p.labels.num)));
  labels.Set("numUnit", ToColumn(env, std::move(p.labels.num_unit)));
  columns.Set("labels", labels);
  return columns;
}

Profile FromColumns(const Napi::Object& columns) {
  Profile p;
  const Napi::Value strings = columns.Get("strings");
  if (!strings.IsArray()) throw Napi::TypeError::New(columns.Env(), "strings is not an array");
  const auto list = strings.As<Napi::Array>();
  const uint32_t count = list.Length();
  p.strings.reserve(count);
  for (uint32_t i = 0; i < count; i++) {
    Napi::HandleScope scope(columns.Env());
    p.strings.push_back(p.owned_text.emplace_back(AsString(list.Get(i), "a string")));
  }
  const Napi::Value types = columns.Get("sampleTypes");
  if (!types.IsArray()) throw Napi::TypeError::New(columns.Env(), "sampleTypes is not an array");
  for (uint32_t i = 0; i < types.As<Napi::Array>().Length(); i++)
    p.sample_types.push_back(FromValueType(types.As<Napi::Array>().Get(i)));
  const Napi::Value period_type = columns.Get("periodType");
  if (!period_type.IsNull() && !period_type.IsUndefined()) p.period_type = FromValueType(period_type);
  p.period = AsInt64(columns.Get("period"), "period");
  p.time_nanos = AsInt64(columns.Get("timeNanos"), "timeNanos");
  p.duration_nanos = AsInt64(columns.Get("durationNanos"), "durationNanos");
  p.comments = FromColumn<uint32_t>(columns, "comments");
  p.default_sample_type = Index(columns, "defaultSampleType");
  p.drop_frames = Index(columns, "dropFrames");
  p.keep_frames = Index(columns, "keepFrames");
  p.doc_url = Index(columns, "docUrl");

  const Napi::Object mappings = Part(columns, "mappings");
  p.mappings.start = FromColumn<uint64_t>(mappings, "start");
  p.mappings.limit = FromColumn<uint64_t>(mappings, "limit");
  p.mappings.offset = FromColumn<uint64_t>(mappings, "offset");
  p.mappings.filename = FromColumn<uint32_t>(mappings, "filename");
  p.mappings.build_id = FromColumn<uint32_t>(mappings, "buildId");
  p.mappings.flags = FromColumn<uint8_t>(mappings, "flags");

  const Napi::Object functions = Part(columns, "functions");
  p.functions.name = FromColumn<uint32_t>(functions, "name");
  p.functions.system_name = FromColumn<uint32_t>(functions, "systemName");
  p.functions.filename = FromColumn<uint32_t>(functions, "filename");
  p.functions.start_line = FromColumn<int64_t>(functions, "startLine");

  const Napi::Object locations = Part(columns, "locations");
  p.locations.mapping = FromColumn<int32_t>(locations, "mapping");
  p.locations.address = FromColumn<uint64_t>(locations, "address");
  p.locations.is_folded = FromColumn<uint8_t>(locations, "isFolded");
  p.locations.line_offset = FromColumn<uint32_t>(locations, "lineOffset");

  const Napi::Object lines = Part(columns, "lines");
  p.lines.function = FromColumn<int32_t>(lines, "function");
  p.lines.line = FromColumn<int64_t>(lines, "line");
  p.lines.column = FromColumn<int64_t>(lines, "column");

  const Napi::Object samples = Part(columns, "samples");
  p.samples.location_offset = FromColumn<uint32_t>(samples, "locationOffset");
  p.samples.location = FromColumn<uint32_t>(samples, "location");
  p.samples.values = FromColumn<int64_t>(samples, "values");
  p.samples.label_offset = FromColumn<uint32_t>(samples, "labelOffset");

  const Napi::Object labels = Part(columns, "labels");
  p.labels.key = FromColumn<uint32_t>(labels, "key");
  p.labels.str = FromColumn<uint32_t>(labels, "str");
  p.labels.num = FromColumn<int64_t>(labels, "num");
  p.labels.num_unit = FromColumn<uint32_t>(labels, "numUnit");
  return p;
}

}  // namespace stackwell
