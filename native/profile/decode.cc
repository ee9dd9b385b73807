// SPDX-License-Identifier: Apache-2.0
// profile.proto of github.com/google/pprof, field by field. The message is walked three times, so that every
// reference can be resolved as it is read: counts and strings; functions and mappings; locations; samples.
#include <algorithm>

#include "hash.h"
#include "inflate.h"
#include "profile.h"
#include "utf8.h"

namespace stackwell {
namespace {

enum ProfileField : uint32_t {
  kSampleType = 1,
  kSample = 2,
  kMapping = 3,
  kLocation = 4,
  kFunction = 5,
  kString = 6,
  kDropFrames = 7,
  kKeepFrames = 8,
  kTimeNanos = 9,
  kDurationNanos = 10,
  kPeriodType = 11,
  kPeriod = 12,
  kComment = 13,
  kDefaultSampleType = 14,
  kDocUrl = 15,
};

class Decoder {
 public:
  Decoder(Profile& profile, const Limits& limits)
      : profile_(profile), limits_(limits), message_{profile.message.data(), nullptr} {
    message_.end = message_.begin + profile.message.size();
  }

  void Run() {
    if (message_.size() == 0) Invalid("it is empty");
    ReadStrings();
    EachMessage(kFunction, [this](Span m) { ReadFunction(m); });
    EachMessage(kMapping, [this](Span m) { ReadMapping(m); });
    ReadScalars();
    EachMessage(kLocation, [this](Span m) { ReadLocation(m); });
    EachMessage(kSample, [this](Span m) { ReadSample(m); });
  }

 private:
  template <typename Each>
  void EachMessage(uint32_t number, Each each) {
    Reader reader(message_);
    for (Field field; reader.Next(field);)
      if (field.number == number && field.wire == Wire::kBytes) each(field.bytes);
  }

  // Also counts the rest, so that columns are allocated once and limits hold before they are.
  void ReadStrings() {
    uint64_t counts[16] = {};
    Reader counter(message_);
    for (Field field; counter.Next(field);)
      if (field.wire == Wire::kBytes && field.number < 16) counts[field.number]++;
    Check("strings", counts[kString], limits_.max_strings);
    Check("sample types", counts[kSampleType], kMostSampleTypes);
    Check("samples", counts[kSample], limits_.max_samples);
    Check("locations", counts[kLocation], limits_.max_locations);
    Check("functions", counts[kFunction], limits_.max_locations);
    Check("mappings", counts[kMapping], limits_.max_locations);
    Check("values", counts[kSample] * counts[kSampleType], limits_.AllValues());
    profile_.strings.reserve(counts[kString]);
    profile_.samples.location_offset.reserve(counts[kSample] + 1);
    profile_.samples.label_offset.reserve(counts[kSample] + 1);
    profile_.samples.values.reserve(counts[kSample] * counts[kSampleType]);
    profile_.locations.mapping.reserve(counts[kLocation]);
    profile_.locations.address.reserve(counts[kLocation]);
    profile_.locations.is_folded.reserve(counts[kLocation]);
    profile_.locations.line_offset.reserve(counts[kLocation] + 1);
    profile_.location_ids.Reserve(counts[kLocation]);
    EachMessage(kString, [this](Span text) {
      Check("bytes of a string", text.size(), limits_.max_string_bytes);
      profile_.strings.push_back(
          IsUtf8(text.text()) ? text.text() : profile_.owned_text.emplace_back(RepairUtf8(text.text())));
    });
    if (profile_.strings.empty()) Invalid("it has no string table");
    if (!profile_.strings[0].empty()) Invalid("the first string is not ''");
  }

  uint32_t String(uint64_t index) const {
    if (index >= profile_.strings.size())
      Invalid("there is no string " + std::to_string(static_cast<int64_t>(index)));
    return static_cast<uint32_t>(index);
  }

  // Where a field occurs more than once, the last one counts, and messages are merged: so says protobuf.
  void ReadScalars() {
    Reader reader(message_);
    for (Field field; reader.Next(field);) {
      if (field.number == kComment) {
        EachNumber(field, [this](uint64_t value) {
          Check("comments", profile_.comments.size() + 1, limits_.max_strings);
          profile_.comments.push_back(String(value));
        });
      } else if (field.wire == Wire::kBytes) {
        if (field.number == kSampleType) ReadValueType(field.bytes, profile_.sample_types.emplace_back());
        if (field.number == kPeriodType) {
          if (!profile_.period_type) profile_.period_type.emplace();
          ReadValueType(field.bytes, *profile_.period_type);
        }
      } else if (field.wire == Wire::kVarint) {
        switch (field.number) {
          case kDropFrames:
            profile_.drop_frames = String(field.value);
            break;
          case kKeepFrames:
            profile_.keep_frames = String(field.value);
            break;
          case kTimeNanos:
            profile_.time_nanos = static_cast<int64_t>(field.value);
            break;
          case kDurationNanos:
            profile_.duration_nanos = static_cast<int64_t>(field.value);
            break;
          case kPeriod:
            profile_.period = static_cast<int64_t>(field.value);
            break;
          case kDefaultSampleType:
            profile_.default_sample_type = String(field.value);
            break;
          case kDocUrl:
            profile_.doc_url = String(field.value);
            break;
        }
      }
    }
  }

  void ReadValueType(Span message, Profile::ValueType& type) {
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.wire != Wire::kVarint) continue;
      if (field.number == 1) type.type = String(field.value);
      if (field.number == 2) type.unit = String(field.value);
    }
  }

  void ReadFunction(Span message) {
    uint64_t id = 0;
    uint32_t name = 0, system_name = 0, filename = 0;
    int64_t start_line = 0;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.wire != Wire::kVarint) continue;
      switch (field.number) {
        case 1:
          id = field.value;
          break;
        case 2:
          name = String(field.value);
          break;
        case 3:
          system_name = String(field.value);
          break;
        case 4:
          filename = String(field.value);
          break;
        case 5:
          start_line = static_cast<int64_t>(field.value);
          break;
      }
    }
    function_ids_.Add(id, "function");
    profile_.functions.name.push_back(name);
    profile_.functions.system_name.push_back(system_name);
    profile_.functions.filename.push_back(filename);
    profile_.functions.start_line.push_back(start_line);
  }

  void ReadMapping(Span message) {
    uint64_t id = 0, start = 0, limit = 0, offset = 0;
    uint32_t filename = 0, build_id = 0;
    uint8_t flags = 0;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.wire != Wire::kVarint) continue;
      switch (field.number) {
        case 1:
          id = field.value;
          break;
        case 2:
          start = field.value;
          break;
        case 3:
          limit = field.value;
          break;
        case 4:
          offset = field.value;
          break;
        case 5:
          filename = String(field.value);
          break;
        case 6:
          build_id = String(field.value);
          break;
        case 7:
        case 8:
        case 9:
        case 10: {
          const auto bit = static_cast<uint8_t>(1 << (field.number - 7));
          flags = static_cast<uint8_t>(field.value != 0 ? flags | bit : flags & ~bit);
          break;
        }
      }
    }
    mapping_ids_.Add(id, "mapping");
    profile_.mappings.start.push_back(start);
    profile_.mappings.limit.push_back(limit);
    profile_.mappings.offset.push_back(offset);
    profile_.mappings.filename.push_back(filename);
    profile_.mappings.build_id.push_back(build_id);
    profile_.mappings.flags.push_back(flags);
  }

  // 0 stands for none.
  static int32_t Resolve(const IdMap& ids, uint64_t id, const char* kind) {
    if (id == 0) return -1;
    const int64_t row = ids.Find(id);
    if (row < 0) Invalid("there is no " + std::string(kind) + " " + std::to_string(id));
    return static_cast<int32_t>(row);
  }

  void ReadLocation(Span message) {
    uint64_t id = 0, mapping = 0, address = 0;
    bool is_folded = false;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number == 4 && field.wire == Wire::kBytes) {
        ReadLine(field.bytes);
      } else if (field.wire == Wire::kVarint) {
        switch (field.number) {
          case 1:
            id = field.value;
            break;
          case 2:
            mapping = field.value;
            break;
          case 3:
            address = field.value;
            break;
          case 5:
            is_folded = field.value != 0;
            break;
        }
      }
    }
    profile_.location_ids.Add(id, "location");
    profile_.locations.mapping.push_back(Resolve(mapping_ids_, mapping, "mapping"));
    profile_.locations.address.push_back(address);
    profile_.locations.is_folded.push_back(is_folded);
    profile_.locations.line_offset.push_back(static_cast<uint32_t>(profile_.lines.size()));
  }

  void ReadLine(Span message) {
    Check("lines", profile_.lines.size() + 1, limits_.AllLines());
    uint64_t function = 0;
    int64_t line = 0, column = 0;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.wire != Wire::kVarint) continue;
      if (field.number == 1) function = field.value;
      if (field.number == 2) line = static_cast<int64_t>(field.value);
      if (field.number == 3) column = static_cast<int64_t>(field.value);
    }
    profile_.lines.function.push_back(Resolve(function_ids_, function, "function"));
    profile_.lines.line.push_back(line);
    profile_.lines.column.push_back(column);
  }

  void ReadSample(Span message) {
    Profile::Samples& samples = profile_.samples;
    const size_t first_value = samples.values.size();
    const size_t types = profile_.sample_types.size();
    uint64_t labels = 0;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.number == 1) {
        EachNumber(field, [&](uint64_t id) {
          const int64_t row = profile_.location_ids.Find(id);
          if (row < 0) Invalid("there is no location " + std::to_string(id));
          Check("frames", samples.location.size() + 1, limits_.AllFrames());
          samples.location.push_back(static_cast<uint32_t>(row));
        });
      } else if (field.number == 2) {
        EachNumber(field, [&](uint64_t value) {
          if (samples.values.size() - first_value == types)
            Invalid("a sample has more values than there are types");
          samples.values.push_back(static_cast<int64_t>(value));
        });
      } else if (field.number == 3 && field.wire == Wire::kBytes) {
        Check("labels of a sample", ++labels, limits_.max_labels);
        ReadLabel(field.bytes);
      }
    }
    if (samples.values.size() - first_value != types)
      Invalid("a sample has fewer values than there are types");
    samples.location_offset.push_back(static_cast<uint32_t>(samples.location.size()));
    samples.label_offset.push_back(static_cast<uint32_t>(profile_.labels.size()));
  }

  void ReadLabel(Span message) {
    Check("labels", profile_.labels.size() + 1, limits_.AllLabels());
    uint32_t key = 0, str = 0, num_unit = 0;
    int64_t num = 0;
    Reader reader(message);
    for (Field field; reader.Next(field);) {
      if (field.wire != Wire::kVarint) continue;
      if (field.number == 1) key = String(field.value);
      if (field.number == 2) str = String(field.value);
      if (field.number == 3) num = static_cast<int64_t>(field.value);
      if (field.number == 4) num_unit = String(field.value);
    }
    profile_.labels.key.push_back(key);
    profile_.labels.str.push_back(str);
    profile_.labels.num.push_back(num);
    profile_.labels.num_unit.push_back(num_unit);
  }

  Profile& profile_;
  const Limits& limits_;
  Span message_;
  IdMap function_ids_;
  IdMap mapping_ids_;
};

}  // namespace

int64_t IdMap::Find(uint64_t id) const {
  if (id - 1 < ids_.size() && ids_[id - 1] == id) return static_cast<int64_t>(id - 1);
  if (counted_) return -1;
  if (id < rows_.size()) return int64_t{rows_[id]} - 1;
  const uint32_t row = table_.Find(Mix(id, ProcessSeed()), [&](uint32_t row) { return ids_[row] == id; });
  return row == IndexTable::kNone ? int64_t{-1} : int64_t{row};
}

void IdMap::Add(uint64_t id, const char* kind) {
  if (id == 0) Invalid("a " + std::string(kind) + " has the id 0");
  if (counted_ && id != ids_.size() + 1) {
    counted_ = false;
    for (uint32_t row = 0; row < ids_.size(); row++) Place(ids_[row], row);
  }
  if (!counted_) {
    if (Find(id) >= 0) Invalid("two " + std::string(kind) + "s have the id " + std::to_string(id));
    Place(id, size());
  }
  ids_.push_back(id);
}

// What ids ask for in memory is bounded by how many there are.
void IdMap::Place(uint64_t id, uint32_t row) {
  const uint64_t small = 8 * (uint64_t{row} + 128);
  if (id >= rows_.size() && id < small && table_.size() == 0) rows_.resize(small);
  if (id < rows_.size())
    rows_[id] = row + 1;
  else
    table_.Insert(Mix(id, ProcessSeed()), row);
}

Profile Decode(Span data, const Limits& limits) {
  Profile profile;
  profile.message = Inflate(data, limits.max_bytes);
  Decoder(profile, limits).Run();
  return profile;
}

}  // namespace stackwell
