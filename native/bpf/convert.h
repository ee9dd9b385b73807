// SPDX-License-Identifier: Apache-2.0
// Between JavaScript values and our plain data.
#pragma once

#include <napi.h>

#include "columns.h"
#include "failure.h"
#include "object.h"
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
Napi::Array fromCosts(Napi::Env env, const std::vector<ProgramCost>& costs);

/** Runs `body`; what it throws becomes a JavaScript exception with a code. */
template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const Failure& failure) {
    throw fromFailure(env, failure);
  } catch (const std::exception& error) {
    throw fromFailure(env, Failure("SW_INTERNAL", {{"reason", error.what()}}));
  }
}

}  // namespace stackwell
