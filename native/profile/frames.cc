// SPDX-License-Identifier: Apache-2.0
#include "frames.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "hash.h"

namespace stackwell {
namespace {

constexpr uint32_t kUnknown = UINT32_MAX;

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// `app+0x1f20`. What is no file ([jit], [vdso]) has its brackets already.
std::string NameOf(std::string_view module, std::optional<uint64_t> offset) {
  if (module.starts_with('[')) return std::string(module);
  if (module.empty()) return "[unknown]";
  std::string name;
  if (!offset) return name.append("[").append(module).append("]");
  char hex[16];
  char* const end = std::to_chars(hex, hex + sizeof hex, *offset, 16).ptr;
  return name.append(module).append("+0x").append(hex, end);
}

/// Of a frame without a name; strings by their rows.
struct Place {
  std::string_view module;
  uint32_t build_id = 0, reason = 0;
  std::optional<uint64_t> offset;
  bool operator==(const Place&) const = default;
};

uint32_t NameRow(const SymbolColumns::Function& function) {
  return function.name != 0 ? function.name : function.system_name;
}

/// Names and files of functions as rows of a table: that of the symbols or, with rules, of what these leave.
class Texts {
 public:
  using Key = std::pair<uint32_t, uint32_t>;

  Texts(const SymbolColumns& symbols, const Matching* matching)
      : symbols_(symbols),
        matching_(matching),
        known_(matching == nullptr ? 0 : symbols.functions.size(), {kUnknown, kUnknown}) {}

  Key Of(uint32_t function) {
    const auto& [name, system_name, file, start_line] = symbols_.functions[function];
    if (matching_ == nullptr) return {NameRow(symbols_.functions[function]), file};
    // Rules read each function once, however many locations it has.
    Key& key = known_[function];
    if (key.first == kUnknown) {
      const std::string_view path = symbols_.strings[file];
      key = {Row(matching_->Name(symbols_.strings[NameRow(symbols_.functions[function])], path)),
             Row(std::string(matching_->File(path)))};
    }
    return key;
  }
  /// Of the symbols, or of this object.
  std::string_view Text(uint32_t row) const {
    return matching_ == nullptr ? symbols_.strings[row] : *texts_[row];
  }

 private:
  uint32_t Row(std::string text) {
    const auto [entry, is_new] = rows_.try_emplace(std::move(text), static_cast<uint32_t>(texts_.size()));
    if (is_new) texts_.push_back(&entry->first);
    return entry->second;
  }

  const SymbolColumns& symbols_;
  const Matching* matching_;
  std::vector<Key> known_;
  std::unordered_map<std::string, uint32_t> rows_;
  std::vector<const std::string*> texts_;
};

}  // namespace

Frames::Frames(const SymbolColumns& symbols, const Matching* matching) {
  std::vector<std::string_view> modules;
  for (const auto& mapping : symbols.mappings) modules.push_back(BaseName(symbols.strings[mapping.filename]));

  IndexTable table;  // of named frames, by name and file
  std::vector<std::pair<uint32_t, uint32_t>> keys;
  IndexTable unnamed;
  std::vector<Place> places;

  const auto add = [&](Row row) {
    rows_.push_back(std::move(row));
    keys.emplace_back(kUnknown, kUnknown);
    places.emplace_back();
    return static_cast<uint32_t>(rows_.size() - 1);
  };
  Texts texts(symbols, matching);
  const auto named = [&](uint32_t function, std::string_view module) {
    const auto key = texts.Of(function);
    const uint64_t hash = Mix(uint64_t{key.first} << 32 | key.second, ProcessSeed());
    uint32_t frame = table.Find(hash, [&](uint32_t row) { return keys[row] == key; });
    if (frame == IndexTable::kNone) {
      frame = add({std::string(texts.Text(key.first)), std::string(texts.Text(key.second)), module, "", ""});
      keys[frame] = key;
      table.Insert(hash, frame);
    } else if (!module.empty() && (rows_[frame].module.empty() || module < rows_[frame].module)) {
      // A function of several files (inlined headers): which one is shown must not depend on the order they
      // came in.
      rows_[frame].module = module;
    }
    return frame;
  };
  const auto nameless = [&](uint32_t location) {
    const auto& [address, mapping, reason, is_folded] = symbols.locations[location];
    Place place{modules[mapping], symbols.mappings[mapping].build_id, reason, std::nullopt};
    if (matching != nullptr && matching->unnamed_by_module()) place.build_id = 0;
    // Addresses of what is no file mean nothing elsewhere.
    else if (!place.module.empty() && !place.module.starts_with('['))
      place.offset = symbols.OffsetInFile(location);
    const uint64_t where = Mix(place.offset.value_or(0), ProcessSeed());
    const uint64_t hash = Mix(where ^ (uint64_t{place.build_id} << 32 | reason), ProcessSeed());
    uint32_t frame = unnamed.Find(hash, [&](uint32_t row) { return places[row] == place; });
    if (frame == IndexTable::kNone) {
      frame = add({NameOf(place.module, place.offset), "", place.module, symbols.strings[reason],
                   symbols.strings[place.build_id]});
      places[frame] = place;
      unnamed.Insert(hash, frame);
    }
    return frame;
  };

  offset_ = {0, 0};
  for (uint32_t i = 1; i < symbols.locations.size(); i++) {
    const std::string_view module = modules[symbols.locations[i].mapping];
    const auto lines = symbols.LinesOf(i);
    for (size_t line = lines.size(); line-- > 0;) {
      const uint32_t function = lines[line].function;
      frames_.push_back(NameRow(symbols.functions[function]) == 0 ? nameless(i) : named(function, module));
    }
    if (lines.empty()) frames_.push_back(nameless(i));
    offset_.push_back(static_cast<uint32_t>(frames_.size()));
  }
  Order();
}

void Frames::Order() {
  std::vector<uint32_t> order(rows_.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [this](uint32_t a, uint32_t b) {
    const Row& x = rows_[a];
    const Row& y = rows_[b];
    return std::tie(x.name, x.file, x.module, x.reason, x.build_id) <
           std::tie(y.name, y.file, y.module, y.reason, y.build_id);
  });
  rank_.resize(rows_.size());
  for (uint32_t i = 0; i < order.size(); i++) rank_[order[i]] = i;
}

}  // namespace stackwell
