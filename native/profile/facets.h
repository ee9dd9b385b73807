// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "canonical.h"
#include "writer.h"

namespace stackwell {

/// The label's value as matchers and facets see it: the string, else the number. A label with neither is ''.
std::string LabelText(std::string_view str, int64_t num, std::string_view num_unit);

/// Labels with a value for each request (REQUEST_LABELS of src/profile/types.ts): hardly one comes again, so
/// of each profile only those with the largest shares are listed.
inline constexpr size_t kMostRequests = 4;

/// Facets of a profile whose label set i has the weight `weights[i]` in it (0: not at all). Strings, and the
/// numbers that identify a process or thread; other numbers (sizes) are no facets.
std::vector<Facet> FindFacets(const Canonical& canonical, const std::vector<double>& weights,
                              size_t max_values);

}  // namespace stackwell
