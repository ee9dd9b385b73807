// SPDX-License-Identifier: Apache-2.0
// Between JavaScript values and our plain data.
#pragma once

#include <napi.h>

#include "columns.h"
#include "failure.h"
#include "options.h"
#include "publishers.h"
#include "runtimes.h"
#include "tables.h"

namespace stackwell {

/** Throws Failure SW_USAGE for what index.d.ts does not allow. */
Options toOptions(const Napi::Value& value);
Scope toScope(const Napi::Value& value);

Napi::Object fromColumns(Napi::Env env, const Columns& columns);
Napi::Object fromWanted(Napi::Env env, const std::vector<WantedTable>& wanted);
Napi::Object fromWanted(Napi::Env env, const std::vector<WantedRuntime>& wanted);
Napi::Object fromWanted(Napi::Env env, const std::vector<WantedPublisher>& wanted);
/** An Error with `code` and `details` of src/errors.ts. */
Napi::Error fromFailure(Napi::Env env, const Failure& failure);

}  // namespace stackwell
