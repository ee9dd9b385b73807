// SPDX-License-Identifier: Apache-2.0
#include "matcher.h"

#include "failure.h"

namespace stackwell {

Matcher::Matcher(const std::string& op, std::string value)
    : negative_(op.starts_with('!')), value_(std::move(value)) {
  if (op == "=" || op == "!=") return;
  if (op != "=~" && op != "!~") BadQuery("there is no operator " + op);
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_dot_nl(true);  // as in Prometheus: a label value is not a text of lines
  expression_ = std::make_unique<re2::RE2>(value_, options);
  if (!expression_->ok()) BadQuery("regular expression " + value_ + ": " + expression_->error());
}

bool Matcher::Test(std::string_view text) const {
  const bool equal =
      expression_ ? re2::RE2::FullMatch({text.data(), text.size()}, *expression_) : text == value_;
  return equal != negative_;
}

}  // namespace stackwell
