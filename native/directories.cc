// Files by names beneath a directory descriptor.

#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "addon.h"
#include "directory_calls.h"
#include "environment.h"
#include "file_call.h"
#include "held_descriptors.h"

namespace {

// A descriptor that is closed unless JavaScript gets it, and then as soon as the
// environment goes.
class OwnedFd {
 public:
  explicit OwnedFd(std::shared_ptr<HeldDescriptors> held = nullptr) : held_(std::move(held)) {}
  explicit OwnedFd(const Arguments& arguments)
      : OwnedFd(Environment::Of(arguments.Env()).held_descriptors) {}
  OwnedFd(OwnedFd&& other) noexcept
      : held_(std::move(other.held_)), fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd(const OwnedFd&) = delete;
  ~OwnedFd() { Close(); }

  void Set(int fd) { fd_ = fd; }
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) directory_calls::Close(std::exchange(fd_, -1));
  }
  Napi::Value Release(Napi::Env env) {
    const int fd = std::exchange(fd_, -1);
    held_->Keep(fd);
    return Napi::Number::New(env, fd);
  }

 private:
  std::shared_ptr<HeldDescriptors> held_;
  int fd_ = -1;
};

// Begins with opening a file.
class OpeningCall : public FileCall {
 public:
  explicit OpeningCall(Arguments& arguments)
      : directory_(arguments.Int32(0)),
        flags_(arguments.Int32(2)),
        mode_(arguments.Uint32(3)),
        fd_(arguments) {
    path_ = arguments.Path(1);
    syscall_ = "open";
  }

 protected:
  void Open() {
    fd_.Set(Try([&] {
      return directory_calls::OpenAt(directory_, path_.c_str(), flags_, static_cast<mode_t>(mode_));
    }));
    after_open_ = error == 0;
  }

 private:
  int directory_;
  int flags_;
  uint32_t mode_;

 protected:
  OwnedFd fd_;
};

class OpenAt : public OpeningCall {
 public:
  using OpeningCall::OpeningCall;

  void Run() { Open(); }
  Napi::Value Value(Napi::Env env) { return fd_.Release(env); }
};

// Opens a file, reads all of it and closes it. What is no regular file, or
// larger than `limit`, is left open and given as a descriptor: reading that may
// take long, and whoever reads it piece by piece can stop.
class ReadFileAt : public OpeningCall {
 public:
  explicit ReadFileAt(Arguments& arguments) : OpeningCall(arguments), limit_(arguments.Uint32(4)) {}

  void Run() {
    Open();
    if (error != 0) return;
    syscall_ = "fstat";
    directory_calls::FileStatus status;
    Try([&] { return directory_calls::StatusOf(fd_.get(), &status); });
    if (error == 0 && S_ISDIR(status.mode)) {
      // As read(2) would say.
      syscall_ = "read";
      error = EISDIR;
    }
    // A size of 0 is also what files have that are made as they are read.
    if (error != 0 || !S_ISREG(status.mode) || status.size > limit_ || status.size == 0) return;
    syscall_ = "read";
    bytes_.reset(new (std::nothrow) char[status.size]);
    if (bytes_ == nullptr) {
      error = ENOMEM;
      return;
    }
    while (size_ < status.size) {
      const ssize_t length = Try([&] {
        return directory_calls::Read(fd_.get(), bytes_.get() + size_, status.size - size_);
      });
      if (error != 0) return;
      // Cut short meanwhile.
      if (length == 0) break;
      size_ += static_cast<size_t>(length);
    }
    fd_.Close();
  }

  Napi::Value Value(Napi::Env env) {
    if (fd_.get() >= 0) return fd_.Release(env);
    // Of a small one a copy is made faster than an owner.
    if (size_ <= kWorthOwning) return Napi::Buffer<char>::Copy(env, bytes_.get(), size_);
    auto buffer = Napi::Buffer<char>::NewOrCopy(env, bytes_.get(), size_,
                                                [](Napi::Env, char* bytes) { delete[] bytes; });
    // It is the buffer's now, where there is one.
    if (!buffer.IsEmpty()) (void)bytes_.release();
    return buffer;
  }

 private:
  static constexpr size_t kWorthOwning = size_t{64} * 1024;

  uint32_t limit_;
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
};

// Opens a file, writes all of the bytes, and closes it. They are copied, since
// JavaScript may change or detach them meanwhile: for small pieces.
class WriteFileAt : public OpeningCall {
 public:
  explicit WriteFileAt(Arguments& arguments)
      : OpeningCall(arguments), flush_(arguments.Uint32(5) != 0) {
    bytes_ = arguments.Bytes(4);
  }

  void Run() {
    Open();
    if (error == 0) Write();
    fd_.Close();
  }
  Napi::Value Value(Napi::Env env) { return env.Undefined(); }

 private:
  void Write() {
    syscall_ = "write";
    for (size_t written = 0; written < bytes_.size();) {
      const ssize_t length = Try([&] {
        return directory_calls::Write(fd_.get(), bytes_.data() + written, bytes_.size() - written);
      });
      if (error != 0) return;
      written += static_cast<size_t>(length);
    }
    if (!flush_) return;
    syscall_ = "fsync";
    Try([&] { return directory_calls::Sync(fd_.get()); });
  }

  bool flush_;
  std::vector<char> bytes_;
};

class StatAt : public FileCall {
 public:
  explicit StatAt(Arguments& arguments)
      : directory_(arguments.Int32(0)), follow_(arguments.Uint32(2) != 0) {
    path_ = arguments.Path(1);
    syscall_ = follow_ ? "stat" : "lstat";
  }

  void Run() {
    Try([&] { return directory_calls::StatAt(directory_, path_.c_str(), follow_, &status_); });
  }
  Napi::Value Value(Napi::Env env) {
    const uint64_t fields[] = {
        status_.device,         status_.mode,       status_.links, status_.user, status_.group,
        status_.special_device, status_.block_size, status_.inode, status_.size, status_.blocks};
    const timespec* times[] = {&status_.accessed, &status_.modified, &status_.changed,
                               &status_.born};
    Napi::BigInt64Array result = Napi::BigInt64Array::New(env, 18);
    if (result.IsEmpty()) return {};
    size_t index = 0;
    for (const uint64_t field : fields) result[index++] = static_cast<int64_t>(field);
    for (const timespec* time : times) {
      result[index++] = time->tv_sec;
      result[index++] = time->tv_nsec;
    }
    return result;
  }

 private:
  int directory_;
  bool follow_;
  directory_calls::FileStatus status_;
};

class NoValueCall : public FileCall {
 public:
  Napi::Value Value(Napi::Env env) { return env.Undefined(); }
};

class AccessAt : public NoValueCall {
 public:
  explicit AccessAt(Arguments& arguments)
      : directory_(arguments.Int32(0)), mode_(arguments.Int32(2)) {
    path_ = arguments.Path(1);
    syscall_ = "access";
  }
  void Run() {
    Try([&] { return directory_calls::AccessAt(directory_, path_.c_str(), mode_); });
  }

 private:
  int directory_;
  int mode_;
};

class MakeDirectoryAt : public NoValueCall {
 public:
  explicit MakeDirectoryAt(Arguments& arguments)
      : directory_(arguments.Int32(0)), mode_(arguments.Uint32(2)) {
    path_ = arguments.Path(1);
    syscall_ = "mkdir";
  }
  void Run() {
    Try([&] {
      return directory_calls::MakeDirectoryAt(directory_, path_.c_str(),
                                              static_cast<mode_t>(mode_));
    });
  }

 private:
  int directory_;
  uint32_t mode_;
};

class UnlinkAt : public NoValueCall {
 public:
  explicit UnlinkAt(Arguments& arguments)
      : directory_(arguments.Int32(0)), remove_directory_(arguments.Uint32(2) != 0) {
    path_ = arguments.Path(1);
    syscall_ = remove_directory_ ? "rmdir" : "unlink";
  }
  void Run() {
    Try([&] { return directory_calls::UnlinkAt(directory_, path_.c_str(), remove_directory_); });
  }

 private:
  int directory_;
  bool remove_directory_;
};

// Both names of a call that has two.
class TwoNamesCall : public NoValueCall {
 public:
  explicit TwoNamesCall(Arguments& arguments) : from_(arguments.Int32(0)), to_(arguments.Int32(2)) {
    path_ = arguments.Path(1);
    dest_ = arguments.Path(3);
  }

 protected:
  int from_;
  int to_;
};

class RenameAt : public TwoNamesCall {
 public:
  explicit RenameAt(Arguments& arguments) : TwoNamesCall(arguments) { syscall_ = "rename"; }
  void Run() {
    Try([&] { return directory_calls::RenameAt(from_, path_.c_str(), to_, dest_.c_str()); });
  }
};

class LinkAt : public TwoNamesCall {
 public:
  explicit LinkAt(Arguments& arguments) : TwoNamesCall(arguments) { syscall_ = "link"; }
  void Run() {
    Try([&] { return directory_calls::LinkAt(from_, path_.c_str(), to_, dest_.c_str()); });
  }
};

class SymlinkAt : public NoValueCall {
 public:
  explicit SymlinkAt(Arguments& arguments) : directory_(arguments.Int32(1)) {
    path_ = arguments.Path(0);
    dest_ = arguments.Path(2);
    syscall_ = "symlink";
  }
  void Run() {
    Try([&] { return directory_calls::SymlinkAt(path_.c_str(), directory_, dest_.c_str()); });
  }

 private:
  int directory_;
};

class ReadLinkAt : public FileCall {
 public:
  explicit ReadLinkAt(Arguments& arguments) : directory_(arguments.Int32(0)), target_(PATH_MAX) {
    path_ = arguments.Path(1);
    syscall_ = "readlink";
  }
  void Run() {
    const ssize_t length = Try([&] {
      return directory_calls::ReadLinkAt(directory_, path_.c_str(), target_.data(), target_.size());
    });
    target_.resize(length < 0 ? 0 : static_cast<size_t>(length));
  }
  Napi::Value Value(Napi::Env env) {
    return Napi::Buffer<char>::Copy(env, target_.data(), target_.size());
  }

 private:
  int directory_;
  std::vector<char> target_;
};

class ChangeModeAt : public NoValueCall {
 public:
  explicit ChangeModeAt(Arguments& arguments)
      : directory_(arguments.Int32(0)),
        mode_(arguments.Uint32(2)),
        follow_(arguments.Uint32(3) != 0) {
    path_ = arguments.Path(1);
    syscall_ = follow_ ? "chmod" : "lchmod";
  }
  void Run() {
    Try([&] {
      return directory_calls::ChangeModeAt(directory_, path_.c_str(), static_cast<mode_t>(mode_),
                                           follow_);
    });
  }

 private:
  int directory_;
  uint32_t mode_;
  bool follow_;
};

class ChangeOwnerAt : public NoValueCall {
 public:
  explicit ChangeOwnerAt(Arguments& arguments)
      : directory_(arguments.Int32(0)),
        user_(arguments.Uint32(2)),
        group_(arguments.Uint32(3)),
        follow_(arguments.Uint32(4) != 0) {
    path_ = arguments.Path(1);
    syscall_ = follow_ ? "chown" : "lchown";
  }
  void Run() {
    Try([&] {
      return directory_calls::ChangeOwnerAt(directory_, path_.c_str(), user_, group_, follow_);
    });
  }

 private:
  int directory_;
  uint32_t user_;
  uint32_t group_;
  bool follow_;
};

class SetTimesAt : public NoValueCall {
 public:
  explicit SetTimesAt(Arguments& arguments)
      : directory_(arguments.Int32(0)), follow_(arguments.Uint32(6) != 0) {
    path_ = arguments.Path(1);
    for (size_t i = 0; i < 2; i++) {
      times_[i].tv_sec = static_cast<time_t>(arguments.Int64(2 + 2 * i));
      times_[i].tv_nsec = static_cast<long>(arguments.Uint32(3 + 2 * i));
    }
    syscall_ = follow_ ? "utime" : "lutime";
  }
  void Run() {
    Try([&] { return directory_calls::SetTimesAt(directory_, path_.c_str(), times_, follow_); });
  }

 private:
  int directory_;
  bool follow_;
  timespec times_[2] = {};
};

// Entries as bytes: the type (DT_*), the name, a null byte, and so on. One
// buffer, because an array of 100,000 strings takes long to make, and only the
// thread of JavaScript can.
class ReadDirectoryAt : public FileCall {
 public:
  explicit ReadDirectoryAt(Arguments& arguments) : directory_(arguments.Int32(0)) {
    path_ = arguments.Path(1);
    syscall_ = "scandir";
  }
  void Run() {
    OwnedFd opened;
    opened.Set(Try([&] {
      return directory_calls::OpenAt(directory_, path_.c_str(), O_RDONLY | O_DIRECTORY, 0);
    }));
    if (error != 0) return;
    const int result =
        directory_calls::ReadEntries(opened.get(), [this](uint8_t type, std::string_view name) {
          entries_.push_back(static_cast<char>(type));
          entries_.insert(entries_.end(), name.begin(), name.end());
          entries_.push_back('\0');
        });
    if (result < 0) error = errno;
  }
  Napi::Value Value(Napi::Env env) {
    return Napi::Buffer<char>::Copy(env, entries_.data(), entries_.size());
  }

 private:
  int directory_;
  std::vector<char> entries_;
};

// A socket of AF_UNIX, bound to a name or connected to one.
template <int (*Attach)(int, int, const char*)>
class SocketAt : public FileCall {
 public:
  explicit SocketAt(Arguments& arguments) : directory_(arguments.Int32(0)), fd_(arguments) {
    path_ = arguments.Path(1);
    syscall_ = Attach == directory_calls::BindAt ? "bindat" : "connectat";
  }
  void Run() {
    fd_.Set(Try([] { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }));
    if (error != 0) return;
    // Not repeated: an interrupted connect goes on by itself.
    if (Attach(directory_, fd_.get(), path_.c_str()) != 0) error = errno;
  }
  Napi::Value Value(Napi::Env env) { return fd_.Release(env); }

 private:
  int directory_;
  OwnedFd fd_;
};

Napi::Value CloseHeld(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  Environment::Of(info.Env()).held_descriptors->Release(fd);
  // After EINTR it is closed all the same.
  if (directory_calls::Close(fd) != 0 && errno != EINTR) {
    ThrowSystemError(info.Env(), errno, "close");
  }
  return {};
}

Napi::Value ReleaseHeld(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (!arguments.failed()) Environment::Of(info.Env()).held_descriptors->Release(fd);
  return {};
}

Napi::Value SetResolveBeneath(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  return Napi::Boolean::New(info.Env(), directory_calls::SetResolveBeneath(fd));
}

}  // namespace

void AddDirectories(Napi::Env env, Napi::Object exports) {
  AddFileCall<OpenAt>(env, exports, "openAt");
  AddFileCall<ReadFileAt>(env, exports, "readFileAt");
  AddFileCall<WriteFileAt>(env, exports, "writeFileAt");
  AddFileCall<StatAt>(env, exports, "statAt");
  AddFileCall<AccessAt>(env, exports, "accessAt");
  AddFileCall<MakeDirectoryAt>(env, exports, "makeDirectoryAt");
  AddFileCall<UnlinkAt>(env, exports, "unlinkAt");
  AddFileCall<RenameAt>(env, exports, "renameAt");
  AddFileCall<LinkAt>(env, exports, "linkAt");
  AddFileCall<SymlinkAt>(env, exports, "symlinkAt");
  AddFileCall<ReadLinkAt>(env, exports, "readLinkAt");
  AddFileCall<ChangeModeAt>(env, exports, "changeModeAt");
  AddFileCall<ChangeOwnerAt>(env, exports, "changeOwnerAt");
  AddFileCall<SetTimesAt>(env, exports, "setTimesAt");
  AddFileCall<ReadDirectoryAt>(env, exports, "readDirectoryAt");
  AddFileCall<SocketAt<directory_calls::BindAt>>(env, exports, "bindAt");
  AddFileCall<SocketAt<directory_calls::ConnectAt>>(env, exports, "connectAt");
  AddFunction<CloseHeld>(env, exports, "closeHeld");
  AddFunction<ReleaseHeld>(env, exports, "releaseHeld");
  AddFunction<SetResolveBeneath>(env, exports, "setResolveBeneath");
}
