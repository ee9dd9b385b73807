// SPDX-License-Identifier: Apache-2.0
#include "facets.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace stackwell {
namespace {

bool IsFacet(const Canonical::Label& label) {
  if (label.key.empty()) return false;
  if (!label.str.empty()) return true;
  return label.num != 0 && (label.key == "pid" || label.key == "tid" || label.key == "thread_id");
}

bool IsOfRequest(std::string_view name) {
  return name == "trace_id" || name == "span_id" || name == "profile_id";
}

}  // namespace

std::string LabelText(std::string_view str, int64_t num, std::string_view num_unit) {
  if (!str.empty() || (num == 0 && num_unit.empty())) return std::string(str);
  return std::to_string(num);
}

std::vector<Facet> FindFacets(const Canonical& canonical, const std::vector<double>& weights,
                              size_t max_values) {
  std::map<std::string_view, std::unordered_map<std::string, double>> shares;
  for (uint32_t i = 1; i < canonical.label_set_count(); i++) {
    if (weights[i] == 0) continue;
    for (const auto& label : canonical.Labels(i))
      if (IsFacet(label)) shares[label.key][LabelText(label.str, label.num, label.num_unit)] += weights[i];
  }
  std::vector<Facet> facets;
  for (const auto& [name, values] : shares) {
    std::vector<std::pair<double, std::string_view>> order;
    for (const auto& [value, weight] : values) order.emplace_back(-weight, value);
    const size_t kept =
        std::min(order.size(), IsOfRequest(name) ? std::min(kMostRequests, max_values) : max_values);
    std::partial_sort(order.begin(), order.begin() + kept, order.end());
    Facet& facet = facets.emplace_back(Facet{std::string(name), {}, order.size() - kept});
    for (size_t i = 0; i < kept; i++) facet.values.emplace_back(order[i].second);
  }
  return facets;
}

}  // namespace stackwell
