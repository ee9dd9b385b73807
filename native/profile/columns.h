// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include "profile.h"

namespace stackwell {

/// ProfileColumns of index.d.ts.
Napi::Object ToColumns(Napi::Env env, Profile&& profile);
/// Copies every column. Throws Napi::TypeError where a column is missing or of the wrong kind;
/// CheckConsistent is still to be called.
Profile FromColumns(const Napi::Object& columns);

}  // namespace stackwell
