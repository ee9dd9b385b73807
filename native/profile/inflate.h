// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "varint.h"
#include "wire.h"

namespace stackwell {

/// The message in `data`: itself, or what its gzip members hold after each other. Throws OverLimit("bytes")
/// as soon as that is more than `max_bytes`: no more than that is ever allocated. Throws Invalid for damaged
/// gzip.
Bytes Inflate(Span data, uint64_t max_bytes);

/// gzip with the zlib level 1 … 9.
Bytes Deflate(const Bytes& data, int level);

}  // namespace stackwell
