// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limits.h"
#include "wire.h"

namespace stackwell {

/// What an ExportProfilesServiceRequest of OTLP holds, as pprof: OtlpExport of index.d.ts.
struct OtlpExport {
  struct Converted {
    /// Row of `attribute_sets`.
    uint32_t attributes = 0;
    std::string service;
    /// Of the profile type; '' to go by the sample type.
    std::string name;
    Bytes pprof;
    /// Profiles of the request that are in it.
    uint32_t profiles = 0;
  };
  using Attributes = std::vector<std::pair<std::string, std::string>>;

  std::vector<Attributes> attribute_sets;
  std::vector<Converted> profiles;
  /// Profiles of the request.
  uint32_t received = 0;
  /// Attributes left out because they are too long.
  uint64_t dropped_attributes = 0;
};

/// Reads a request (opentelemetry-proto 1.10 and later) whole before anything of it is converted. Throws
/// Failure with SW_OTLP_INVALID or SW_PPROF_LIMIT.
OtlpExport ConvertOtlp(Span request, const Limits& limits);

}  // namespace stackwell
