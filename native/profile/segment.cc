// SPDX-License-Identifier: Apache-2.0
#include "segment.h"

#include <algorithm>

#include "block.h"
#include "hash.h"
#include "limits.h"

namespace stackwell {
namespace {

constexpr std::string_view kMagic{"SWS\x01", 4};
constexpr uint64_t kMostBytes = 128ull << 20;
// Segments are written once and read often; higher levels cost ingest more than they save.
constexpr int kLevel = 6;

class SegmentEncoder {
 public:
  explicit SegmentEncoder(const SymbolColumns& symbols) : s_(symbols) {}

  Bytes Run() {
    PutStrings();
    PutMappings();
    PutFunctions();
    PutLocations();
    PutNodes();
    PutLabelSets();
    return std::move(out_);
  }

 private:
  void Put(uint64_t value) { AppendVarint(out_, value); }
  void PutSigned(int64_t value) { Put(ZigZag(value)); }

  template <typename Rows, typename Each>
  void PutColumn(const Rows& rows, Each each) {
    for (size_t i = 1; i < rows.size(); i++) each(rows[i]);
  }

  void PutStrings() {
    Put(s_.strings.size() - 1);
    PutColumn(s_.strings, [&](std::string_view text) { Put(text.size()); });
    PutColumn(s_.strings, [&](std::string_view text) { out_.insert(out_.end(), text.begin(), text.end()); });
  }

  void PutMappings() {
    Put(s_.mappings.size() - 1);
    PutColumn(s_.mappings, [&](const auto& m) { Put(m.start); });
    PutColumn(s_.mappings, [&](const auto& m) { Put(m.limit); });
    PutColumn(s_.mappings, [&](const auto& m) { Put(m.offset); });
    PutColumn(s_.mappings, [&](const auto& m) { Put(m.filename); });
    PutColumn(s_.mappings, [&](const auto& m) { Put(m.build_id); });
    PutColumn(s_.mappings, [&](const auto& m) { Put(m.flags); });
  }

  void PutFunctions() {
    Put(s_.functions.size() - 1);
    FirstUse names;
    PutColumn(s_.functions, [&](const auto& f) {
      Put(names.Encode(f.name));
      PutSigned(static_cast<int64_t>(f.system_name) - f.name);
      Put(names.Encode(f.filename));
    });
    PutColumn(s_.functions, [&](const auto& f) { PutSigned(f.start_line); });
  }

  void PutLocations() {
    Put(s_.locations.size() - 1);
    PutColumn(s_.locations, [&](const auto& l) { Put(l.mapping); });
    uint64_t previous = 0;
    PutColumn(s_.locations, [&](const auto& l) {
      PutSigned(static_cast<int64_t>(l.address - previous));
      previous = l.address;
    });
    PutColumn(s_.locations, [&](const auto& l) { Put(l.reason); });
    PutColumn(s_.locations, [&](const auto& l) { Put(l.is_folded); });
    for (uint32_t i = 1; i < s_.locations.size(); i++) Put(s_.LinesOf(i).size());
    FirstUse functions;
    for (const auto& line : s_.lines) Put(functions.Encode(line.function));
    // Near the start of the function, where that is known.
    for (const auto& line : s_.lines)
      PutSigned(static_cast<int64_t>(static_cast<uint64_t>(line.line) -
                                     static_cast<uint64_t>(s_.functions[line.function].start_line)));
    for (const auto& line : s_.lines) PutSigned(line.column);
  }

  void PutNodes() {
    Put(s_.nodes.size() - 1);
    for (size_t i = 1; i < s_.nodes.size(); i++) Put(i - 1 - s_.nodes[i].parent);
    FirstUse locations;
    PutColumn(s_.nodes, [&](const auto& n) { Put(locations.Encode(n.location)); });
  }

  void PutLabelSets() {
    Put(s_.label_set_count() - 1);
    for (uint32_t i = 1; i < s_.label_set_count(); i++) Put(s_.LabelsOf(i).size());
    for (const auto& label : s_.labels) Put(label.key);
    FirstUse strings;
    for (const auto& label : s_.labels) Put(strings.Encode(label.str));
    for (const auto& label : s_.labels) PutSigned(label.num);
    for (const auto& label : s_.labels) Put(label.num_unit);
  }

  const SymbolColumns& s_;
  Bytes out_;
};

class SegmentDecoder {
 public:
  SegmentDecoder(const Bytes& content, const std::string& name) : in_(content, name) {}

  SymbolColumns Run() {
    TakeStrings();
    TakeMappings();
    TakeFunctions();
    TakeLocations();
    TakeNodes();
    TakeLabelSets();
    in_.ExpectEnd();
    return std::move(s_);
  }

 private:
  template <typename Rows, typename Each>
  void TakeColumn(Rows& rows, Each each) {
    for (size_t i = 1; i < rows.size(); i++) each(rows[i]);
  }
  uint32_t String() { return in_.Row(s_.strings.size(), "a string"); }
  uint32_t CheckString(uint64_t row) { return in_.CheckRow(row, s_.strings.size(), "a string"); }

  /// Counts for rows 1 … n as offsets; what they add up to takes at least `bytes_each` of what is left.
  void TakeOffsets(std::vector<uint32_t>& offsets, uint32_t rows, uint64_t bytes_each, const char* kind) {
    offsets.assign(2, 0);
    offsets.reserve(uint64_t{rows} + 2);
    for (uint32_t i = 0; i < rows; i++) {
      const uint64_t sum = offsets.back() + in_.Count(bytes_each, kind);
      if (sum * bytes_each > in_.left()) in_.Fail(std::string("too many ") + kind);
      offsets.push_back(static_cast<uint32_t>(sum));
    }
  }

  void TakeStrings() {
    const uint32_t count = in_.Count(1, "strings");
    std::vector<uint64_t> sizes(count);
    for (auto& size : sizes) size = in_.Number();
    s_.strings.reserve(uint64_t{count} + 1);
    for (const uint64_t size : sizes) s_.strings.push_back(in_.Text(size));
  }

  void TakeMappings() {
    s_.mappings.resize(1 + uint64_t{in_.Count(6, "mappings")});
    TakeColumn(s_.mappings, [&](auto& m) { m.start = in_.Number(); });
    TakeColumn(s_.mappings, [&](auto& m) { m.limit = in_.Number(); });
    TakeColumn(s_.mappings, [&](auto& m) { m.offset = in_.Number(); });
    TakeColumn(s_.mappings, [&](auto& m) { m.filename = String(); });
    TakeColumn(s_.mappings, [&](auto& m) { m.build_id = String(); });
    TakeColumn(s_.mappings, [&](auto& m) { m.flags = static_cast<uint8_t>(in_.Row(16, "a flag")); });
  }

  void TakeFunctions() {
    s_.functions.resize(1 + uint64_t{in_.Count(4, "functions")});
    FirstUse names;
    TakeColumn(s_.functions, [&](auto& f) {
      f.name = CheckString(names.Decode(in_.Number()));
      f.system_name = CheckString(f.name + static_cast<uint64_t>(in_.Signed()));
      f.filename = CheckString(names.Decode(in_.Number()));
    });
    TakeColumn(s_.functions, [&](auto& f) { f.start_line = in_.Signed(); });
  }

  void TakeLocations() {
    const uint32_t count = in_.Count(5, "locations");
    s_.locations.resize(1 + uint64_t{count});
    TakeColumn(s_.locations, [&](auto& l) { l.mapping = in_.Row(s_.mappings.size(), "a mapping"); });
    uint64_t address = 0;
    TakeColumn(s_.locations, [&](auto& l) { l.address = address += static_cast<uint64_t>(in_.Signed()); });
    TakeColumn(s_.locations, [&](auto& l) { l.reason = String(); });
    TakeColumn(s_.locations, [&](auto& l) { l.is_folded = in_.Row(2, "a flag") != 0; });
    TakeOffsets(s_.line_offset, count, 3, "lines");
    s_.lines.resize(s_.line_offset.back());
    FirstUse functions;
    for (auto& line : s_.lines)
      line.function = in_.CheckRow(functions.Decode(in_.Number()), s_.functions.size(), "a function");
    for (auto& line : s_.lines)
      line.line = static_cast<int64_t>(static_cast<uint64_t>(in_.Signed()) +
                                       static_cast<uint64_t>(s_.functions[line.function].start_line));
    for (auto& line : s_.lines) line.column = in_.Signed();
  }

  void TakeNodes() {
    s_.nodes.resize(1 + uint64_t{in_.Count(2, "stacks")});
    for (size_t i = 1; i < s_.nodes.size(); i++)
      s_.nodes[i].parent = static_cast<uint32_t>(i - 1 - in_.Row(i, "a parent"));
    FirstUse locations;
    std::vector<uint32_t> depth(s_.nodes.size());
    for (size_t i = 1; i < s_.nodes.size(); i++) {
      auto& node = s_.nodes[i];
      const uint64_t location = locations.Decode(in_.Number());
      node.location = in_.CheckRow(location, s_.locations.size(), "a location");
      if (node.location == 0) in_.Fail("a stack has no location");
      const uint64_t frames = std::max<uint64_t>(1, s_.LinesOf(node.location).size());
      if (depth[node.parent] + frames > kDeepest) in_.Fail("a stack is too deep");
      depth[i] = static_cast<uint32_t>(depth[node.parent] + frames);
    }
  }

  void TakeLabelSets() {
    const uint32_t count = in_.Count(1, "label sets");
    TakeOffsets(s_.label_offset, count, 4, "labels");
    s_.labels.resize(s_.label_offset.back());
    for (auto& label : s_.labels) label.key = String();
    FirstUse strings;
    for (auto& label : s_.labels) label.str = CheckString(strings.Decode(in_.Number()));
    for (auto& label : s_.labels) label.num = in_.Signed();
    for (auto& label : s_.labels) label.num_unit = String();
  }

  Cursor in_;
  SymbolColumns s_;
};

}  // namespace

EncodedSegment EncodeSegment(const SymbolColumns& symbols) {
  const Bytes content = SegmentEncoder(symbols).Run();
  Check("bytes of symbols", content.size(), kMostBytes);
  return {Hash(content).Hex(), Pack(kMagic, content, kLevel)};
}

uint64_t SegmentBytes(Span bytes) { return std::min(UnpackedBytes(kMagic, bytes), kMostBytes); }

DecodedSegment DecodeSegment(const std::string& id, Span bytes) {
  DecodedSegment segment;
  const std::string name = "segment " + id;
  segment.content = Unpack(kMagic, bytes, kMostBytes, name);
  if (!id.ends_with(Hash(segment.content).Hex())) Damaged(name, "its content has another id");
  segment.symbols = SegmentDecoder(segment.content, name).Run();
  return segment;
}

}  // namespace stackwell
