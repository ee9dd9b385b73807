// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "merger.h"
#include "writer.h"

namespace stackwell {

// The classes of index.d.ts. Each adds its constructor to the exports; nothing is kept outside of the
// environment.
void DefineSymbolWriter(Napi::Env env, Napi::Object exports);
void DefineMatcher(Napi::Env env, Napi::Object exports);
void DefineMerger(Napi::Env env, Napi::Object exports);
void DefineDelta(Napi::Env env, Napi::Object exports);

/// Throws a TypeError when it is no SymbolWriter.
std::shared_ptr<SymbolWriter> WriterOf(const Napi::Value& value);
Napi::Object ToBatch(Napi::Env env, Batch&& batch);
struct Summed;
Napi::Object ToSummed(Napi::Env env, Summed&& summed);
/// Profiles as `Merger.addProfiles` takes them.
std::vector<Merger::Input> FromInputs(const Napi::Value& value);

}  // namespace stackwell
