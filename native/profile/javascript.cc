// SPDX-License-Identifier: Apache-2.0
#include "javascript.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

namespace stackwell {
namespace {

// Handles of a scope live until it is closed, so many strings are made in several scopes. In each, what was
// made is made once: of many columns (files, modules, reasons) most rows say the same.
template <typename Text>
Napi::Array MakeStrings(Napi::Env env, const std::vector<Text>& strings) {
  constexpr size_t kScope = 4096;
  constexpr size_t kMade = 256;
  struct Made {
    std::string_view text;
    napi_value value = nullptr;
  };
  auto array = Napi::Array::New(env, strings.size());
  for (size_t i = 0; i < strings.size();) {
    Napi::HandleScope scope(env);
    std::array<Made, kMade> recent{};
    for (const size_t end = std::min(strings.size(), i + kScope); i < end; i++) {
      const std::string_view text = strings[i];
      Made& made = recent[std::hash<std::string_view>{}(text) % kMade];
      if (made.value == nullptr || made.text != text)
        made = {text, Napi::String::New(env, text.data(), text.size())};
      array.Set(static_cast<uint32_t>(i), made.value);
    }
  }
  return array;
}

}  // namespace

Napi::Array ToStrings(Napi::Env env, const std::vector<std::string>& strings) {
  return MakeStrings(env, strings);
}
Napi::Array ToStrings(Napi::Env env, const std::vector<std::string_view>& strings) {
  return MakeStrings(env, strings);
}

std::vector<std::string> FromStrings(const Napi::Value& value, const char* what) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), std::string(what) + " is not an array");
  const auto list = value.As<Napi::Array>();
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < list.Length(); i++) strings.push_back(AsString(list.Get(i), what));
  return strings;
}

Napi::Value ToBigInt(Napi::Env env, __int128 value) {
  const auto magnitude =
      value < 0 ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  const uint64_t words[] = {static_cast<uint64_t>(magnitude), static_cast<uint64_t>(magnitude >> 64)};
  return Napi::BigInt::New(env, value < 0, words[1] != 0 ? 2 : 1, words);
}

Bytes FromBytes(const Napi::Value& value, uint64_t max_bytes) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw Napi::TypeError::New(value.Env(), "a Uint8Array is expected");
  const auto array = value.As<Napi::Uint8Array>();
  Check("bytes", array.ByteLength(), max_bytes);
  return Bytes(array.Data(), array.Data() + array.ByteLength());
}

Napi::Object AsObject(const Napi::Value& value, const char* what) {
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), std::string(what) + " is not an object");
  return value.As<Napi::Object>();
}

std::string AsString(const Napi::Value& value, const char* what) {
  if (!value.IsString()) throw Napi::TypeError::New(value.Env(), std::string(what) + " is not a string");
  return value.As<Napi::String>().Utf8Value();
}

int64_t AsInt64(const Napi::Value& value, const char* what) {
  bool lossless = false;
  int64_t number = 0;
  if (value.IsBigInt()) number = value.As<Napi::BigInt>().Int64Value(&lossless);
  if (!lossless) throw Napi::TypeError::New(value.Env(), std::string(what) + " is not a bigint of 64 bits");
  return number;
}

uint64_t OptionalCount(const Napi::Object& options, const char* name, uint64_t fallback, uint64_t min,
                       uint64_t max) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return fallback;
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= static_cast<double>(min)) || (std::isfinite(number) && number != std::floor(number)))
    throw Napi::RangeError::New(options.Env(),
                                std::string(name) + " is not a whole number from " + std::to_string(min));
  return number >= static_cast<double>(max) ? max : static_cast<uint64_t>(number);
}

bool OptionalFlag(const Napi::Object& options, const char* name, bool fallback) {
  const Napi::Value value = options.Get(name);
  return value.IsUndefined() ? fallback : value.ToBoolean().Value();
}

Napi::Object OptionalObject(Napi::Env env, const Napi::Value& value) {
  return value.IsUndefined() || value.IsNull() ? Napi::Object::New(env) : AsObject(value, "options");
}

Limits FromLimits(Napi::Env env, const Napi::Value& value) {
  const Napi::Object given = OptionalObject(env, value);
  // Rows, offsets and string lengths are 32 bits wide.
  constexpr uint64_t kMost = 1u << 28;
  Limits limits;
  limits.max_bytes = OptionalCount(given, "maxBytes", limits.max_bytes, 1, 1u << 31);
  limits.max_samples = OptionalCount(given, "maxSamples", limits.max_samples, 0, kMost);
  limits.max_locations = OptionalCount(given, "maxLocations", limits.max_locations, 0, kMost);
  limits.max_strings = OptionalCount(given, "maxStrings", limits.max_strings, 1, kMost);
  limits.max_string_bytes = OptionalCount(given, "maxStringBytes", limits.max_string_bytes, 0, 1u << 28);
  limits.max_depth = OptionalCount(given, "maxDepth", limits.max_depth, 1, kDeepest);
  limits.max_labels = OptionalCount(given, "maxLabels", limits.max_labels, 0, kMost);
  return limits;
}

Napi::Error ToError(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  auto details = Napi::Object::New(env);
  for (const auto& [name, value] : failure.details()) {
    if (const auto* text = std::get_if<std::string>(&value))
      details.Set(name, *text);
    else
      details.Set(name, std::get<double>(value));
  }
  error.Set("code", Napi::String::New(env, failure.code()));
  error.Set("details", details);
  return error;
}

Napi::Error CurrentError(Napi::Env env) {
  try {
    throw;
  } catch (const Napi::Error& error) {
    return error;
  } catch (const Failure& failure) {
    return ToError(env, failure);
  } catch (const std::exception& other) {
    return ToError(env, Failure("SW_INTERNAL", other.what(), {{"reason", std::string(other.what())}}));
  }
}

}  // namespace stackwell
