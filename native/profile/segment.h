// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "symbols.h"
#include "varint.h"
#include "wire.h"

namespace stackwell {

struct EncodedSegment {
  /// Hex of the hash of the uncompressed content.
  std::string id;
  Bytes bytes;
};

/// Symbols as they are stored; the format is in docs/storage.md. The same symbols give the same bytes.
EncodedSegment EncodeSegment(const SymbolColumns& symbols);

struct DecodedSegment {
  // What `symbols.strings` points into.
  Bytes content;
  SymbolColumns symbols;
};

/// How large it is before it is decoded, for who must not have too many at once.
uint64_t SegmentBytes(Span bytes);

/// Throws Damaged unless `bytes` is a segment whose content has this id (whatever is in front of its hash),
/// every reference in it has its row, and no stack has more than kDeepest frames.
DecodedSegment DecodeSegment(const std::string& id, Span bytes);

}  // namespace stackwell
