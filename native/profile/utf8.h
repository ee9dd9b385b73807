// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace stackwell {

bool IsUtf8(std::string_view text);

/// `text` with U+FFFD for each maximal part of an ill-formed sequence, as the WHATWG decoder (and
/// TextDecoder) does.
std::string RepairUtf8(std::string_view text);

}  // namespace stackwell
