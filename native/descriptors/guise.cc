// SPDX-License-Identifier: Apache-2.0
// What is done with the effective ids of another user, on the thread pool: a file and a connection that a
// process takes for its own. In a user namespace root of this one is nobody, and cannot even make a file.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "errors.h"
#include "functions.h"

namespace {

/// Other effective ids, of this thread only (glibc's functions change them in all), until the end of the
/// scope. Without the right to have them it stays as it is.
class Guise {
 public:
  Guise(uid_t user, gid_t group)
      : user_(geteuid()), group_(getegid()), dumpable_(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)) {
    // The group first: another user may not change it.
    Change(SYS_setresgid, group);
    Change(SYS_setresuid, user);
  }
  Guise(const Guise&) = delete;
  Guise& operator=(const Guise&) = delete;
  ~Guise() {
    // The real and saved ids are still the old ones, so this cannot fail; if it did, nothing after it would
    // be right.
    if (!Change(SYS_setresuid, user_) || !Change(SYS_setresgid, group_)) abort();
    // The kernel takes it away from whoever changes these ids.
    if (dumpable_ == 1) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  }

 private:
  static bool Change(long call, uint32_t id) { return syscall(call, -1, id, -1) == 0; }

  uid_t user_;
  gid_t group_;
  int dumpable_;
};

/// Gives the promise a descriptor or a negative errno.
class GuiseWorker : public Napi::AsyncWorker {
 public:
  GuiseWorker(Napi::Env env, int place, std::string name, uid_t user, gid_t group)
      : AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        place_(place),
        name_(std::move(name)),
        user_(user),
        group_(group) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

  void Execute() override {
    const Guise guise(user_, group_);
    result_ = name_.empty() ? Connect() : Create();
  }

  void OnOK() override {
    // From here on the caller's.
    deferred_.Resolve(Napi::Number::New(Env(), std::exchange(result_, -EIO)));
  }

  ~GuiseWorker() override {
    // The environment ended before the caller could take it.
    if (result_ >= 0) close(result_);
  }

 private:
  int Create() const {
    const int file = openat(place_, name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                            S_IRUSR | S_IWUSR);
    return file < 0 ? -errno : file;
  }

  int Connect() const {
    // Not blocking: a full queue is an error, not a wait.
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", place_);
    if (socket.get() < 0 ||
        connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
      return -errno;
    return socket.release();
  }

  Napi::Promise::Deferred deferred_;
  int place_;
  std::string name_;  // of a new file; empty to connect
  uid_t user_;
  gid_t group_;
  int result_ = -EIO;
};

Napi::Value Start(Napi::Env env, int place, std::string name, uid_t user, gid_t group) {
  auto* worker = new GuiseWorker(env, place, std::move(name), user, group);  // Deletes itself when done.
  worker->Queue();
  return worker->Promise();
}

}  // namespace

Napi::Value ConnectAs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 3 || !info[0].IsNumber() || !info[1].IsNumber() || !info[2].IsNumber())
    throw Napi::TypeError::New(env, "connectAs(place, user, group) takes three numbers");
  return Start(env, info[0].As<Napi::Number>().Int32Value(), "", info[1].As<Napi::Number>().Uint32Value(),
               info[2].As<Napi::Number>().Uint32Value());
}

Napi::Value CreateAs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 4 || !info[0].IsNumber() || !info[1].IsString() || !info[2].IsNumber() ||
      !info[3].IsNumber())
    throw Napi::TypeError::New(env, "createAs(folder, name, user, group) takes a name among numbers");
  const std::string name = info[1].As<Napi::String>();
  if (name.empty() || name.find_first_of(std::string("/\0", 2)) != std::string::npos)
    throw Napi::TypeError::New(env, "createAs needs a plain name");
  return Start(env, info[0].As<Napi::Number>().Int32Value(), name, info[2].As<Napi::Number>().Uint32Value(),
               info[3].As<Napi::Number>().Uint32Value());
}
