// SPDX-License-Identifier: Apache-2.0
// From OTLP to pprof. The whole request is read and checked first; its samples are then gathered by what must
// be the same for all of a pprof file (service, attributes, type, time), so that a host's report with a
// resource for each process does not become a profile for each.
#include "otlp.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "hash.h"
#include "otlp_dictionary.h"
#include "profile.h"

namespace stackwell {
namespace {

constexpr uint64_t kMostProfiles = 100'000;
/// Files that come out: each is stored as a profile of its own.
constexpr uint64_t kMostConverted = 10'000;
constexpr uint64_t kMostAttributes = 256;
/// As labels are limited (src/server/ingest/labels.ts); longer ones are left out, and counted.
constexpr size_t kLongestKey = 1024;
constexpr size_t kLongestText = 2048;
/// Of all sets of attributes together.
constexpr uint64_t kAttributeBytes = 16 << 20;
constexpr std::string_view kKernel = "[kernel.kallsyms]";

using Attribute = OtlpDictionary::Attribute;

/// Of a resource, what goes to the samples rather than to the profile: these differ from process to process.
struct Resource {
  uint32_t attributes = 0;
  std::string_view service, pid, process_name;
};

struct ProfileType {
  std::string_view name, type, unit, period_type, period_unit;
  int64_t period = 0;
  /// What one unit of the values sent is in units of the type.
  int64_t scale = 1;
  auto operator<=>(const ProfileType&) const = default;
};

struct Header {
  uint32_t resource = 0;
  uint32_t attributes = 0;
  ProfileType type;
  uint64_t time = 0;
  uint64_t duration = 0;
};

struct Sample {
  uint32_t profile = 0;
  uint32_t stack = 0;
  uint32_t link = 0;
  uint32_t first_attribute = 0, end_attribute = 0;
  int64_t value = 0;
};

/// What all samples of one file have in common.
using GroupKey = std::tuple<std::string_view, uint32_t, ProfileType, uint64_t, uint64_t>;
struct Group {
  GroupKey key;
  std::vector<uint32_t> samples;
  uint32_t profiles = 0;
};

int64_t Int64(__int128 value, const char* what) {
  if (value > INT64_MAX || value < INT64_MIN) Invalid(std::string(what) + " is over 64 bits");
  return static_cast<int64_t>(value);
}

uint64_t Fixed64(const uint8_t* at) {
  uint64_t value = 0;
  for (int byte = 7; byte >= 0; byte--) value = value << 8 | at[byte];
  return value;
}

/// The request as columns.
class RequestReader {
 public:
  RequestReader(Span request, const Limits& limits) : limits_(limits) {
    std::vector<Span> dictionary, resources;
    Reader reader(request);
    for (Field field; reader.Next(field);) {
      if (field.number > 2) continue;
      Expect(field, Wire::kBytes, "ExportProfilesServiceRequest");
      (field.number == 1 ? resources : dictionary).push_back(field.bytes);
    }
    if (resources.empty()) return;
    if (dictionary.empty()) Invalid("there is no dictionary");
    d_ = ReadDictionary(dictionary, limits);
    for (const Span resource : resources) ReadResourceProfiles(resource);
  }

  OtlpDictionary& dictionary() { return d_; }
  const std::vector<Resource>& resources() const { return resources_; }
  const std::vector<Header>& profiles() const { return profiles_; }
  const std::vector<Sample>& samples() const { return samples_; }
  const std::vector<uint32_t>& sample_attributes() const { return sample_attributes_; }
  std::vector<OtlpExport::Attributes> TakeAttributeSets() { return std::move(sets_); }
  uint64_t dropped_attributes() const { return dropped_; }

 private:
  void ReadResourceProfiles(Span message) {
    std::vector<Span> scopes;
    std::vector<Attribute> attributes;
    Resource resource;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number > 2) continue;
      Expect(field, Wire::kBytes, "ResourceProfiles");
      if (field.number == 1) ReadAttributes(field.bytes, 1, attributes);
      if (field.number == 2) scopes.push_back(field.bytes);
    }
    std::erase_if(attributes, [&](const Attribute& attribute) {
      if (attribute.key == "service.name")
        resource.service = attribute.text;
      else if (attribute.key == "process.pid")
        resource.pid = attribute.text;
      else if (attribute.key == "process.executable.name")
        resource.process_name = attribute.text;
      else
        return false;
      return true;
    });
    if (resource.service.empty())
      resource.service = resource.process_name.empty()
                             ? std::string_view("unknown_service")
                             : d_.owned.emplace_back("unknown_service:").append(resource.process_name);
    resources_.push_back(resource);
    for (const Span scope : scopes) ReadScopeProfiles(scope, attributes);
  }

  void ReadScopeProfiles(Span message, const std::vector<Attribute>& of_resource) {
    std::vector<Span> profiles;
    std::vector<Attribute> attributes = of_resource;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number > 2) continue;
      Expect(field, Wire::kBytes, "ScopeProfiles");
      if (field.number == 1) ReadAttributes(field.bytes, 3, attributes);
      if (field.number == 2) profiles.push_back(field.bytes);
    }
    std::optional<uint32_t> plain;
    for (const Span profile : profiles) {
      Check("profiles", profiles_.size() + 1, kMostProfiles);
      ReadProfile(profile, attributes, plain);
    }
  }

  /// The attributes of a Resource (field 1) or an InstrumentationScope (field 3).
  void ReadAttributes(Span message, uint32_t number, std::vector<Attribute>& attributes) {
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number != number) continue;
      Expect(field, Wire::kBytes, number == 1 ? "Resource" : "InstrumentationScope");
      Check("attributes of a profile", attributes.size() + 1, kMostAttributes);
      AddAttribute(d_.KeyValue(field.bytes, limits_), attributes);
    }
  }

  void AddAttribute(const Attribute& attribute, std::vector<Attribute>& attributes) {
    if (attribute.key.empty() || attribute.text.empty()) return;
    if (attribute.key.size() > kLongestKey || attribute.text.size() > kLongestText)
      dropped_++;
    else
      attributes.push_back(attribute);
  }

  /// `plain` is the set of the attributes that all profiles of a scope have.
  void ReadProfile(Span message, const std::vector<Attribute>& of_scope, std::optional<uint32_t>& plain) {
    Header header;
    std::vector<Attribute> attributes;
    header.resource = static_cast<uint32_t>(resources_.size() - 1);
    const auto profile = static_cast<uint32_t>(profiles_.size());
    uint64_t first_time = UINT64_MAX;
    ExpectProfile(message);
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      switch (field.number) {
        case 1:
          ReadValueType(field.bytes, header.type.type, header.type.unit);
          break;
        case 2:
          ReadSample(field.bytes, profile, first_time);
          break;
        case 3:
          header.time = Fixed64(field.bytes.begin);
          break;
        case 4:
          header.duration = field.value;
          break;
        case 5:
          ReadValueType(field.bytes, header.type.period_type, header.type.period_unit);
          break;
        case 6:
          header.type.period = static_cast<int64_t>(field.value);
          break;
        case 11:
          EachNumber(field, [&](uint64_t index) {
            Check("attributes of a profile", attributes.size() + of_scope.size() + 1, kMostAttributes);
            AddAttribute(d_.attributes[d_.AttributeRow(index)], attributes);
          });
      }
    }
    if (header.time == 0 && first_time != UINT64_MAX) header.time = first_time;
    if (header.time > INT64_MAX || header.duration > INT64_MAX) Invalid("a time is over 63 bits");
    Normalize(header.type);
    if (attributes.empty()) {
      if (!plain) plain = AttributeSet(of_scope);
      header.attributes = *plain;
    } else {
      attributes.insert(attributes.begin(), of_scope.begin(), of_scope.end());
      header.attributes = AttributeSet(attributes);
    }
    profiles_.push_back(header);
  }

  // Before anything that it refers to is looked for: in other versions that makes no sense.
  static void ExpectProfile(Span message) {
    Reader types(message);
    for (Field field; types.Next(field);) {
      if (field.number == 1 || field.number == 2 || field.number == 5) Expect(field, Wire::kBytes, "Profile");
      if (field.number == 3) Expect(field, Wire::kFixed64, "Profile");
      if (field.number == 4 || field.number == 6) Expect(field, Wire::kVarint, "Profile");
      if (field.number == 11) ExpectNumbers(field, "Profile");
    }
  }

  void ReadValueType(Span message, std::string_view& type, std::string_view& unit) {
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number > 2) continue;
      Expect(field, Wire::kVarint, "ValueType");
      (field.number == 1 ? type : unit) = d_.strings[d_.String(field.value)];
    }
  }

  // Types as others write what the agent writes, too: so that both compare.
  static void Normalize(ProfileType& type) {
    if (type.type == "samples" && type.unit == "count" && type.period_type == "cpu" &&
        type.period_unit == "nanoseconds" && type.period > 0) {
      type.type = "cpu";
      type.unit = "nanoseconds";
      type.scale = type.period;
    } else if (type.type == "off_cpu" && type.unit == "nanoseconds") {
      type.name = "process_offcpu";
      type.type = type.period_type = "offcpu";
      type.period_unit = type.unit;
      type.period = 1;
    }
  }

  void ReadSample(Span message, uint32_t profile, uint64_t& first_time) {
    Check("samples", samples_.size() + 1, limits_.max_samples);
    Sample sample;
    sample.profile = profile;
    sample.first_attribute = static_cast<uint32_t>(sample_attributes_.size());
    uint64_t values = 0, times = 0;
    __int128 sum = 0;
    const auto see = [&](uint64_t time) {
      times++;
      first_time = std::min(first_time, time);
    };
    // First of all: before 1.10 the fields from 2 to 4 were others, and what they refer to would make no
    // sense.
    Reader types(message);
    for (Field field; types.Next(field);) {
      if (field.number == 1 || field.number == 3) Expect(field, Wire::kVarint, "Sample");
      if (field.number == 4) Expect(field, Wire::kBytes, "Sample");
    }
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      switch (field.number) {
        case 1:
          // Row 0 is the empty stack, also where there are none.
          if (field.value >= std::max<size_t>(1, d_.stack_count()))
            Invalid("there is no stack " + std::to_string(static_cast<int64_t>(field.value)));
          sample.stack = static_cast<uint32_t>(field.value);
          break;
        case 2:
          ExpectNumbers(field, "Sample");
          EachNumber(field, [&](uint64_t index) {
            Check("labels of a sample", sample_attributes_.size() + 1 - sample.first_attribute,
                  limits_.max_labels);
            Check("labels", sample_attributes_.size() + 1, limits_.AllLabels());
            sample_attributes_.push_back(d_.AttributeRow(index));
          });
          break;
        case 3:
          if (field.value >= std::max<size_t>(1, d_.links.size()))
            Invalid("there is no link " + std::to_string(static_cast<int64_t>(field.value)));
          sample.link = static_cast<uint32_t>(field.value);
          break;
        case 4:
          EachNumber(field, [&](uint64_t value) {
            values++;
            sum += static_cast<int64_t>(value);
          });
          break;
        case 5:
          if (field.wire != Wire::kFixed64) {
            Expect(field, Wire::kBytes, "Sample");
            if (field.bytes.size() % 8 != 0) Invalid("the times of a sample are cut off");
          }
          for (const uint8_t* at = field.bytes.begin; at < field.bytes.end; at += 8) see(Fixed64(at));
      }
    }
    if (values == 0 && times == 0)
      Invalid(
          "a sample has neither values nor times (in opentelemetry-proto before 1.10 they are other fields)");
    if (values > 0 && times > 0 && values != times) Invalid("a sample has not as many values as times");
    sample.end_attribute = static_cast<uint32_t>(sample_attributes_.size());
    sample.value = values > 0 ? Int64(sum, "the sum of a sample") : static_cast<int64_t>(times);
    samples_.push_back(sample);
  }

  /// The row of this set among those that come out.
  uint32_t AttributeSet(const std::vector<Attribute>& attributes) {
    std::string content;
    for (const auto& [key, text] : attributes) {
      content.append(std::to_string(key.size())).append(" ").append(key);
      content.append(std::to_string(text.size())).append(" ").append(text);
    }
    const auto row = static_cast<uint32_t>(sets_.size());
    compared_ += content.size();
    Check("bytes of attributes", compared_, 4 * limits_.max_bytes);
    const uint64_t size = content.size();
    const auto [found, is_new] = set_rows_.emplace(std::move(content), row);
    if (is_new) {
      set_bytes_ += size;
      Check("bytes of attributes", set_bytes_, kAttributeBytes);
      auto& set = sets_.emplace_back();
      for (const auto& [key, text] : attributes) set.emplace_back(key, text);
    }
    return found->second;
  }

  const Limits& limits_;
  OtlpDictionary d_;
  std::vector<Resource> resources_;
  std::vector<Header> profiles_;
  std::vector<Sample> samples_;
  std::vector<uint32_t> sample_attributes_;
  std::vector<OtlpExport::Attributes> sets_;
  std::map<std::string, uint32_t> set_rows_;
  uint64_t compared_ = 0;
  uint64_t set_bytes_ = 0;
  uint64_t dropped_ = 0;
};

/// Rows of a dictionary's table that a file has already, without clearing the table for each file.
class Seen {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  void Resize(size_t size) { rows_.resize(size); }
  void Clear() { round_++; }
  uint32_t Find(uint32_t index) const { return rows_[index].round == round_ ? rows_[index].row : kNone; }
  void Set(uint32_t index, uint32_t row) { rows_[index] = {round_, row}; }

 private:
  struct Entry {
    uint32_t round = 0;
    uint32_t row = 0;
  };
  std::vector<Entry> rows_;
  uint32_t round_ = 1;
};

/// Makes one pprof file after another of samples of a request.
class FileBuilder {
 public:
  FileBuilder(RequestReader& request, const Limits& limits)
      : request_(request), d_(request.dictionary()), limits_(limits) {
    seen_strings_.Resize(d_.strings.size());
    seen_mappings_.Resize(d_.mappings.size());
    seen_functions_.Resize(d_.functions.size());
    seen_locations_.Resize(d_.locations.size());
    seen_links_.Resize(d_.links.size());
    for (const Attribute& attribute : d_.attributes) labels_.push_back(LabelOf(attribute.key));
  }

  Bytes Build(const Group& group) {
    for (Seen* seen : {&seen_strings_, &seen_mappings_, &seen_functions_, &seen_locations_, &seen_links_})
      seen->Clear();
    link_rows_.clear();
    texts_.clear();
    kernel_mapping_ = -1;
    unnamed_.clear();
    unmapped_.clear();
    file_ = Profile();
    file_.strings.emplace_back();
    const auto& [service, attributes, type, time, duration] = group.key;
    file_.sample_types.push_back({Text(type.type), Text(type.unit)});
    if (!type.period_type.empty())
      file_.period_type.emplace(Profile::ValueType{Text(type.period_type), Text(type.period_unit)});
    file_.period = type.period;
    file_.time_nanos = static_cast<int64_t>(time);
    file_.duration_nanos = static_cast<int64_t>(duration);
    for (const uint32_t sample : group.samples) AddSample(request_.samples()[sample], type.scale);
    AddReasons("no_symbols", unnamed_);
    AddReasons("unmapped", unmapped_);
    Bytes pprof = Encode(file_, 0);
    bytes_ += pprof.size();
    Check("bytes as pprof", bytes_, limits_.max_bytes);
    return pprof;
  }

 private:
  void AddSample(const Sample& sample, int64_t scale) {
    auto& samples = file_.samples;
    if (d_.stack_count() > 0) {
      const uint32_t begin = d_.stack_offset[sample.stack], end = d_.stack_offset[sample.stack + 1];
      // A stack can be named by a few bytes, as often as one likes.
      frames_ += end - begin;
      Check("frames", frames_, limits_.max_bytes / 4);
      for (uint32_t i = begin; i < end; i++) samples.location.push_back(Location(d_.stack_locations[i]));
    }
    samples.location_offset.push_back(static_cast<uint32_t>(samples.location.size()));
    samples.values.push_back(Int64(__int128{sample.value} * scale, "the sum of a sample"));
    AddLabels(sample);
    samples.label_offset.push_back(static_cast<uint32_t>(file_.labels.size()));
  }

  void AddLabels(const Sample& sample) {
    const Resource& resource = request_.resources()[request_.profiles()[sample.profile].resource];
    bool has_pid = false, has_name = false;
    for (uint32_t i = sample.first_attribute; i < sample.end_attribute; i++) {
      const auto& [key, text] = d_.attributes[request_.sample_attributes()[i]];
      if (key.empty() || text.empty() || key == "service.name") continue;
      has_pid |= key == "process.pid";
      has_name |= key == "process.executable.name";
      AddLabel(labels_[request_.sample_attributes()[i]], text);
    }
    if (!has_pid) AddLabel("pid", resource.pid);
    if (!has_name) AddLabel("process_name", resource.process_name);
    if (d_.links.empty()) return;
    const auto [trace, span] = Link(sample.link);
    AddLabel("trace_id", trace);
    AddLabel("span_id", span);
  }

  /// The agent's names for what the agent records too; of others what Prometheus allows in a name, as of
  /// labels of profiles (src/server/ingest/labels.ts).
  static std::string LabelOf(std::string_view key) {
    static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
        {"process.pid", "pid"},
        {"process.executable.name", "process_name"},
        {"thread.id", "thread_id"},
        {"thread.name", "thread_name"},
    };
    for (const auto& [theirs, ours] : kNames)
      if (key == theirs) return std::string(ours);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    std::string name(!key.empty() && is_digit(key[0]) ? "_" : "");
    for (const char c : key) {
      const bool is_allowed = is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      // One for a character, not for each of its bytes.
      if (is_allowed || (c & 0xc0) != 0x80) name.push_back(is_allowed ? c : '_');
    }
    return name;
  }

  void AddLabel(std::string_view key, std::string_view text) {
    if (!text.empty()) AddLabel(key, Text(text));
  }
  void AddLabel(std::string_view key, uint32_t text) {
    if (text == 0) return;
    file_.labels.key.push_back(Text(key));
    file_.labels.str.push_back(text);
    file_.labels.num.push_back(0);
    file_.labels.num_unit.push_back(0);
  }

  /// Its trace and its span, as strings of the file.
  std::pair<uint32_t, uint32_t> Link(uint32_t index) {
    uint32_t row = seen_links_.Find(index);
    if (row == Seen::kNone) {
      row = static_cast<uint32_t>(link_rows_.size());
      link_rows_.emplace_back(Text(Hex(d_.links[index].trace)), Text(Hex(d_.links[index].span)));
      seen_links_.Set(index, row);
    }
    return link_rows_[row];
  }

  uint32_t Location(uint32_t index) {
    const uint32_t known = seen_locations_.Find(index);
    if (known != Seen::kNone) return known;
    const auto& location = d_.locations[index];
    auto& locations = file_.locations;
    const auto row = static_cast<uint32_t>(locations.size());
    const int32_t mapping = location.is_kernel ? KernelMapping() : Mapping(location.mapping);
    locations.mapping.push_back(mapping);
    locations.address.push_back(location.address);
    locations.is_folded.push_back(0);
    for (uint32_t i = location.first_line; i < location.end_line; i++) {
      const auto& [function, line, column] = d_.lines[i];
      const int32_t named = Function(function);
      // A line of no function says nothing, and a location that has lines is not named later.
      if (named < 0) continue;
      file_.lines.function.push_back(named);
      file_.lines.line.push_back(line);
      file_.lines.column.push_back(column);
    }
    if (file_.lines.size() == locations.line_offset.back())
      (mapping < 0 ? unmapped_ : unnamed_).push_back(row + 1);
    locations.line_offset.push_back(static_cast<uint32_t>(file_.lines.size()));
    seen_locations_.Set(index, row);
    return row;
  }

  int32_t Function(uint32_t index) {
    if (index == 0) return -1;
    const auto& [name, system_name, filename, start_line] = d_.functions[index];
    if (name == 0 && system_name == 0 && filename == 0) return -1;
    const uint32_t known = seen_functions_.Find(index);
    if (known != Seen::kNone) return static_cast<int32_t>(known);
    auto& functions = file_.functions;
    const auto row = static_cast<uint32_t>(functions.size());
    functions.name.push_back(String(name));
    functions.system_name.push_back(String(system_name));
    functions.filename.push_back(String(filename));
    functions.start_line.push_back(start_line);
    seen_functions_.Set(index, row);
    return static_cast<int32_t>(row);
  }

  int32_t Mapping(uint32_t index) {
    if (index == 0) return -1;
    const uint32_t known = seen_mappings_.Find(index);
    if (known != Seen::kNone) return static_cast<int32_t>(known);
    const auto& [start, limit, offset, filename, build_id] = d_.mappings[index];
    const int32_t row = AddMapping(start, limit, offset, String(filename), Text(build_id));
    seen_mappings_.Set(index, static_cast<uint32_t>(row));
    return row;
  }

  // As the agent writes it, whatever part of the kernel it is.
  int32_t KernelMapping() {
    if (kernel_mapping_ < 0) kernel_mapping_ = AddMapping(0, 1ull << 63, 0, Text(kKernel), 0);
    return kernel_mapping_;
  }

  int32_t AddMapping(uint64_t start, uint64_t limit, uint64_t offset, uint32_t filename, uint32_t build_id) {
    auto& mappings = file_.mappings;
    mappings.start.push_back(start);
    mappings.limit.push_back(limit);
    mappings.offset.push_back(offset);
    mappings.filename.push_back(filename);
    mappings.build_id.push_back(build_id);
    mappings.flags.push_back(0);
    return static_cast<int32_t>(mappings.size() - 1);
  }

  // docs/pprof.md: why these locations, by id, have no name.
  void AddReasons(const char* reason, const std::vector<uint32_t>& ids) {
    if (ids.empty()) return;
    std::string& text = file_.owned_text.emplace_back("stackwell.reason ");
    text.append(reason).append(" ");
    for (const uint32_t id : ids) text.append(id == ids.front() ? "" : ",").append(std::to_string(id));
    file_.comments.push_back(static_cast<uint32_t>(file_.strings.size()));
    file_.strings.push_back(text);
  }

  /// A string of the dictionary.
  uint32_t String(uint32_t index) {
    if (index == 0) return 0;
    uint32_t row = seen_strings_.Find(index);
    if (row != Seen::kNone) return row;
    row = static_cast<uint32_t>(file_.strings.size());
    file_.strings.push_back(d_.strings[index]);
    seen_strings_.Set(index, row);
    return row;
  }

  /// Any other, which must outlive the file.
  uint32_t Text(std::string_view text) {
    if (text.empty()) return 0;
    const auto [found, is_new] = texts_.emplace(text, static_cast<uint32_t>(file_.strings.size()));
    if (is_new) file_.strings.push_back(text);
    return found->second;
  }

  std::string_view Hex(Span bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    if (bytes.size() == 0) return {};
    std::string& text = file_.owned_text.emplace_back();
    for (const uint8_t* at = bytes.begin; at < bytes.end; at++)
      text.append({kDigits[*at >> 4], kDigits[*at & 15]});
    return text;
  }

  RequestReader& request_;
  const OtlpDictionary& d_;
  const Limits& limits_;
  /// Of each attribute.
  std::vector<std::string> labels_;
  Seen seen_strings_, seen_mappings_, seen_functions_, seen_locations_, seen_links_;
  std::vector<std::pair<uint32_t, uint32_t>> link_rows_;
  // Ordered: a sender cannot choose texts that make it slow.
  std::map<std::string_view, uint32_t> texts_;
  std::vector<uint32_t> unnamed_, unmapped_;
  int32_t kernel_mapping_ = -1;
  Profile file_;
  uint64_t frames_ = 0;
  uint64_t bytes_ = 0;
};

std::vector<Group> FindGroups(RequestReader& request) {
  std::vector<Group> groups;
  std::map<GroupKey, uint32_t> rows;
  const auto& samples = request.samples();
  // Of the sample before: nearly always the same profile and service.
  uint32_t last_profile = UINT32_MAX, last_group = 0;
  std::string_view last_service;
  for (uint32_t i = 0; i < samples.size(); i++) {
    const Header& header = request.profiles()[samples[i].profile];
    std::string_view service = request.resources()[header.resource].service;
    for (uint32_t a = samples[i].first_attribute; a < samples[i].end_attribute; a++) {
      const auto& [key, text] = request.dictionary().attributes[request.sample_attributes()[a]];
      if (key == "service.name" && !text.empty()) service = text;
    }
    const bool is_first = samples[i].profile != last_profile;
    if (is_first || service != last_service) {
      const GroupKey key{service, header.attributes, header.type, header.time, header.duration};
      const auto [found, is_new] = rows.emplace(key, static_cast<uint32_t>(groups.size()));
      if (is_new) {
        Check("profiles", groups.size() + 1, kMostConverted);
        groups.push_back({key, {}, 0});
      }
      last_group = found->second;
      last_profile = samples[i].profile;
      last_service = service;
    }
    Group& group = groups[last_group];
    if (is_first) group.profiles++;
    group.samples.push_back(i);
  }
  return groups;
}

OtlpExport Convert(Span message, const Limits& limits) {
  RequestReader request(message, limits);
  OtlpExport result;
  FileBuilder builder(request, limits);
  for (const Group& group : FindGroups(request)) {
    const auto& [service, attributes, type, time, duration] = group.key;
    result.profiles.push_back(
        {attributes, std::string(service), std::string(type.name), builder.Build(group), group.profiles});
  }
  result.attribute_sets = request.TakeAttributeSets();
  result.received = static_cast<uint32_t>(request.profiles().size());
  result.dropped_attributes = request.dropped_attributes();
  return result;
}

}  // namespace

OtlpExport ConvertOtlp(Span request, const Limits& limits) {
  try {
    return Convert(request, limits);
  } catch (const Failure& failure) {
    if (std::string_view(failure.code()) != "SW_PPROF_INVALID") throw;
    throw Failure("SW_OTLP_INVALID", failure.what(), failure.details());
  }
}

}  // namespace stackwell
