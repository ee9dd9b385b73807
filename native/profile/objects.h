// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <vector>

#include "merger.h"

namespace stackwell {

// The classes of index.d.ts. Each adds its constructor to the exports; nothing is kept outside of the
// environment.
void DefineSymbolWriter(Napi::Env env, Napi::Object exports);
void DefineMatcher(Napi::Env env, Napi::Object exports);
void DefineMerger(Napi::Env env, Napi::Object exports);

struct RolledUp;
Napi::Object ToRolledUp(Napi::Env env, RolledUp&& rolled);
/// Profiles as `Merger.addProfiles` takes them.
std::vector<Merger::Input> FromInputs(const Napi::Value& value);

}  // namespace stackwell
