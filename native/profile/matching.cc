// SPDX-License-Identifier: Apache-2.0
#include "matching.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "failure.h"

namespace stackwell {
namespace {

constexpr std::array<Matching::Rule, 7> kRules{{
    {"clones", "copies that the compiler makes of a function (GCC and LLVM suffixes)", "copy.constprop.0",
     "copy"},
    {"lambdas", "numbers of C++ lambdas and of types without a name", "run()::{lambda(int)#2}::operator()",
     "run()::{lambda(int)#N}::operator()"},
    {"closures", "numbers of closures in Rust and Go", "main.serve.func2.1", "main.serve.funcN"},
    {"java", "numbers and addresses of lambdas, hidden and generated classes in Java", "App.lambda$main$3",
     "App.lambda$main$N"},
    {"hashes", "hashes behind names in Rust", "core::fmt::write::h0123456789abcdef", "core::fmt::write"},
    {"files", "folders of source files", "/build/42/src/app.cc", "app.cc"},
    {"unnamed", "offsets and build IDs of frames without a name, which mean something in one build only",
     "app+0x1f20", "[app]"},
}};

/// A replacement, and texts of which one must be there: most names have none, and are not searched further.
struct Edit {
  Edit(std::initializer_list<std::string_view> hints, const char* pattern, const char* replacement)
      : hints(hints), pattern(pattern, re2::RE2::Quiet), replacement(replacement) {}

  void Apply(std::string& name) const {
    if (std::ranges::any_of(hints, [&](auto hint) { return name.find(hint) != std::string::npos; }))
      re2::RE2::GlobalReplace(&name, pattern, replacement);
  }

  std::vector<std::string_view> hints;
  re2::RE2 pattern;
  std::string replacement;
};

struct Edits {
  Edit clones{
      {".constprop", ".isra", ".part", ".cold", ".llvm.", ".lto_priv", ".localalias", "[clone"},
      R"((?:\.(?:constprop|isra|part|cold|llvm|lto_priv|localalias)(?:\.\d+)*)+$|(?: \[clone [^\]]*\])+$)",
      ""};
  Edit lambdas{{"{lambda", "{unnamed type"}, R"(\{((?:lambda\([^{}]*\)|unnamed type))#\d+\})", R"({\1#N})"};
  Edit clang_lambdas{{"$_"}, R"(\$_\d+)", "$_N"};
  Edit llvm_lambdas{{"'lambda"}, R"('lambda\d*')", "'lambda'"};
  Edit rust_closures{{"{closure#"}, R"(\{closure#\d+\})", "{closure#N}"};
  Edit go_closures{
      {".func", ".gowrap", ".deferwrap"}, R"(\.(func|gowrap|deferwrap)\d+(?:\.\d+)*)", R"(.\1N)"};
  Edit java_lambdas{{"lambda$"}, R"(\blambda\$([^.$]*)\$\d+)", R"(lambda$\1$N)"};
  Edit java_hidden{{"/0x", "+0x", "$$Lambda"}, R"((\$\$Lambda)\$\d+|[/+]0x[0-9a-f]+)", R"(\1)"};
  Edit java_generated{{"Accessor", "$Proxy"},
                      R"((Generated(?:Serialization)?(?:Method|Constructor)Accessor|\$Proxy)\d+)",
                      R"(\1N)"};
  Edit hashes{{"::h"}, R"(::h[0-9a-f]{16}$)", ""};
};

const Edits& AllEdits() {
  static const Edits edits;
  return edits;
}

}  // namespace

std::span<const Matching::Rule> Matching::Rules() { return kRules; }

Matching::Matching(const std::vector<std::string>& without) : on_((1u << kRules.size()) - 1) {
  for (const auto& id : without) {
    const auto* found = std::ranges::find(kRules, id, &Rule::id);
    if (found == kRules.end()) BadQuery("there is no matching rule " + id);
    on_ &= ~(1u << (found - kRules.begin()));
  }
}

std::string Matching::Name(std::string_view given, std::string_view file) const {
  std::string name(given);
  const Edits& edits = AllEdits();
  if (on(kClones)) edits.clones.Apply(name);
  if (on(kLambdas)) {
    edits.lambdas.Apply(name);
    edits.clang_lambdas.Apply(name);
    edits.llvm_lambdas.Apply(name);
  }
  if (on(kClosures)) {
    edits.rust_closures.Apply(name);
    // Elsewhere it may be somebody's name.
    if (file.ends_with(".go")) edits.go_closures.Apply(name);
  }
  if (on(kJava) && (file.empty() || file.ends_with(".java") || file.find('.') == std::string_view::npos)) {
    edits.java_lambdas.Apply(name);
    edits.java_hidden.Apply(name);
    edits.java_generated.Apply(name);
  }
  if (on(kHashes)) edits.hashes.Apply(name);
  return name;
}

std::string_view Matching::File(std::string_view file) const {
  if (!on(kFiles)) return file;
  const size_t slash = file.find_last_of("/\\");
  return slash == std::string_view::npos ? file : file.substr(slash + 1);
}

}  // namespace stackwell
