// SPDX-License-Identifier: Apache-2.0
// Distinct mapped files: by build id and path where the kernel tells the build id, else by device, inode and
// path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace stackwell {

struct File {
  std::string path;
  std::string buildId;  // hex, '' where unknown
  uint64_t device = 0;  // as in st_dev
  uint64_t inode = 0;

  /** 1 file, 2 anonymous executable memory, 4 vdso or vsyscall: as in Drained.locations.space. */
  uint8_t space() const;
};

class Files {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t intern(File file);
  const File& operator[](uint32_t id) const { return files_[id]; }
  size_t size() const { return files_.size(); }
  uint64_t bytes() const { return bytes_; }

  /** Forgets files that are not marked (one flag an id) and gives each old id's new one. */
  std::vector<uint32_t> compact(const std::vector<bool>& used);

 private:
  static std::string key(const File& file);

  std::vector<File> files_;
  std::unordered_map<std::string, uint32_t> ids_;
  uint64_t bytes_ = 0;
};

}  // namespace stackwell
