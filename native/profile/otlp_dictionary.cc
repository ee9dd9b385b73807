// SPDX-License-Identifier: Apache-2.0
#include "otlp_dictionary.h"

#include <charconv>
#include <cstring>

#include "utf8.h"

namespace stackwell {
namespace {

enum DictionaryField : uint32_t {
  kMappings = 1,
  kLocations = 2,
  kFunctions = 3,
  kLinks = 4,
  kStrings = 5,
  kAttributes = 6,
  kStacks = 7,
};

constexpr uint64_t kTraceBytes = 16;
constexpr uint64_t kSpanBytes = 8;

uint32_t Row(uint64_t index, size_t size, const char* kind) {
  if (index >= size)
    Invalid("there is no " + std::string(kind) + " " + std::to_string(static_cast<int64_t>(index)));
  return static_cast<uint32_t>(index);
}

bool IsZero(Span bytes) {
  for (const uint8_t* at = bytes.begin; at < bytes.end; at++)
    if (*at != 0) return false;
  return true;
}

class DictionaryReader {
 public:
  DictionaryReader(OtlpDictionary& dictionary, const std::vector<Span>& messages, const Limits& limits)
      : d_(dictionary), messages_(messages), limits_(limits) {}

  // In the order in which they refer to each other, wherever they are in the message.
  void Run() {
    Count();
    Each(kStrings, [this](Span text) { d_.strings.push_back(d_.Text(text, limits_)); });
    if (d_.strings.empty()) Invalid("the dictionary has no strings");
    if (!d_.strings[0].empty()) Invalid("the first string is not ''");
    Each(kAttributes, [this](Span m) { ReadAttribute(m); });
    Each(kFunctions, [this](Span m) { ReadFunction(m); });
    Each(kMappings, [this](Span m) { ReadMapping(m); });
    Each(kLocations, [this](Span m) { ReadLocation(m); });
    Each(kLinks, [this](Span m) { ReadLink(m); });
    Each(kStacks, [this](Span m) { ReadStack(m); });
  }

 private:
  template <typename Do>
  void Each(uint32_t number, Do action) {
    for (const Span message : messages_) {
      Reader reader(message);
      for (Field field; reader.Next(field);)
        if (field.number == number) action(field.bytes);
    }
  }

  void Count() {
    uint64_t counts[8] = {};
    for (const Span message : messages_) {
      Reader reader(message);
      for (Field field; reader.Next(field);) {
        if (field.number > kStacks) continue;
        Expect(field, Wire::kBytes, "ProfilesDictionary");
        counts[field.number]++;
      }
    }
    Check("strings", counts[kStrings], limits_.max_strings);
    Check("attributes", counts[kAttributes], limits_.max_locations);
    Check("functions", counts[kFunctions], limits_.max_locations);
    Check("mappings", counts[kMappings], limits_.max_locations);
    Check("locations", counts[kLocations], limits_.max_locations);
    Check("links", counts[kLinks], limits_.max_samples);
    Check("stacks", counts[kStacks], limits_.max_samples);
  }

  void ReadAttribute(Span message) {
    OtlpDictionary::Attribute attribute;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number == 1) {
        Expect(field, Wire::kVarint, "KeyValueAndUnit");
        attribute.key = d_.strings[d_.String(field.value)];
      } else if (field.number == 2) {
        Expect(field, Wire::kBytes, "KeyValueAndUnit");
        attribute.text = d_.Value(field.bytes, limits_);
      } else if (field.number == 3) {
        Expect(field, Wire::kVarint, "KeyValueAndUnit");
        d_.String(field.value);
      }
    }
    d_.attributes.push_back(attribute);
  }

  void ReadFunction(Span message) {
    OtlpDictionary::Function function;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number > 4) continue;
      Expect(field, Wire::kVarint, "Function");
      if (field.number == 1) function.name = d_.String(field.value);
      if (field.number == 2) function.system_name = d_.String(field.value);
      if (field.number == 3) function.filename = d_.String(field.value);
      if (field.number == 4) function.start_line = static_cast<int64_t>(field.value);
    }
    d_.functions.push_back(function);
  }

  void ReadMapping(Span message) {
    OtlpDictionary::Mapping mapping;
    std::string_view file_hash;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number == 5) {
        ExpectNumbers(field, "Mapping");
        EachNumber(field, [&](uint64_t index) {
          const auto& [key, text] = d_.attributes[d_.AttributeRow(index)];
          if (key == "process.executable.build_id.gnu") mapping.build_id = text;
          if (key == "process.executable.build_id.htlhash") file_hash = text;
        });
        continue;
      }
      if (field.number > 4) continue;
      Expect(field, Wire::kVarint, "Mapping");
      if (field.number == 1) mapping.start = field.value;
      if (field.number == 2) mapping.limit = field.value;
      if (field.number == 3) mapping.offset = field.value;
      if (field.number == 4) mapping.filename = d_.String(field.value);
    }
    if (mapping.build_id.empty()) mapping.build_id = file_hash;
    d_.mappings.push_back(mapping);
  }

  void ReadLocation(Span message) {
    OtlpDictionary::Location location;
    location.first_line = static_cast<uint32_t>(d_.lines.size());
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number == 1) {
        Expect(field, Wire::kVarint, "Location");
        // Not there at all is as good as row 0.
        location.mapping = field.value == 0 ? 0 : Row(field.value, d_.mappings.size(), "mapping");
      } else if (field.number == 2) {
        Expect(field, Wire::kVarint, "Location");
        location.address = field.value;
      } else if (field.number == 3) {
        Expect(field, Wire::kBytes, "Location");
        ReadLine(field.bytes);
      } else if (field.number == 4) {
        ExpectNumbers(field, "Location");
        EachNumber(field, [&](uint64_t index) {
          const auto& [key, text] = d_.attributes[d_.AttributeRow(index)];
          if (key == "profile.frame.type") location.is_kernel = text == "kernel";
        });
      }
    }
    location.end_line = static_cast<uint32_t>(d_.lines.size());
    d_.locations.push_back(location);
  }

  void ReadLine(Span message) {
    Check("lines", d_.lines.size() + 1, limits_.AllLines());
    OtlpDictionary::Line line;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number > 3) continue;
      Expect(field, Wire::kVarint, "Line");
      if (field.number == 1)
        line.function = field.value == 0 ? 0 : Row(field.value, d_.functions.size(), "function");
      if (field.number == 2) line.line = static_cast<int64_t>(field.value);
      if (field.number == 3) line.column = static_cast<int64_t>(field.value);
    }
    d_.lines.push_back(line);
  }

  void ReadLink(Span message) {
    OtlpDictionary::Link link;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number > 2) continue;
      Expect(field, Wire::kBytes, "Link");
      const uint64_t size = field.number == 1 ? kTraceBytes : kSpanBytes;
      if (IsZero(field.bytes)) continue;
      if (field.bytes.size() != size)
        Invalid(std::string(field.number == 1 ? "a trace" : "a span") + " id is not " + std::to_string(size) +
                " bytes");
      (field.number == 1 ? link.trace : link.span) = field.bytes;
    }
    d_.links.push_back(link);
  }

  void ReadStack(Span message) {
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number != 1) continue;
      ExpectNumbers(field, "Stack");
      EachNumber(field, [&](uint64_t index) {
        Check("frames", d_.stack_locations.size() + 1, limits_.AllFrames());
        d_.stack_locations.push_back(Row(index, d_.locations.size(), "location"));
      });
    }
    d_.stack_offset.push_back(static_cast<uint32_t>(d_.stack_locations.size()));
  }

  OtlpDictionary& d_;
  const std::vector<Span>& messages_;
  const Limits& limits_;
};

}  // namespace

void Expect(const Field& field, Wire wire, const char* message) {
  if (field.wire != wire)
    Invalid(
        "field " + std::to_string(field.number) + " of " + message +
        " is not of the type that it has in opentelemetry-proto 1.10 and later: the sender speaks another "
        "version of the protocol");
}

void ExpectNumbers(const Field& field, const char* message) {
  if (field.wire != Wire::kVarint) Expect(field, Wire::kBytes, message);
}

uint32_t OtlpDictionary::String(uint64_t index) const { return Row(index, strings.size(), "string"); }

uint32_t OtlpDictionary::AttributeRow(uint64_t index) const {
  return Row(index, attributes.size(), "attribute");
}

std::string_view OtlpDictionary::Text(Span text, const Limits& limits) {
  Check("bytes of a string", text.size(), limits.max_string_bytes);
  return IsUtf8(text.text()) ? text.text() : owned.emplace_back(RepairUtf8(text.text()));
}

std::string_view OtlpDictionary::Value(Span any_value, const Limits& limits) {
  std::string_view text;
  // Written as a number only at the end: what is written stays in memory, and the last of several counts.
  Field number{};
  Reader reader(any_value);
  for (Field field; reader.Next(field);) {
    if (field.number == 0 || field.number > 8) continue;
    const bool is_number = field.number == 2 || field.number == 3 || field.number == 8;
    Expect(field, field.number == 4 ? Wire::kFixed64 : is_number ? Wire::kVarint : Wire::kBytes, "AnyValue");
    text = {};
    number = {};
    if (field.number == 1) text = Text(field.bytes, limits);
    if (field.number == 8) text = strings[String(field.value)];
    if (field.number == 2 || field.number == 3 || field.number == 4) number = field;
  }
  if (number.number == 2) return number.value != 0 ? "true" : "false";
  if (number.number == 3) return owned.emplace_back(std::to_string(static_cast<int64_t>(number.value)));
  if (number.number == 4) {
    double value;
    std::memcpy(&value, number.bytes.begin, sizeof value);
    char digits[32];
    return owned.emplace_back(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  return text;
}

OtlpDictionary::Attribute OtlpDictionary::KeyValue(Span message, const Limits& limits) {
  Attribute attribute;
  Reader reader(message);
  for (Field field; reader.Next(field);) {
    if (field.number > 3) continue;
    Expect(field, field.number == 3 ? Wire::kVarint : Wire::kBytes, "KeyValue");
    if (field.number == 1) attribute.key = Text(field.bytes, limits);
    if (field.number == 2) attribute.text = Value(field.bytes, limits);
    // 0 is the default, which some write.
    if (field.number == 3 && field.value != 0) attribute.key = strings[String(field.value)];
  }
  return attribute;
}

OtlpDictionary ReadDictionary(const std::vector<Span>& messages, const Limits& limits) {
  OtlpDictionary dictionary;
  DictionaryReader(dictionary, messages, limits).Run();
  return dictionary;
}

}  // namespace stackwell
