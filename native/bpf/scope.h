// SPDX-License-Identifier: Apache-2.0
// Which tasks are sampled: the maps that all programs ask, and the programs that follow a process's children.
#pragma once

#include "counters.h"
#include "object.h"
#include "options.h"

namespace stackwell {

class ScopeFilter {
 public:
  /** Loads; throws SW_BPF_LOAD. */
  explicit ScopeFilter(const Options& options);

  /** Asks for the unwind tables of what is in it, too. Throws SW_PID_UNKNOWN, and leaves the scope as it was
   * then; SW_USAGE if it names too many. */
  void set(const Scope& scope);
  /** Sets a row of the map that all programs look into. */
  void control(sw_control row, uint64_t value);
  /** Children that found no room in the scope, since the call before. */
  uint64_t takeLost();
  Object& object() { return object_; }

 private:
  Object object_;
  Counters counters_;
  bool unwinds_;
};

}  // namespace stackwell
