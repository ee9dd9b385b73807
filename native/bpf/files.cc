// SPDX-License-Identifier: Apache-2.0
#include "files.h"

namespace stackwell {

uint8_t File::space() const {
  if (path == "[vdso]" || path == "[vsyscall]") return 4;
  // PERF_RECORD_MMAP2 writes "//anon" where /proc/PID/maps writes nothing; [heap], [stack] and [anon:…] are
  // memory too.
  if (path.empty() || path == "//anon" || path[0] == '[') return 2;
  return 1;
}

std::string Files::key(const File& file) {
  std::string key = file.path;
  key.push_back('\0');
  if (!file.buildId.empty()) return key + file.buildId;
  key.append(reinterpret_cast<const char*>(&file.device), sizeof file.device);
  key.append(reinterpret_cast<const char*>(&file.inode), sizeof file.inode);
  return key;
}

uint32_t Files::intern(File file) {
  auto [found, fresh] = ids_.try_emplace(key(file), static_cast<uint32_t>(files_.size()));
  if (fresh) {
    bytes_ += sizeof(File) + 3 * found->first.size() + 64;  // path twice, hash node
    files_.push_back(std::move(file));
  }
  return found->second;
}

std::vector<uint32_t> Files::compact(const std::vector<bool>& used) {
  std::vector<uint32_t> renamed(files_.size(), kNone);
  std::vector<File> before;
  before.swap(files_);
  ids_.clear();
  bytes_ = 0;
  for (size_t id = 0; id < before.size(); id++)
    if (used[id]) renamed[id] = intern(std::move(before[id]));
  return renamed;
}

}  // namespace stackwell
