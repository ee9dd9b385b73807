// SPDX-License-Identifier: Apache-2.0
#include "export.h"

#include <map>
#include <string_view>

#include "sum.h"

namespace stackwell {
namespace {

constexpr uint32_t kUnknown = UINT32_MAX;

class Exporter {
 public:
  Exporter(const SymbolColumns& symbols, bool go_only)
      : symbols_(symbols),
        go_only_(go_only),
        strings_(symbols.strings.size(), kUnknown),
        mappings_(symbols.mappings.size(), kUnknown),
        functions_(symbols.functions.size(), kUnknown),
        locations_(symbols.locations.size(), kUnknown) {
    profile_.strings.push_back("");
    strings_[0] = 0;
  }

  void PutSamples(uint32_t node, uint32_t label_set, Sum sum) {
    const auto parent = [&](uint32_t at) { return symbols_.nodes[at].parent; };
    const auto is_go = [&](uint32_t at) { return IsGo(symbols_.nodes[at].location); };
    uint32_t end = 0;
    if (go_only_) {
      while (node != 0 && !is_go(node)) node = parent(node);
      if (node == 0) return;
      for (end = node; end != 0 && is_go(end);) end = parent(end);
    }
    Split(sum, [&](int64_t value) {
      for (uint32_t at = node; at != end; at = parent(at))
        profile_.samples.location.push_back(Location(symbols_.nodes[at].location));
      profile_.samples.location_offset.push_back(static_cast<uint32_t>(profile_.samples.location.size()));
      profile_.samples.values.push_back(value);
      for (const auto& label : symbols_.LabelsOf(label_set)) {
        profile_.labels.key.push_back(String(label.key));
        profile_.labels.str.push_back(String(label.str));
        profile_.labels.num.push_back(label.num);
        profile_.labels.num_unit.push_back(String(label.num_unit));
      }
      profile_.samples.label_offset.push_back(static_cast<uint32_t>(profile_.labels.size()));
    });
  }

  Profile Finish(const ExportOptions& options) {
    profile_.sample_types.push_back({OwnString(options.sample_type), OwnString(options.sample_unit)});
    profile_.period_type = {OwnString(options.period_type), OwnString(options.period_unit)};
    profile_.period = options.period;
    profile_.time_nanos = options.time_nanos;
    profile_.duration_nanos = options.duration_nanos;
    for (const auto& comment : options.comments) profile_.comments.push_back(OwnString(comment));
    if (!options.reasons) return std::move(profile_);
    for (const auto& [reason, ids] : reasons_)
      profile_.comments.push_back(OwnString("stackwell.reason " + std::string(reason) + " " + ids));
    return std::move(profile_);
  }

 private:
  bool IsGo(uint32_t location) const {
    for (const auto& line : symbols_.LinesOf(location)) {
      const auto& function = symbols_.functions[line.function];
      const std::string_view file = symbols_.strings[function.filename];
      if (function.start_line > 0 && (file.ends_with(".go") || file.ends_with(".s"))) return true;
    }
    return false;
  }

  uint32_t OwnString(std::string text) {
    if (text.empty()) return 0;
    profile_.strings.push_back(profile_.owned_text.emplace_back(std::move(text)));
    return static_cast<uint32_t>(profile_.strings.size() - 1);
  }

  uint32_t String(uint32_t string) {
    if (strings_[string] == kUnknown) {
      strings_[string] = static_cast<uint32_t>(profile_.strings.size());
      profile_.strings.push_back(symbols_.strings[string]);
    }
    return strings_[string];
  }

  int32_t Mapping(uint32_t mapping) {
    if (mapping == 0) return -1;
    if (mappings_[mapping] == kUnknown) {
      const auto& from = symbols_.mappings[mapping];
      auto& to = profile_.mappings;
      mappings_[mapping] = static_cast<uint32_t>(to.size());
      to.start.push_back(from.start);
      to.limit.push_back(from.limit);
      to.offset.push_back(from.offset);
      to.filename.push_back(String(from.filename));
      to.build_id.push_back(String(from.build_id));
      to.flags.push_back(from.flags);
    }
    return static_cast<int32_t>(mappings_[mapping]);
  }

  int32_t Function(uint32_t function) {
    if (function == 0) return -1;
    if (functions_[function] == kUnknown) {
      const auto& from = symbols_.functions[function];
      auto& to = profile_.functions;
      functions_[function] = static_cast<uint32_t>(to.size());
      // Of a generic function the name that is shown leaves out what it was instantiated with.
      const bool linker_name = go_only_ && from.system_name != 0;
      to.name.push_back(String(linker_name ? from.system_name : from.name));
      to.system_name.push_back(String(from.system_name));
      to.filename.push_back(String(from.filename));
      to.start_line.push_back(from.start_line);
    }
    return static_cast<int32_t>(functions_[function]);
  }

  uint32_t Location(uint32_t location) {
    if (locations_[location] == kUnknown) {
      const auto& from = symbols_.locations[location];
      auto& to = profile_.locations;
      locations_[location] = static_cast<uint32_t>(to.size());
      to.mapping.push_back(Mapping(from.mapping));
      to.address.push_back(from.address);
      to.is_folded.push_back(from.is_folded);
      for (const auto& line : symbols_.LinesOf(location)) {
        profile_.lines.function.push_back(Function(line.function));
        profile_.lines.line.push_back(line.line);
        profile_.lines.column.push_back(line.column);
      }
      to.line_offset.push_back(static_cast<uint32_t>(profile_.lines.size()));
      // As Encode numbers them: comments name them so.
      profile_.location_ids.Add(to.size(), "location");
      if (from.reason != 0) {
        std::string& ids = reasons_[symbols_.strings[from.reason]];
        if (!ids.empty()) ids += ',';
        ids += std::to_string(to.size());
      }
    }
    return locations_[location];
  }

  const SymbolColumns& symbols_;
  const bool go_only_;
  Profile profile_;
  // Rows in profile_ by row of symbols_; kUnknown until they are needed.
  std::vector<uint32_t> strings_, mappings_, functions_, locations_;
  std::map<std::string_view, std::string> reasons_;
};

}  // namespace

Profile Export(const Merger& merger, const ExportOptions& options) {
  Exporter exporter(merger.symbols(), options.go_only);
  if (options.sample_labels) {
    for (size_t i = 0; i < merger.cells().size(); i++)
      exporter.PutSamples(merger.cells()[i].node, merger.cells()[i].label_set, merger.cell_sums()[i]);
  } else {
    for (uint32_t node = 0; node < merger.node_sums().size(); node++)
      exporter.PutSamples(node, 0, merger.node_sums()[node]);
  }
  return exporter.Finish(options);
}

}  // namespace stackwell
