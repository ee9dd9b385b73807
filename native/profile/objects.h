// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

namespace stackwell {

// The classes of index.d.ts. Each adds its constructor to the exports; nothing is kept outside of the
// environment.
void DefineSymbolWriter(Napi::Env env, Napi::Object exports);
void DefineMatcher(Napi::Env env, Napi::Object exports);
void DefineMerger(Napi::Env env, Napi::Object exports);

}  // namespace stackwell
