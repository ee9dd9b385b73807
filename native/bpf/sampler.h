// SPDX-License-Identifier: Apache-2.0
// One source of samples: an object with its two sets of counts, its ring and its counters. On-CPU and off-CPU
// are one each.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "counters.h"
#include "kernel.h"
#include "object.h"
#include "options.h"
#include "stacks.h"

namespace stackwell {

class Sampler {
 public:
  Sampler(const Options& options, const std::string& file, const Object& scope);
  virtual ~Sampler() = default;

  /** Starts the programs. */
  virtual void attach() = 0;
  /** Just before the sets are turned around. */
  virtual void beforeTurn() {}
  virtual void followCpus(const std::vector<int>&) {}
  /** What a row is worth, in nanoseconds. */
  virtual uint64_t worth(const sw_value& value) const = 0;

  /** Gives each row of a set that no program writes to, and empties it. */
  void take(uint32_t set, const std::function<void(const sw_key&, const sw_trace&, const sw_value&)>& row);
  /** Counters since the call before. */
  std::array<uint64_t, SW_COUNTERS> takeCounters() { return counters_.take(object_); }
  Object& object() { return object_; }

 protected:
  Object object_;

 private:
  template <typename Key, typename Row>
  void takeMap(const char* map, Row row);

  Counters counters_;
  std::vector<sw_value> values_;
};

class OnCpu : public Sampler {
 public:
  OnCpu(const Options& options, const Object& scope, Stacks& stacks);
  void attach() override { followCpus(onlineCpus()); }
  void followCpus(const std::vector<int>& online) override;
  uint64_t worth(const sw_value& value) const override { return value.count * periodNs_; }

 private:
  uint64_t periodNs_;
  std::vector<int> cpus_;
};

}  // namespace stackwell
