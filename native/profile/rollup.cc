// SPDX-License-Identifier: Apache-2.0
#include "rollup.h"

#include <unordered_map>

#include "export.h"
#include "failure.h"

namespace stackwell {
namespace {

void Encode(std::vector<Row>&& rows, Summed& result) {
  SumEqualRows(rows);
  result.row_count = static_cast<uint32_t>(rows.size());
  result.rows = EncodeRows(rows, static_cast<uint32_t>(result.segments.size()));
}

}  // namespace

Summed SumProfiles(const std::vector<Merger::Input>& profiles) {
  Summed result;
  std::unordered_map<std::string, uint32_t> positions;
  std::vector<uint32_t> now;
  std::vector<Row> rows, all;
  for (size_t i = 0; i < profiles.size(); i++) {
    const Bytes& bytes = profiles[i].rows;
    try {
      DecodeRows({bytes.data(), bytes.data() + bytes.size()},
                 static_cast<uint32_t>(profiles[i].segments.size()), rows);
    } catch (const Failure&) {
      result.damaged.push_back(i);
      continue;
    }
    now.clear();
    for (const auto& id : profiles[i].segments) {
      const auto [at, is_new] = positions.try_emplace(id, static_cast<uint32_t>(result.segments.size()));
      if (is_new) result.segments.push_back(id);
      now.push_back(at->second);
    }
    for (Row row : rows) {
      row.stack.segment = now[row.stack.segment];
      // The empty label set is the same in all.
      row.label_set =
          row.label_set.row == 0 ? SymbolRef{} : SymbolRef{now[row.label_set.segment], row.label_set.row};
      result.total += row.value;
      all.push_back(row);
    }
  }
  Encode(std::move(all), result);
  return result;
}

Batch RollUp(const Merger& merger, SymbolWriter& writer) {
  ExportOptions options;
  // One sample type, whose name no one reads.
  options.sample_type = options.sample_unit = "merged";
  options.sample_labels = options.reasons = true;
  // What was within the limits when it came is so when it is merged.
  return writer.Add(Export(merger, options), UINT32_MAX, kRollupSegments);
}

}  // namespace stackwell
