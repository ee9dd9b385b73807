// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace stackwell {

/// What went wrong with an input, in the terms of src/errors.ts. Thrown on pool threads only; Job turns it
/// into the rejection of a promise, so it never crosses into JavaScript by itself.
class Failure : public std::exception {
 public:
  using Detail = std::pair<const char*, std::variant<std::string, double>>;

  Failure(const char* code, std::string message, std::vector<Detail> details)
      : code_(code), message_(std::move(message)), details_(std::move(details)) {}

  const char* what() const noexcept override { return message_.c_str(); }
  const char* code() const { return code_; }
  const std::vector<Detail>& details() const { return details_; }

 private:
  const char* code_;
  std::string message_;
  std::vector<Detail> details_;
};

/// SW_PPROF_INVALID.
[[noreturn]] inline void Invalid(const std::string& reason) {
  throw Failure("SW_PPROF_INVALID", "not a valid pprof profile: " + reason, {{"reason", reason}});
}

/// SW_PPROF_LIMIT.
[[noreturn]] inline void OverLimit(const char* limit, uint64_t value, uint64_t max) {
  throw Failure("SW_PPROF_LIMIT",
                std::string(limit) + " is " + std::to_string(value) + ", at most " + std::to_string(max),
                {{"limit", limit}, {"value", static_cast<double>(value)}, {"max", static_cast<double>(max)}});
}

/// SW_SEGMENT_DAMAGED. `id` is a segment's, or "rows".
[[noreturn]] inline void Damaged(const std::string& id, const std::string& reason) {
  throw Failure("SW_SEGMENT_DAMAGED", "damaged " + id + ": " + reason, {{"id", id}, {"reason", reason}});
}

/// SW_QUERY_INVALID.
[[noreturn]] inline void BadQuery(const std::string& reason) {
  throw Failure("SW_QUERY_INVALID", reason, {{"reason", reason}});
}

}  // namespace stackwell
