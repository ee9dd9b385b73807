// SPDX-License-Identifier: Apache-2.0
#include "stacks.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include "hash.h"
#include "index_table.h"
#include "inflate.h"
#include "profile.h"

namespace stackwell {
namespace {

/// Of nodes of a trie, text is a part of many stacks: so much of it is looked at, in all.
constexpr uint64_t kTextFactor = 8;

class StackReader {
 public:
  StackReader(const StackType& type, const Limits& limits) : limits_(limits), scale_(type.scale) {
    file_.strings.emplace_back();
    file_.sample_types.push_back({Text(type.type), Text(type.unit)});
    if (!type.period_type.empty())
      file_.period_type.emplace(Profile::ValueType{Text(type.period_type), Text(type.period_unit)});
    file_.period = type.period;
  }

  Profile& file() { return file_; }

  void ReadText(std::string_view text, bool has_counts) {
    uint64_t number = 0;
    while (!text.empty()) {
      number++;
      const size_t end = text.find('\n');
      std::string_view line = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
      uint64_t count = 1;
      if (has_counts) {
        const size_t space = line.rfind(' ');
        if (space == std::string_view::npos) InvalidLine(number, "has no count");
        const char* const last = line.data() + line.size();
        const auto [rest, error] = std::from_chars(line.data() + space + 1, last, count);
        if (error != std::errc() || rest != last) InvalidLine(number, "does not end with a whole number");
        line = line.substr(0, space);
      }
      AddFolded(line, count);
    }
  }

  // Both forms are one node after another; what differs is whether the names on the way are one text or
  // frames.
  void ReadNodes(Span data, bool is_tree) {
    struct Open {
      uint64_t children;
      size_t size;
    };
    std::vector<Open> path;
    std::string text;
    std::vector<uint32_t> frames;
    const uint8_t* at = data.begin;
    do {
      const uint64_t length = ReadVarintOrFail(at, data.end);
      if (length > static_cast<uint64_t>(data.end - at)) Invalid("a name is longer than what is left");
      const std::string_view name(reinterpret_cast<const char*>(at), length);
      at += length;
      const uint64_t count = ReadVarintOrFail(at, data.end);
      const uint64_t children = ReadVarintOrFail(at, data.end);
      path.push_back({children, is_tree ? frames.size() : text.size()});
      if (is_tree) {
        // The root has no name, and is no frame.
        if (!name.empty()) frames.push_back(Location(name));
        if (count > 0) AddFrames({frames.rbegin(), frames.rend()}, count);
      } else {
        text.append(name);
        if (count > 0) AddFolded(text, count);
      }
      while (!path.empty() && path.back().children == 0) {
        is_tree ? frames.resize(path.back().size) : text.resize(path.back().size);
        path.pop_back();
        if (!path.empty()) path.back().children--;
      }
    } while (!path.empty());
    if (at != data.end) Invalid("there is something after the last node");
  }

 private:
  [[noreturn]] static void InvalidLine(uint64_t number, const char* what) {
    Invalid("line " + std::to_string(number) + " " + what);
  }

  /// The same stack again adds to its sample.
  void AddFolded(std::string_view text, uint64_t count) {
    text_ += text.size();
    Check("bytes of stacks", text_, kTextFactor * limits_.max_bytes);
    const Hash128 hash = LocalHash(text);
    const uint64_t key = Mix(hash.low, ProcessSeed());
    const uint32_t row = stacks_.Find(key, [&](uint32_t r) { return stack_hashes_[r] == hash; });
    if (row != IndexTable::kNone) {
      Add(file_.samples.values[row], count);
      return;
    }
    std::vector<uint32_t> frames;
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(';', begin), text.size());
      // As others read them: nothing between two semicolons is no frame.
      if (end > begin) frames.push_back(Location(text.substr(begin, end - begin)));
      begin = end + 1;
    }
    std::ranges::reverse(frames);
    stacks_.Insert(key, static_cast<uint32_t>(stack_hashes_.size()));
    stack_hashes_.push_back(hash);
    AddFrames(frames, count);
  }

  /// Leaf first.
  void AddFrames(const std::vector<uint32_t>& frames, uint64_t count) {
    auto& samples = file_.samples;
    Check("samples", samples.size() + 1, limits_.max_samples);
    Check("frames", samples.location.size() + frames.size(), limits_.max_bytes / 4);
    samples.location.insert(samples.location.end(), frames.begin(), frames.end());
    samples.location_offset.push_back(static_cast<uint32_t>(samples.location.size()));
    samples.label_offset.push_back(0);
    Add(samples.values.emplace_back(0), count);
  }

  void Add(int64_t& value, uint64_t count) const {
    const auto sum = value + static_cast<__int128>(count) * scale_;
    if (sum > INT64_MAX) Invalid("a value is over 63 bits");
    value = static_cast<int64_t>(sum);
  }

  /// A location for each name.
  uint32_t Location(std::string_view name) {
    const Hash128 hash = LocalHash(name);
    const uint64_t key = Mix(hash.low, ProcessSeed());
    uint32_t row = names_.Find(key, [&](uint32_t r) { return name_hashes_[r] == hash; });
    if (row != IndexTable::kNone) return row;
    row = static_cast<uint32_t>(name_hashes_.size());
    Check("locations", row + 1, limits_.max_locations);
    names_.Insert(key, row);
    name_hashes_.push_back(hash);
    const uint32_t text = Text(name);
    file_.functions.name.push_back(text);
    file_.functions.system_name.push_back(text);
    file_.functions.filename.push_back(0);
    file_.functions.start_line.push_back(0);
    file_.lines.function.push_back(static_cast<int32_t>(row));
    file_.lines.line.push_back(0);
    file_.lines.column.push_back(0);
    file_.locations.mapping.push_back(-1);
    file_.locations.address.push_back(0);
    file_.locations.is_folded.push_back(0);
    file_.locations.line_offset.push_back(row + 1);
    return row;
  }

  uint32_t Text(std::string_view text) {
    Check("bytes of a string", text.size(), limits_.max_string_bytes);
    file_.strings.push_back(file_.owned_text.emplace_back(text));
    return static_cast<uint32_t>(file_.strings.size() - 1);
  }

  const Limits& limits_;
  const int64_t scale_;
  Profile file_;
  IndexTable names_, stacks_;
  std::vector<Hash128> name_hashes_, stack_hashes_;
  uint64_t text_ = 0;
};

}  // namespace

Bytes ConvertStacks(Span data, StackFormat format, const StackType& type, const Limits& limits) {
  const Bytes plain = Inflate(data, limits.max_bytes);
  StackReader reader(type, limits);
  if (format == StackFormat::kFolded || format == StackFormat::kLines)
    reader.ReadText(SpanOf(plain).text(), format == StackFormat::kFolded);
  else
    reader.ReadNodes(SpanOf(plain), format == StackFormat::kTree);
  if (reader.file().samples.size() == 0) Invalid("there are no samples");
  return Encode(reader.file(), 0);
}

}  // namespace stackwell
