// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "canonical.h"
#include "known.h"
#include "profile.h"
#include "segment.h"
#include "sum.h"

namespace stackwell {

/// Distinct values of one sample label of one profile.
struct Facet {
  std::string name;
  std::vector<std::string> values;
  uint64_t omitted = 0;
};

/// StoredProfile of index.d.ts.
struct StoredProfile {
  std::string sample_type, sample_unit, period_type, period_unit;
  int64_t period = 0, time_nanos = 0, duration_nanos = 0;
  Sum total = 0;
  uint32_t row_count = 0;
  Bytes rows;
  std::vector<Facet> facets;
};

/// Batch of index.d.ts. All its profiles name the same segments and have the same comments.
struct Batch {
  std::optional<EncodedSegment> segment;
  std::vector<StoredProfile> profiles;
  std::vector<std::string> segments;
  std::vector<std::string> comments;
  uint64_t truncated = 0;
  uint32_t ticket = 0;
};

/// A profile that names many segments costs a query as many reads. Past the maximum, what lies in the least
/// used ones is written again into a new one, down to the number kept: so that it does not happen every time.
struct SegmentLimit {
  size_t most, kept;
};
/// Rare stacks are always spread, and to write them again for each profile that has them costs far more than
/// to read more segments. Rollups bring together what the profiles of a minute were spread over.
constexpr SegmentLimit kProfileSegments{64, 32};
constexpr SegmentLimit kRollupSegments{16, 8};

/// The SymbolWriter of index.d.ts. Every method may be called from any thread at any time. Commit and
/// Rollback only move a ticket, so they never wait for long; what was committed is taken into account by the
/// next Add.
class SymbolWriter {
 public:
  /// `segment_prefix` is put in front of the hashes that segments are named by.
  SymbolWriter(std::string segment_prefix, size_t max_stacks, size_t max_facet_values)
      : segment_prefix_(std::move(segment_prefix)),
        max_facet_values_(max_facet_values),
        stacks_(max_stacks),
        label_sets_(max_stacks) {}

  Batch Add(const Profile& profile, uint64_t max_depth, SegmentLimit limit = kProfileSegments);
  void Commit(uint32_t ticket);
  void Rollback(uint32_t ticket);

  size_t stacks() const { return stack_count_; }
  size_t bytes() const { return byte_count_; }

 private:
  /// What a segment that is not yet acknowledged has.
  struct Pending {
    std::string segment;
    std::vector<std::pair<Hash128, uint32_t>> stacks, label_sets;
  };
  /// Where the stacks and label sets of one profile are.
  struct Places {
    std::vector<std::optional<SymbolRef>> stacks, label_sets;
    std::vector<std::string> segments;
  };

  Places Look(const Canonical& canonical, SegmentLimit limit);
  void TakeCommitted();
  std::optional<EncodedSegment> WriteMissing(const Canonical& canonical, Places& places, Pending& pending);
  uint32_t Issue(Pending pending);

  const std::string segment_prefix_;
  const size_t max_facet_values_;

  // Guards what is known. Only pool threads hold it for more than a moment.
  std::mutex known_mutex_;
  Known stacks_;
  Known label_sets_;
  // Names of the segments that what is known is in; the first one has the number first_segment_.
  std::vector<std::string> segments_;
  uint32_t first_segment_ = 0;

  // Guards the tickets; held for a moment only, as JavaScript's thread takes it.
  std::mutex ticket_mutex_;
  uint32_t next_ticket_ = 1;
  std::map<uint32_t, Pending> open_;
  std::vector<Pending> committed_;

  std::atomic<size_t> stack_count_{0};
  std::atomic<size_t> byte_count_{0};
};

}  // namespace stackwell
