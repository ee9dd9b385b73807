// SPDX-License-Identifier: Apache-2.0
// Between JavaScript values and ours. Everything here runs on the JavaScript thread of the environment.
#pragma once

#include <napi.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "limits.h"
#include "varint.h"

namespace stackwell {

/// A vector as a typed array. Big ones are handed over without a copy: the array owns them from then on.
template <typename T>
Napi::Value ToColumn(Napi::Env env, std::vector<T>&& column) {
  constexpr size_t kCopied = 4096;  // below this an external buffer and its finalizer cost more than the copy
  const size_t bytes = column.size() * sizeof(T);
  Napi::ArrayBuffer buffer;
  if (bytes <= kCopied) {
    buffer = Napi::ArrayBuffer::New(env, bytes);
    if (bytes > 0) std::memcpy(buffer.Data(), column.data(), bytes);
  } else {
    auto* owned = new std::vector<T>(std::move(column));
    buffer = Napi::ArrayBuffer::New(
        env, owned->data(), bytes, [](Napi::Env, void*, std::vector<T>* vector) { delete vector; }, owned);
  }
  return Napi::TypedArrayOf<T>::New(env, bytes / sizeof(T), buffer, 0);
}

constexpr napi_typedarray_type ArrayType(uint8_t) { return napi_uint8_array; }
constexpr napi_typedarray_type ArrayType(uint16_t) { return napi_uint16_array; }
constexpr napi_typedarray_type ArrayType(int32_t) { return napi_int32_array; }
constexpr napi_typedarray_type ArrayType(uint32_t) { return napi_uint32_array; }
constexpr napi_typedarray_type ArrayType(int64_t) { return napi_bigint64_array; }
constexpr napi_typedarray_type ArrayType(uint64_t) { return napi_biguint64_array; }

/// A copy of a typed array: JavaScript may change, detach or share its memory while a pool thread works.
template <typename T>
std::vector<T> FromColumn(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    if (array.TypedArrayType() == ArrayType(T{})) {
      const auto typed = value.As<Napi::TypedArrayOf<T>>();
      return std::vector<T>(typed.Data(), typed.Data() + typed.ElementLength());
    }
  }
  throw Napi::TypeError::New(object.Env(), std::string(name) + " is not the right kind of typed array");
}

Napi::Array ToStrings(Napi::Env env, const std::vector<std::string>& strings);
Napi::Array ToStrings(Napi::Env env, const std::vector<std::string_view>& strings);
/// Throws a TypeError that says `what` is no list of strings.
std::vector<std::string> FromStrings(const Napi::Value& value, const char* what);
Napi::Value ToBigInt(Napi::Env env, __int128 value);

/// The bytes of a Uint8Array (or a subclass), copied; throws OverLimit("bytes") before it copies over
/// `max_bytes`.
Bytes FromBytes(const Napi::Value& value, uint64_t max_bytes);

Napi::Object AsObject(const Napi::Value& value, const char* what);
std::string AsString(const Napi::Value& value, const char* what);
int64_t AsInt64(const Napi::Value& value, const char* what);
/// A whole number of at least `min`; `fallback` when it is undefined; more than `max` counts as `max`.
uint64_t OptionalCount(const Napi::Object& options, const char* name, uint64_t fallback, uint64_t min,
                       uint64_t max);
bool OptionalFlag(const Napi::Object& options, const char* name, bool fallback);
/// An empty object when it is undefined or null.
Napi::Object OptionalObject(Napi::Env env, const Napi::Value& value);
Limits FromLimits(Napi::Env env, const Napi::Value& value);

/// An Error with `code` and `details`.
Napi::Error ToError(Napi::Env env, const Failure& failure);
/// The exception that is being handled, as an Error. For use in a catch block.
Napi::Error CurrentError(Napi::Env env);

}  // namespace stackwell
