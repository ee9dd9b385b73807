// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "profile.h"

namespace stackwell {

/// Takes out of a profile what none of its samples refers to. The first mapping stays: it is the program.
void Compact(Profile& profile);

}  // namespace stackwell
