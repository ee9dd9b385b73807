// SPDX-License-Identifier: Apache-2.0
#include "block.h"

#include <zstd.h>

#include <cstring>
#include <memory>
#include <new>

#include "failure.h"

namespace stackwell {
namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// One context a pool thread: making one costs more than compressing the rows of a profile. They go with their
// thread.
ZSTD_CCtx* Compressor() {
  thread_local std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (!context) throw std::bad_alloc();
  return context.get();
}
ZSTD_DCtx* Decompressor() {
  thread_local std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (!context) throw std::bad_alloc();
  return context.get();
}

}  // namespace

Bytes Pack(std::string_view magic, const Bytes& content, int level) {
  ZSTD_CCtx* context = Compressor();
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  Bytes packed(magic.begin(), magic.end());
  packed.resize(magic.size() + ZSTD_compressBound(content.size()));
  const size_t size = ZSTD_compress2(context, packed.data() + magic.size(), packed.size() - magic.size(),
                                     content.data(), content.size());
  if (ZSTD_isError(size)) throw std::bad_alloc();  // the buffer is large enough: only memory can be short
  packed.resize(magic.size() + size);
  packed.shrink_to_fit();
  return packed;
}

Bytes Unpack(std::string_view magic, Span packed, uint64_t max_bytes, const std::string& name) {
  if (packed.size() < magic.size() || packed.text().substr(0, magic.size()) != magic)
    Damaged(name, "it does not start with " + std::string(magic.substr(0, magic.size() - 1)) +
                      " and version " + std::to_string(magic.back()));
  const uint8_t* frame = packed.begin + magic.size();
  const size_t frame_size = packed.size() - magic.size();
  const unsigned long long size = ZSTD_getFrameContentSize(frame, frame_size);
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR)
    Damaged(name, "it has no zstd frame");
  if (size > max_bytes) Damaged(name, "it says it has " + std::to_string(size) + " bytes");
  Bytes content(size);
  const size_t got = ZSTD_decompressDCtx(Decompressor(), content.data(), size, frame, frame_size);
  if (ZSTD_isError(got)) Damaged(name, ZSTD_getErrorName(got));
  if (got != size) Damaged(name, "it is shorter than it says");
  return content;
}

uint64_t UnpackedBytes(std::string_view magic, Span packed) {
  if (packed.size() < magic.size()) return 0;
  const unsigned long long size =
      ZSTD_getFrameContentSize(packed.begin + magic.size(), packed.size() - magic.size());
  return size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR ? 0 : size;
}

void Cursor::Fail(const std::string& reason) const { Damaged(name_, reason); }

}  // namespace stackwell
