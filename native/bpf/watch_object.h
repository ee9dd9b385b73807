// SPDX-License-Identifier: Apache-2.0
// The JavaScript side of Watch: `Watch` of index.d.ts.
#pragma once

#include <napi.h>

namespace stackwell {

Napi::Function defineWatch(Napi::Env env);

}  // namespace stackwell
