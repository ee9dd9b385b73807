// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

// Documented in index.d.ts.
Napi::Value SocketPair(const Napi::CallbackInfo& info);
Napi::Value SendDescriptor(const Napi::CallbackInfo& info);
Napi::Value ConnectAs(const Napi::CallbackInfo& info);
Napi::Value CreateAs(const Napi::CallbackInfo& info);
Napi::Value OpenInRoot(const Napi::CallbackInfo& info);
Napi::Value PlaceInRoot(const Napi::CallbackInfo& info);
Napi::Value OpenMapped(const Napi::CallbackInfo& info);
Napi::Value MemoryFile(const Napi::CallbackInfo& info);
Napi::Value OpenProcess(const Napi::CallbackInfo& info);
Napi::Value SignalProcess(const Napi::CallbackInfo& info);
