// SPDX-License-Identifier: Apache-2.0
#include "inflate.h"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "limits.h"

namespace stackwell {
namespace {

constexpr int kGzip = 16 + MAX_WBITS;
constexpr uint64_t kZlibChunk = 1u << 30;  // avail_in and avail_out are 32 bits wide

bool IsGzip(Span data) { return data.size() >= 2 && data.begin[0] == 0x1f && data.begin[1] == 0x8b; }

/// RAII for zlib's state.
struct InflateStream : z_stream {
  InflateStream() : z_stream{} {
    if (inflateInit2(this, kGzip) != Z_OK) throw std::bad_alloc();
  }
  ~InflateStream() { inflateEnd(this); }
};

struct DeflateStream : z_stream {
  explicit DeflateStream(int level) : z_stream{} {
    if (deflateInit2(this, level, Z_DEFLATED, kGzip, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
  }
  ~DeflateStream() { deflateEnd(this); }
};

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* decompressor) const { libdeflate_free_decompressor(decompressor); }
};

/// One a pool thread.
libdeflate_decompressor* Decompressor() {
  thread_local std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(
      libdeflate_alloc_decompressor());
  if (!decompressor) throw std::bad_alloc();
  return decompressor.get();
}

/// With libdeflate, in half the time that zlib takes; it needs a member's output in one piece, and does not
/// say what is wrong. False for everything that is not sound, and what is larger than `bound`.
bool InflateSound(Span data, uint64_t bound, Bytes& out) {
  // The last four bytes of a member tell its size: believed as far as profiles compress, else it is tried by
  // doubling.
  uint32_t told = 0;
  if (data.size() >= 18) std::memcpy(&told, data.end - 4, 4);
  uint64_t room = std::max<uint64_t>({4096, data.size() * 4, std::min<uint64_t>(told, data.size() * 16)});
  out.resize(std::min(bound, room));
  size_t used = 0;
  for (const uint8_t* at = data.begin; at != data.end;) {
    if (!IsGzip({at, data.end})) return false;
    size_t read = 0, written = 0;
    const auto result = libdeflate_gzip_decompress_ex(Decompressor(), at, static_cast<size_t>(data.end - at),
                                                      out.data() + used, out.size() - used, &read, &written);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE && out.size() < bound) {
      out.resize(std::min<uint64_t>(bound, out.size() * 2));
      continue;
    }
    if (result != LIBDEFLATE_SUCCESS) return false;
    at += read;
    used += written;
  }
  out.resize(used);
  return true;
}

}  // namespace

Bytes Inflate(Span data, uint64_t max_bytes) {
  if (!IsGzip(data)) {
    Check("bytes", data.size(), max_bytes);
    return Bytes(data.begin, data.end);
  }
  // One byte more than allowed is enough to know that it is too much.
  const uint64_t bound = max_bytes + 1;
  Bytes out;
  if (InflateSound(data, max_bytes, out)) return out;
  // Once more with zlib, which says what is wrong.
  out.resize(std::min(bound, std::max<uint64_t>(data.size() * 4, 4096)));
  uint64_t used = 0;
  InflateStream stream;
  stream.next_in = const_cast<Bytef*>(data.begin);
  for (;;) {
    if (used == out.size()) {
      if (used == bound) OverLimit("bytes", bound, max_bytes);
      out.resize(std::min(bound, out.size() * 2));
    }
    const auto room = static_cast<uInt>(std::min(out.size() - used, kZlibChunk));
    stream.next_out = out.data() + used;
    stream.avail_out = room;
    stream.avail_in = static_cast<uInt>(std::min<uint64_t>(data.end - stream.next_in, kZlibChunk));
    const int status = inflate(&stream, Z_NO_FLUSH);
    used += room - stream.avail_out;
    if (status == Z_STREAM_END) {
      const Span rest{stream.next_in, data.end};
      if (rest.size() == 0) break;
      if (!IsGzip(rest)) Invalid("there is something behind the gzip data");
      inflateReset(&stream);
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status == Z_BUF_ERROR && stream.avail_out != 0) {
      Invalid("the gzip data is cut off");
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      Invalid(std::string("the gzip data is damaged: ") + (stream.msg ? stream.msg : "no message"));
    } else if (stream.next_in == data.end && stream.avail_out != 0) {
      Invalid("the gzip data is cut off");
    }
  }
  if (used > max_bytes) OverLimit("bytes", used, max_bytes);
  out.resize(used);
  return out;
}

Bytes Deflate(const Bytes& data, int level) {
  DeflateStream stream(level);
  Bytes out(deflateBound(&stream, data.size()));
  const uint8_t* end = data.data() + data.size();
  stream.next_in = const_cast<Bytef*>(data.data());
  stream.next_out = out.data();
  for (int status = Z_OK; status != Z_STREAM_END;) {
    stream.avail_in = static_cast<uInt>(std::min<uint64_t>(end - stream.next_in, kZlibChunk));
    stream.avail_out =
        static_cast<uInt>(std::min<uint64_t>(out.data() + out.size() - stream.next_out, kZlibChunk));
    status = deflate(&stream, stream.next_in + stream.avail_in == end ? Z_FINISH : Z_NO_FLUSH);
  }
  out.resize(stream.next_out - out.data());
  return out;
}

}  // namespace stackwell
