// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <memory>
#include <unordered_set>

#include "checked.h"
#include "export.h"
#include "facets.h"
#include "job.h"
#include "merger.h"
#include "objects.h"
#include "rollup.h"
#include "tree.h"

namespace stackwell {
namespace {

constexpr uint64_t kMostSegmentBytes = 1ull << 30;
constexpr uint32_t kMostReplicates = 4096;

Napi::Object ToFunctions(Napi::Env env, const FunctionColumns& functions) {
  auto object = Napi::Object::New(env);
  object.Set("name", ToStrings(env, functions.name));
  object.Set("file", ToStrings(env, functions.file));
  object.Set("module", ToStrings(env, functions.module));
  object.Set("reason", ToStrings(env, functions.reason));
  object.Set("buildId", ToStrings(env, functions.build_id));
  return object;
}

Napi::Object ToFlame(Napi::Env env, FlameColumns&& flame, Sum sum) {
  auto object = Napi::Object::New(env);
  object.Set("sum", ToBigInt(env, sum));
  object.Set("functions", ToFunctions(env, flame.functions));
  object.Set("depth", ToColumn(env, std::move(flame.depth)));
  object.Set("start", ToColumn(env, std::move(flame.start)));
  object.Set("total", ToColumn(env, std::move(flame.total)));
  object.Set("self", ToColumn(env, std::move(flame.self)));
  object.Set("function", ToColumn(env, std::move(flame.function)));
  object.Set("omittedNodes", flame.omitted_nodes);
  return object;
}

Napi::Object ToDiff(Napi::Env env, DiffColumns&& diff, Sum left, Sum right) {
  auto object = Napi::Object::New(env);
  object.Set("functions", ToFunctions(env, diff.left.functions));
  object.Set("depth", ToColumn(env, std::move(diff.left.depth)));
  object.Set("function", ToColumn(env, std::move(diff.left.function)));
  object.Set("omittedNodes", diff.left.omitted_nodes);
  const auto side = [&](FlameColumns& flame, Sum sum) {
    auto values = Napi::Object::New(env);
    values.Set("sum", ToBigInt(env, sum));
    values.Set("start", ToColumn(env, std::move(flame.start)));
    values.Set("total", ToColumn(env, std::move(flame.total)));
    values.Set("self", ToColumn(env, std::move(flame.self)));
    return values;
  };
  object.Set("left", side(diff.left, left));
  object.Set("right", side(diff.right, right));
  return object;
}

Napi::Object ToTop(Napi::Env env, TopColumns&& top, Sum sum) {
  auto object = Napi::Object::New(env);
  object.Set("sum", ToBigInt(env, sum));
  object.Set("functions", ToFunctions(env, top.functions));
  object.Set("self", ToColumn(env, std::move(top.self)));
  object.Set("total", ToColumn(env, std::move(top.total)));
  return object;
}

std::vector<LabelMatcher> FromMatchers(const Napi::Value& value) {
  std::vector<LabelMatcher> matchers;
  if (value.IsUndefined()) return matchers;
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), "matchers is not an array");
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Object matcher = AsObject(list.Get(i), "a matcher");
    matchers.push_back({AsString(matcher.Get("name"), "name of a matcher"),
                        Matcher(AsString(matcher.Get("op"), "op of a matcher"),
                                AsString(matcher.Get("value"), "value of a matcher"))});
  }
  return matchers;
}

std::vector<Merger::StoredSegment> FromSegments(const Napi::Value& value) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), "segments is not an array");
  const auto list = value.As<Napi::Array>();
  std::vector<Merger::StoredSegment> segments;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Object segment = AsObject(list.Get(i), "a segment");
    segments.push_back(
        {AsString(segment.Get("id"), "id"), FromBytes(segment.Get("bytes"), kMostSegmentBytes)});
  }
  return segments;
}

Napi::Object ToUnnamed(Napi::Env env, UnnamedPlaces&& places) {
  auto object = Napi::Object::New(env);
  object.Set("buildIds", ToStrings(env, places.build_ids));
  object.Set("buildId", ToColumn(env, std::move(places.build_id)));
  object.Set("offset", ToColumn(env, std::move(places.offset)));
  object.Set("isLeaf", ToColumn(env, std::move(places.is_leaf)));
  object.Set("location", ToColumn(env, std::move(places.location)));
  return object;
}

LateNames FromLateNames(const Napi::Object& given) {
  const Napi::Object frames = AsObject(given.Get("frames"), "frames");
  return {FromColumn<uint32_t>(given, "location"),      FromColumn<uint8_t>(given, "isLeaf"),
          FromStrings(given.Get("strings"), "strings"), FromColumn<uint32_t>(given, "frameOffset"),
          FromColumn<uint32_t>(frames, "name"),         FromColumn<uint32_t>(frames, "systemName"),
          FromColumn<uint32_t>(frames, "file"),         FromColumn<uint32_t>(frames, "line"),
          FromColumn<uint32_t>(frames, "startLine")};
}

Napi::Object ToWeights(Napi::Env env, const WeightsByReason& weights) {
  std::vector<std::string> reasons;
  std::vector<double> named, all;
  for (const auto& [reason, weight] : weights) {
    reasons.push_back(reason);
    named.push_back(static_cast<double>(weight.named));
    all.push_back(static_cast<double>(weight.all));
  }
  auto object = Napi::Object::New(env);
  object.Set("reason", ToStrings(env, reasons));
  object.Set("named", ToColumn(env, std::move(named)));
  object.Set("all", ToColumn(env, std::move(all)));
  return object;
}

/// Sums by value of one label; label sets without it count as ''.
std::map<std::string, Sum> SumBy(const Merger& merger, const std::string& name) {
  const SymbolColumns& symbols = merger.symbols();
  std::map<std::string, Sum> sums;
  for (uint32_t i = 0; i < merger.label_set_sums().size(); i++) {
    if (merger.label_set_sums()[i] == 0) continue;
    std::string text;
    for (const auto& label : symbols.LabelsOf(i)) {
      if (symbols.strings[label.key] != name) continue;
      text = LabelText(symbols.strings[label.str], label.num, symbols.strings[label.num_unit]);
      break;  // the first of several values: each row counts once
    }
    sums[text] += merger.label_set_sums()[i];
  }
  return sums;
}

Napi::Object ToMatrix(Napi::Env env, FunctionMatrix&& matrix) {
  auto object = Napi::Object::New(env);
  object.Set("functions", ToFunctions(env, matrix.functions));
  object.Set("omitted", matrix.omitted);
  const auto side = [&](std::vector<double>& self, std::vector<double>& total) {
    auto values = Napi::Object::New(env);
    values.Set("self", ToColumn(env, std::move(self)));
    values.Set("total", ToColumn(env, std::move(total)));
    return values;
  };
  object.Set("left", side(matrix.left_self, matrix.left_total));
  object.Set("right", side(matrix.right_self, matrix.right_total));
  auto replicates = side(matrix.self, matrix.total);
  replicates.Set("sum", ToColumn(env, std::move(matrix.sum)));
  object.Set("replicates", replicates);
  return object;
}

Merger::Side SideOf(const Napi::Object& options) {
  const Napi::Value given = options.Get("side");
  const std::string name = given.IsUndefined() ? "left" : AsString(given, "side");
  if (name != "left" && name != "right")
    throw Napi::TypeError::New(options.Env(), "side is neither left nor right");
  return name == "left" ? Merger::kLeft : Merger::kRight;
}

uint32_t CheckedReplicate(Napi::Env env, uint32_t replicate) {
  if (replicate >= kMostReplicates) throw Napi::RangeError::New(env, "replicates are below 4096");
  return replicate;
}

class MergerObject : public Napi::ObjectWrap<MergerObject> {
 public:
  static constexpr napi_type_tag kTag{0x9a5c1e1f7f0b4c13, 0x8d2f5b6a3e0c9d03};

  static void Define(Napi::Env env, Napi::Object exports) {
    exports.Set("Merger", DefineClass(env, "Merger",
                                      {Method<MergerObject, &MergerObject::AddSegment>("addSegment"),
                                       Method<MergerObject, &MergerObject::AddSegments>("addSegments"),
                                       Method<MergerObject, &MergerObject::HasSegment>("hasSegment"),
                                       Method<MergerObject, &MergerObject::AddProfiles>("addProfiles"),
                                       Method<MergerObject, &MergerObject::AddPprof>("addPprof"),
                                       Getter<MergerObject, &MergerObject::Size>("size"),
                                       Method<MergerObject, &MergerObject::Unnamed>("unnamed"),
                                       Method<MergerObject, &MergerObject::Name>("name"),
                                       Method<MergerObject, &MergerObject::Flamegraph>("flamegraph"),
                                       Method<MergerObject, &MergerObject::Diff>("diff"),
                                       Method<MergerObject, &MergerObject::TopFunctions>("top"),
                                       Method<MergerObject, &MergerObject::SumByLabel>("sumBy"),
                                       Method<MergerObject, &MergerObject::RollUpRows>("rollUp"),
                                       Method<MergerObject, &MergerObject::Pprof>("pprof")}));
  }

  explicit MergerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MergerObject>(info) {
    info.This().As<Napi::Object>().TypeTag(&kTag);
    Thrown(info.Env(), [&] {
      const Napi::Object options = OptionalObject(info.Env(), info[0]);
      limits_ = FromLimits(info.Env(), options.Get("limits"));
      std::optional<Merger::LabelChoice> choice;
      const Napi::Value labels = options.Get("sampleLabels");
      if (labels.IsArray())
        choice = {FromStrings(labels, "sampleLabels"), false};
      else if (labels.IsObject())
        choice = {FromStrings(labels.As<Napi::Object>().Get("except"), "sampleLabels.except"), true};
      const Napi::Value left = options.Get("matchers"), right = options.Get("rightMatchers");
      // Matchers hold compiled expressions and cannot be copied.
      std::array<std::vector<LabelMatcher>, 2> matchers{FromMatchers(left),
                                                        FromMatchers(right.IsUndefined() ? left : right)};
      merger_ = std::make_unique<Merger>(std::move(matchers), OptionalFlag(options, "sampleLabels", true),
                                         limits_, std::move(choice));
    });
  }

 private:
  struct Counts {
    size_t rows = 0, stacks = 0, bytes = 0;
    uint64_t truncated = 0;
  };

  /// Runs `work` after what was asked before it; what it returns makes the result.
  Napi::Value Run(const Napi::CallbackInfo& info, Work work) {
    // The finishing half runs on JavaScript's thread while the next job may already change the merger: what
    // `size` tells is therefore taken by the job itself.
    return Job::Start(
        info.Env(),
        [this, work = std::move(work)]() -> Finish {
          Finish finish = work();
          const Counts counts{merger_->rows(), merger_->stacks(), merger_->bytes(), merger_->truncated()};
          return [this, counts, finish = std::move(finish)](Napi::Env env) {
            counts_ = counts;
            return finish(env);
          };
        },
        info.This().As<Napi::Object>(), &queue_);
  }

  Napi::Value AddSegment(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      auto one = std::make_shared<std::vector<Merger::StoredSegment>>();
      one->push_back({AsString(info[0], "the id"), FromBytes(info[1], kMostSegmentBytes)});
      return Run(info, [this, one]() -> Finish {
        const auto damaged = merger_->AddSegments(*one);
        if (!damaged.empty()) throw damaged.front().second;
        return [this, one](Napi::Env env) {
          segments_.insert(one->front().id);
          return env.Undefined();
        };
      });
    });
  }

  Napi::Value AddSegments(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      auto segments = std::make_shared<std::vector<Merger::StoredSegment>>(FromSegments(info[0]));
      return Run(info, [this, segments]() -> Finish {
        std::vector<size_t> damaged;
        for (const auto& [position, failure] : merger_->AddSegments(*segments)) damaged.push_back(position);
        return [this, segments, damaged](Napi::Env env) {
          std::vector<std::string> ids;
          for (size_t i = 0, next = 0; i < segments->size(); i++)
            if (next < damaged.size() && damaged[next] == i)
              ids.push_back((*segments)[damaged[next++]].id);
            else
              segments_.insert((*segments)[i].id);
          auto object = Napi::Object::New(env);
          object.Set("damaged", ToStrings(env, ids));
          return object;
        };
      });
    });
  }

  Napi::Value HasSegment(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), segments_.contains(AsString(info[0], "the id")));
  }

  Napi::Value AddProfiles(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      auto inputs = std::make_shared<std::vector<Merger::Input>>(FromInputs(info[0]));
      const Napi::Object options = OptionalObject(info.Env(), info[1]);
      const auto side = SideOf(options);
      if (!options.Get("replicates").IsUndefined()) {
        const auto replicates = FromColumn<uint32_t>(options, "replicates");
        if (replicates.size() != inputs->size())
          throw Napi::TypeError::New(info.Env(), "replicates is not one for each profile");
        for (size_t i = 0; i < inputs->size(); i++)
          (*inputs)[i].replicate = CheckedReplicate(info.Env(), replicates[i]);
      }
      return Run(info, [this, inputs, side]() -> Finish {
        const auto damaged = merger_->AddProfiles(*inputs, side);
        return [damaged](Napi::Env env) {
          auto positions = Napi::Array::New(env, damaged.size());
          for (uint32_t i = 0; i < damaged.size(); i++) positions.Set(i, static_cast<double>(damaged[i]));
          auto object = Napi::Object::New(env);
          object.Set("damaged", positions);
          return object;
        };
      });
    });
  }

  Napi::Value AddPprof(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      const Napi::Object options = OptionalObject(info.Env(), info[1]);
      const Napi::Value type = options.Get("sampleType");
      const std::string sample_type = type.IsUndefined() ? "" : AsString(type, "sampleType");
      const auto side = SideOf(options);
      const uint32_t replicate =
          options.Get("replicate").IsUndefined()
              ? Merger::kNoReplicate
              : CheckedReplicate(
                    info.Env(), static_cast<uint32_t>(OptionalCount(options, "replicate", 0, 0, UINT32_MAX)));
      return Run(
          info,
          [this, sample_type, side, replicate, data = FromBytes(info[0], limits_.max_bytes)]() -> Finish {
            merger_->AddPprof(SpanOf(data), sample_type, side, replicate);
            return [](Napi::Env env) { return env.Undefined(); };
          });
    });
  }

  Napi::Value Size(const Napi::CallbackInfo& info) {
    auto size = Napi::Object::New(info.Env());
    size.Set("rows", static_cast<double>(counts_.rows));
    size.Set("stacks", static_cast<double>(counts_.stacks));
    size.Set("bytes", static_cast<double>(counts_.bytes));
    size.Set("truncated", static_cast<double>(counts_.truncated));
    return size;
  }

  Napi::Value Unnamed(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      return Run(info, [this]() -> Finish {
        auto places = std::make_shared<UnnamedPlaces>(merger_->Unnamed());
        return [places](Napi::Env env) { return ToUnnamed(env, std::move(*places)); };
      });
    });
  }

  Napi::Value Name(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      auto names = std::make_shared<LateNames>(FromLateNames(AsObject(info[0], "names")));
      return Run(info, [this, names]() -> Finish {
        if (!names->IsConsistent(merger_->symbols().locations.size()))
          throw Failure("SW_INTERNAL", "the names do not fit the merger",
                        {{"reason", std::string("the names do not fit the merger")}});
        const WeightsByReason weights = merger_->Name(*names);
        return [weights](Napi::Env env) { return ToWeights(env, weights); };
      });
    });
  }

  Napi::Value Flamegraph(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      const Napi::Object options = OptionalObject(info.Env(), info[0]);
      const size_t max_nodes = OptionalCount(options, "maxNodes", UINT32_MAX, 1, UINT32_MAX);
      return Run(info, [this, max_nodes]() -> Finish {
        const Frames frames(merger_->symbols());
        const Tree tree = BuildTree(merger_->symbols(), frames, merger_->node_sums());
        // One node is the root, and with it goes the 'other' that holds all the rest.
        auto flame = std::make_shared<FlameColumns>(Layout(tree, frames, std::max<size_t>(2, max_nodes)));
        const Sum sum = merger_->sum();
        return [flame, sum](Napi::Env env) { return ToFlame(env, std::move(*flame), sum); };
      });
    });
  }

  Napi::Value Diff(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      const Napi::Object options = OptionalObject(info.Env(), info[0]);
      const size_t max_nodes = OptionalCount(options, "maxNodes", UINT32_MAX, 1, UINT32_MAX);
      const size_t max_functions = OptionalCount(options, "functions", 0, 0, UINT32_MAX);
      std::optional<Matching> matching;
      const Napi::Value without = options.Get("matchingWithout");
      if (!without.IsUndefined()) matching.emplace(FromStrings(without, "matchingWithout"));
      return Run(info, [this, max_nodes, max_functions, matching]() -> Finish {
        const Frames frames(merger_->symbols(), matching ? &*matching : nullptr);
        std::vector<uint32_t> place;
        const Tree tree = BuildTree(merger_->symbols(), frames, merger_->node_sums(),
                                    &merger_->node_sums(Merger::kRight), &place);
        auto diff = std::make_shared<DiffColumns>(LayoutDiff(tree, frames, std::max<size_t>(2, max_nodes)));
        auto matrix = std::make_shared<FunctionMatrix>();
        if (max_functions > 0) *matrix = Functions(tree, place, frames, merger_->replicates(), max_functions);
        const Sum left = merger_->sum(), right = merger_->sum(Merger::kRight);
        return [=](Napi::Env env) {
          auto object = ToDiff(env, std::move(*diff), left, right);
          object.Set("matrix",
                     max_functions > 0 ? Napi::Value(ToMatrix(env, std::move(*matrix))) : env.Null());
          return object;
        };
      });
    });
  }

  Napi::Value TopFunctions(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      return Run(info, [this]() -> Finish {
        const Frames frames(merger_->symbols());
        auto top = std::make_shared<TopColumns>(
            Top(BuildTree(merger_->symbols(), frames, merger_->node_sums()), frames));
        const Sum sum = merger_->sum();
        return [top, sum](Napi::Env env) { return ToTop(env, std::move(*top), sum); };
      });
    });
  }

  Napi::Value SumByLabel(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      const std::string label = AsString(info[0], "the label");
      return Run(info, [this, label]() -> Finish {
        auto values = std::make_shared<std::vector<std::string>>();
        auto totals = std::make_shared<std::vector<int64_t>>();
        for (const auto& [value, sum] : SumBy(*merger_, label)) {
          values->push_back(value);
          totals->push_back(Saturate(sum));
        }
        return [values, totals](Napi::Env env) {
          auto object = Napi::Object::New(env);
          object.Set("value", ToStrings(env, *values));
          object.Set("total", ToColumn(env, std::move(*totals)));
          return object;
        };
      });
    });
  }

  Napi::Value RollUpRows(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      const auto writer = WriterOf(info[0]);
      if (!merger_->keep_labels())
        throw Napi::TypeError::New(info.Env(), "this merger was made with sampleLabels: false");
      return Run(info, [this, writer]() -> Finish {
        auto batch = std::make_shared<Batch>(RollUp(*merger_, *writer));
        return [batch](Napi::Env env) { return ToBatch(env, std::move(*batch)); };
      });
    });
  }

  Napi::Value Pprof(const Napi::CallbackInfo& info) {
    return Promised(info.Env(), [&] {
      const Napi::Object given = AsObject(info[0], "options");
      ExportOptions options;
      options.sample_type = AsString(given.Get("sampleType"), "sampleType");
      options.sample_unit = AsString(given.Get("sampleUnit"), "sampleUnit");
      options.period_type = AsString(given.Get("periodType"), "periodType");
      options.period_unit = AsString(given.Get("periodUnit"), "periodUnit");
      options.period = AsInt64(given.Get("period"), "period");
      options.time_nanos = AsInt64(given.Get("timeNanos"), "timeNanos");
      options.duration_nanos = AsInt64(given.Get("durationNanos"), "durationNanos");
      if (!given.Get("comments").IsUndefined())
        options.comments = FromStrings(given.Get("comments"), "comments");
      options.sample_labels = OptionalFlag(given, "sampleLabels", false);
      options.reasons = OptionalFlag(given, "reasons", false);
      options.go_only = OptionalFlag(given, "goOnly", false);
      if (options.sample_labels && !merger_->keep_labels())
        throw Napi::TypeError::New(info.Env(), "this merger was made with sampleLabels: false");
      return Run(info, [this, options]() -> Finish {
        const Profile profile = Export(*merger_, options);
        if (options.go_only && profile.samples.size() == 0)
          throw Failure("SW_PGO_EMPTY", "no sample has a Go function with its first line", {});
        auto bytes = std::make_shared<Bytes>(Encode(profile, 1));
        return [bytes](Napi::Env env) { return ToColumn(env, std::move(*bytes)); };
      });
    });
  }

  // Used by the jobs of queue_ only, one at a time; each keeps this object alive.
  std::unique_ptr<Merger> merger_;
  SerialQueue queue_;
  Limits limits_;
  // Of JavaScript's thread: what the jobs that have ended left.
  Counts counts_;
  std::unordered_set<std::string> segments_;
};

}  // namespace

void DefineMerger(Napi::Env env, Napi::Object exports) { MergerObject::Define(env, exports); }

std::vector<Merger::Input> FromInputs(const Napi::Value& value) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), "profiles is not an array");
  const auto list = value.As<Napi::Array>();
  std::vector<Merger::Input> inputs(list.Length());
  for (uint32_t i = 0; i < inputs.size(); i++) {
    Napi::HandleScope scope(value.Env());
    const Napi::Object profile = AsObject(list.Get(i), "a profile");
    inputs[i] = {FromStrings(profile.Get("segments"), "segments"),
                 FromBytes(profile.Get("rows"), kMostSegmentBytes)};
  }
  return inputs;
}

Napi::Object ToSummed(Napi::Env env, Summed&& summed) {
  auto object = Napi::Object::New(env);
  object.Set("segments", ToStrings(env, summed.segments));
  object.Set("rows", ToColumn(env, std::move(summed.rows)));
  object.Set("rowCount", summed.row_count);
  object.Set("total", ToBigInt(env, summed.total));
  auto damaged = Napi::Array::New(env, summed.damaged.size());
  for (uint32_t i = 0; i < summed.damaged.size(); i++) damaged.Set(i, static_cast<double>(summed.damaged[i]));
  object.Set("damaged", damaged);
  return object;
}

}  // namespace stackwell
