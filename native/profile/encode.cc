// SPDX-License-Identifier: Apache-2.0
#include "inflate.h"
#include "profile.h"
#include "wire.h"

namespace stackwell {
namespace {

class Encoder {
 public:
  explicit Encoder(const Profile& profile) : profile_(profile), out_(bytes_) {}

  Bytes Run() {
    for (const auto& type : profile_.sample_types) Append(1, [&](Writer& w) { PutValueType(w, type); });
    for (size_t i = 0; i < profile_.samples.size(); i++) Append(2, [&](Writer& w) { PutSample(w, i); });
    for (size_t i = 0; i < profile_.mappings.size(); i++) Append(3, [&](Writer& w) { PutMapping(w, i); });
    for (size_t i = 0; i < profile_.locations.size(); i++) Append(4, [&](Writer& w) { PutLocation(w, i); });
    for (size_t i = 0; i < profile_.functions.size(); i++) Append(5, [&](Writer& w) { PutFunction(w, i); });
    for (const auto& text : profile_.strings) out_.LengthDelimited(6, text.data(), text.size());
    out_.Number(7, profile_.drop_frames);
    out_.Number(8, profile_.keep_frames);
    out_.Number(9, profile_.time_nanos);
    out_.Number(10, profile_.duration_nanos);
    if (profile_.period_type) Append(11, [&](Writer& w) { PutValueType(w, *profile_.period_type); });
    out_.Number(12, profile_.period);
    PutPacked(out_, 13, profile_.comments.begin(), profile_.comments.end());
    out_.Number(14, profile_.default_sample_type);
    out_.Number(15, profile_.doc_url);
    return std::move(bytes_);
  }

 private:
  // An empty message is written, too: that it is there means something in a repeated field.
  template <typename Put>
  void Append(uint32_t field, Put put) {
    scratch_.clear();
    Writer writer(scratch_);
    put(writer);
    out_.Message(field, scratch_);
  }

  template <typename Iterator>
  void PutPacked(Writer& w, uint32_t field, Iterator begin, Iterator end, uint64_t plus = 0) {
    if (begin == end) return;
    packed_.clear();
    for (; begin != end; ++begin) AppendVarint(packed_, static_cast<uint64_t>(*begin) + plus);
    w.Message(field, packed_);
  }

  void PutValueType(Writer& w, const Profile::ValueType& type) {
    w.Number(1, type.type);
    w.Number(2, type.unit);
  }

  void PutSample(Writer& w, size_t i) {
    const auto& samples = profile_.samples;
    const auto& labels = profile_.labels;
    const size_t types = profile_.sample_types.size();
    PutPacked(w, 1, samples.location.begin() + samples.location_offset[i],
              samples.location.begin() + samples.location_offset[i + 1], 1);
    PutPacked(w, 2, samples.values.begin() + i * types, samples.values.begin() + (i + 1) * types);
    for (size_t l = samples.label_offset[i]; l < samples.label_offset[i + 1]; l++) {
      packed_.clear();
      Writer label(packed_);
      label.Number(1, labels.key[l]);
      label.Number(2, labels.str[l]);
      label.Number(3, labels.num[l]);
      label.Number(4, labels.num_unit[l]);
      w.Message(3, packed_);
    }
  }

  void PutMapping(Writer& w, size_t i) {
    const auto& mappings = profile_.mappings;
    w.Number(1, i + 1);
    w.Number(2, mappings.start[i]);
    w.Number(3, mappings.limit[i]);
    w.Number(4, mappings.offset[i]);
    w.Number(5, mappings.filename[i]);
    w.Number(6, mappings.build_id[i]);
    for (uint32_t bit = 0; bit < 4; bit++) w.Number(7 + bit, (mappings.flags[i] >> bit & 1u));
  }

  void PutLocation(Writer& w, size_t i) {
    const auto& locations = profile_.locations;
    const auto& lines = profile_.lines;
    w.Number(1, i + 1);
    w.Number(2, static_cast<uint64_t>(locations.mapping[i] + 1));
    w.Number(3, locations.address[i]);
    for (size_t l = locations.line_offset[i]; l < locations.line_offset[i + 1]; l++) {
      packed_.clear();
      Writer line(packed_);
      line.Number(1, static_cast<uint64_t>(lines.function[l] + 1));
      line.Number(2, lines.line[l]);
      line.Number(3, lines.column[l]);
      w.Message(4, packed_);
    }
    w.Number(5, locations.is_folded[i] != 0 ? 1u : 0u);
  }

  void PutFunction(Writer& w, size_t i) {
    const auto& functions = profile_.functions;
    w.Number(1, i + 1);
    w.Number(2, functions.name[i]);
    w.Number(3, functions.system_name[i]);
    w.Number(4, functions.filename[i]);
    w.Number(5, functions.start_line[i]);
  }

  const Profile& profile_;
  Bytes bytes_;
  Writer out_;
  Bytes scratch_;
  Bytes packed_;
};

}  // namespace

Bytes Encode(const Profile& profile, int gzip_level) {
  Bytes message = Encoder(profile).Run();
  return gzip_level == 0 ? message : Deflate(message, gzip_level);
}

}  // namespace stackwell
