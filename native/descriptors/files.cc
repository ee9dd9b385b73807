// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "errors.h"
#include "functions.h"

namespace {

/// For reading, or only as a place to go on from: a folder, a socket.
enum class Purpose { kRead, kPlace };

/// Opens on the thread pool, gives the promise an `Opened`, a `Place` or a negative errno.
class OpenWorker : public Napi::AsyncWorker {
 public:
  /// Without `root`, `path` is opened as it is.
  OpenWorker(Napi::Env env, std::string root, std::string path, Purpose purpose)
      : AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        root_(std::move(root)),
        path_(std::move(path)),
        purpose_(purpose) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

  void Execute() override {
    // First a descriptor that stands for the place and opens nothing: opening a device or a pipe would do
    // something.
    Descriptor place(root_.empty() ? open(path_.c_str(), O_PATH | O_CLOEXEC) : Resolve());
    if (place.get() < 0 || fstat(place.get(), &stat_) < 0) return Fail(errno);
    if (purpose_ == Purpose::kPlace) {
      result_ = place.release();
      return;
    }
    if (!S_ISREG(stat_.st_mode)) return Fail(EACCES);
    char reopen[32];
    snprintf(reopen, sizeof reopen, "/proc/self/fd/%d", place.get());
    result_ = open(reopen, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (result_ < 0) Fail(errno);
  }

  void OnOK() override {
    const Napi::Env env = Env();
    if (result_ < 0) return deferred_.Resolve(Napi::Number::New(env, result_));
    Napi::Object opened = Napi::Object::New(env);
    opened.Set("descriptor", Napi::Number::New(env, result_));
    opened.Set("uid", Napi::Number::New(env, stat_.st_uid));
    if (purpose_ == Purpose::kPlace) {
      opened.Set("isFolder", Napi::Boolean::New(env, S_ISDIR(stat_.st_mode)));
      opened.Set("isSocket", Napi::Boolean::New(env, S_ISSOCK(stat_.st_mode)));
      result_ = -1;  // From here on the caller's.
      return deferred_.Resolve(opened);
    }
    opened.Set("size", Napi::Number::New(env, static_cast<double>(stat_.st_size)));
    opened.Set("device", Napi::BigInt::New(env, static_cast<uint64_t>(stat_.st_dev)));
    opened.Set("inode", Napi::BigInt::New(env, static_cast<uint64_t>(stat_.st_ino)));
    opened.Set("modifiedNs",
               Napi::BigInt::New(env, static_cast<int64_t>(stat_.st_mtim.tv_sec) * 1'000'000'000 +
                                          static_cast<int64_t>(stat_.st_mtim.tv_nsec)));
    result_ = -1;
    deferred_.Resolve(opened);
  }

  ~OpenWorker() override {
    // The environment ended before the caller could take it.
    if (result_ >= 0) close(result_);
  }

 private:
  int Resolve() const {
    // `root` may be a magic link (/proc/PID/root), which is why it is opened by itself.
    const Descriptor root(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (root.get() < 0) return -1;
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    int opened;
    int tries = 0;
    // EAGAIN: something was renamed meanwhile, and the kernel could not tell that the path stays inside.
    do {
      opened = static_cast<int>(syscall(SYS_openat2, root.get(), path_.c_str(), &how, sizeof how));
    } while (opened < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 8)));
    return opened;
  }

  void Fail(int number) { result_ = -number; }

  Napi::Promise::Deferred deferred_;
  std::string root_;
  std::string path_;
  Purpose purpose_;
  struct stat stat_{};
  int result_ = -EIO;
};

Napi::Value Open(Napi::Env env, std::string root, std::string path, Purpose purpose) {
  auto* worker = new OpenWorker(env, std::move(root), std::move(path), purpose);  // Deletes itself when done.
  worker->Queue();
  return worker->Promise();
}

Napi::Value InRoot(const Napi::CallbackInfo& info, Purpose purpose) {
  const Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsString() || !info[1].IsString())
    throw Napi::TypeError::New(env, "root and path are two strings");
  std::string root = info[0].As<Napi::String>();
  std::string path = info[1].As<Napi::String>();
  // A path with a NUL inside would be opened up to it.
  if (root.empty() || path.empty() || path.find('\0') != std::string::npos ||
      root.find('\0') != std::string::npos) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Resolve(Napi::Number::New(env, -EINVAL));
    return deferred.Promise();
  }
  return Open(env, std::move(root), std::move(path), purpose);
}

}  // namespace

Napi::Value OpenInRoot(const Napi::CallbackInfo& info) { return InRoot(info, Purpose::kRead); }

Napi::Value PlaceInRoot(const Napi::CallbackInfo& info) { return InRoot(info, Purpose::kPlace); }

Napi::Value OpenMapped(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 3 || !info[0].IsNumber() || !info[1].IsBigInt() || !info[2].IsBigInt())
    throw Napi::TypeError::New(env, "openMapped(pid, start, end) takes a number and two bigints");
  bool lossless = false;
  const uint32_t pid = info[0].As<Napi::Number>().Uint32Value();
  const uint64_t start = info[1].As<Napi::BigInt>().Uint64Value(&lossless);
  const uint64_t end = info[2].As<Napi::BigInt>().Uint64Value(&lossless);
  char path[96];
  snprintf(path, sizeof path, "/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, pid, start, end);
  return Open(env, "", path, Purpose::kRead);
}

Napi::Value MemoryFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 2 || !info[0].IsString() || !info[1].IsTypedArray())
    throw Napi::TypeError::New(env, "memoryFile(name, content) takes a string and bytes");
  const std::string name = info[0].As<Napi::String>();
  const auto array = info[1].As<Napi::TypedArray>();
  const auto* bytes = static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  Descriptor file(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.get() < 0) throw SystemError(env, "memfd_create", errno);
  for (size_t done = 0; done < array.ByteLength();) {
    const ssize_t written = write(file.get(), bytes + done, array.ByteLength() - done);
    if (written < 0 && errno != EINTR) throw SystemError(env, "write", errno);
    if (written > 0) done += static_cast<size_t>(written);
  }
  // Whoever gets it can read it and nothing else.
  fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return Napi::Number::New(env, file.release());
}
