// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

namespace stackwell {

/// Calls a method of a wrapped object after its type tag (`T::kTag`) has been checked: Napi::ObjectWrap takes
/// whatever `this` wraps for a T, and JavaScript can give an accessor any `this`.
template <typename T, Napi::Value (T::*method)(const Napi::CallbackInfo&)>
napi_value CheckedCall(napi_env env, napi_callback_info raw) {
  return Napi::details::WrapCallback(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    bool is_ours = false;
    void* object = nullptr;
    if (napi_check_object_type_tag(env, info.This(), &T::kTag, &is_ours) != napi_ok || !is_ours ||
        napi_unwrap(env, info.This(), &object) != napi_ok)
      throw Napi::TypeError::New(env, "this is not an object of the class that the method belongs to");
    return (static_cast<T*>(object)->*method)(info);
  });
}

template <typename T, Napi::Value (T::*method)(const Napi::CallbackInfo&)>
Napi::ClassPropertyDescriptor<T> Method(const char* name) {
  napi_property_descriptor property{};
  property.utf8name = name;
  property.method = CheckedCall<T, method>;
  property.attributes = napi_default_method;
  return property;
}

template <typename T, Napi::Value (T::*method)(const Napi::CallbackInfo&)>
Napi::ClassPropertyDescriptor<T> Getter(const char* name) {
  napi_property_descriptor property{};
  property.utf8name = name;
  property.getter = CheckedCall<T, method>;
  return property;
}

}  // namespace stackwell
