// SPDX-License-Identifier: Apache-2.0
#include "frames.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "hash.h"

namespace stackwell {
namespace {

constexpr uint32_t kUnknown = UINT32_MAX;

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

Frames::Frames(const SymbolColumns& symbols) {
  std::vector<std::string_view> modules;
  for (const auto& mapping : symbols.mappings) modules.push_back(BaseName(symbols.strings[mapping.filename]));

  IndexTable table;  // of named frames, by name and file
  std::vector<std::pair<uint32_t, uint32_t>> keys;
  std::map<std::pair<std::string_view, std::string_view>, uint32_t> unnamed;

  const auto add = [&](std::string name, std::string_view file, std::string_view module,
                       std::string_view reason) {
    rows_.push_back({std::move(name), file, module, reason});
    keys.emplace_back(kUnknown, kUnknown);
    return static_cast<uint32_t>(rows_.size() - 1);
  };
  const auto named = [&](uint32_t name, uint32_t file, std::string_view module) {
    const uint64_t hash = Mix(uint64_t{name} << 32 | file, ProcessSeed());
    uint32_t frame = table.Find(hash, [&](uint32_t row) { return keys[row] == std::pair(name, file); });
    if (frame == IndexTable::kNone) {
      frame = add(std::string(symbols.strings[name]), symbols.strings[file], module, "");
      keys[frame] = {name, file};
      table.Insert(hash, frame);
    } else if (!module.empty() && (rows_[frame].module.empty() || module < rows_[frame].module)) {
      // A function of several files (inlined headers): which one is shown must not depend on the order they
      // came in.
      rows_[frame].module = module;
    }
    return frame;
  };
  const auto nameless = [&](std::string_view module, std::string_view reason) {
    const auto [found, is_new] = unnamed.try_emplace({module, reason}, 0);
    if (is_new) {
      // What is no file ([jit], [vdso]) has its brackets already.
      const bool bare = module.starts_with('[');
      std::string name = bare ? "" : "[";
      name += module.empty() ? "unknown" : module;
      if (!bare) name += "]";
      found->second = add(std::move(name), "", module, reason);
    }
    return found->second;
  };

  offset_ = {0, 0};
  for (uint32_t i = 1; i < symbols.locations.size(); i++) {
    const auto& location = symbols.locations[i];
    const std::string_view module = modules[location.mapping];
    const std::string_view reason = symbols.strings[location.reason];
    const auto lines = symbols.LinesOf(i);
    for (size_t line = lines.size(); line-- > 0;) {
      const auto& function = symbols.functions[lines[line].function];
      const uint32_t name = function.name != 0 ? function.name : function.system_name;
      frames_.push_back(name == 0 ? nameless(module, reason) : named(name, function.filename, module));
    }
    if (lines.empty()) frames_.push_back(nameless(module, reason));
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
    return std::tie(x.name, x.file, x.module, x.reason) < std::tie(y.name, y.file, y.module, y.reason);
  });
  rank_.resize(rows_.size());
  for (uint32_t i = 0; i < order.size(); i++) rank_[order[i]] = i;
}

}  // namespace stackwell
