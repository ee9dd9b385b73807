// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hash.h"
#include "profile.h"

namespace stackwell {

/// The Delta of index.d.ts, without its queue: one thread at a time.
class Delta {
 public:
  struct Window {
    int64_t time_nanos, duration_nanos;
  };
  struct Result {
    /// Plain pprof.
    Bytes pprof;
    uint32_t samples = 0;
    bool first = false;
    bool restarted = false;
    /// Of the first mapping; '' when there is none.
    std::string program, build_id;
  };

  /// `counters` are the sample types that only ever grow while a process lives.
  Delta(std::vector<std::string> counters, const Limits& limits)
      : counters_(std::move(counters)), limits_(limits) {}

  /// Throws Failure, and remembers what it did before then.
  Result Add(Span data, const std::optional<Window>& window);
  void Forget();
  size_t cells() const { return keys_.size(); }
  size_t bytes() const { return keys_.capacity() * sizeof(Hash128) + values_.capacity() * sizeof(int64_t); }

 private:
  const std::vector<std::string> counters_;
  const Limits limits_;
  /// What was counted by the last profile: its counters, (stack, label set) in order, a row of values for
  /// each.
  bool known_ = false;
  std::vector<std::string> columns_;
  std::vector<Hash128> keys_;
  std::vector<int64_t> values_;
};

}  // namespace stackwell
