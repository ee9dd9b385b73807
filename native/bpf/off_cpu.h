// SPDX-License-Identifier: Apache-2.0
// The off-CPU programs: which of them this kernel can run, and the iterator that counts open intervals.
#pragma once

#include <map>
#include <string>

#include "sampler.h"
#include "scope.h"

namespace stackwell {

class OffCpu : public Sampler {
 public:
  OffCpu(const Options& options, ScopeFilter& scope, Stacks& stacks);
  void attach() override;
  void beforeTurn() override;
  uint64_t worth(const sw_value& value) const override { return value.ns; }
  const std::map<std::string, std::string>& chosen() const { return chosen_; }

 private:
  ScopeFilter& scope_;
  std::map<std::string, std::string> chosen_;
  std::string back_;  // program that takes stacks of those who are back; '' if they are taken when they leave
  std::string iterator_;  // '' if the kernel has none that serves
  std::string finish_;    // kernel function that a kprobe goes to
  bool wakeups_;
  bool wakeupsNew_;
};

}  // namespace stackwell
