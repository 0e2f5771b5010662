// Starts a process. What the child does is an order that is complete before it
// exists, so that it only reads it: the steps and their sequence are told in
// lib/process/spawn.ts, as they are the caller's business.
//
// The child says two things: that all steps are done and the file is about to be
// executed, and what failed. Where it shares the parent's memory (since 15.1), it
// writes them into the order itself; before, and where it is held, into a socket
// that is close-on-exec. A child that has said neither was killed on the way.
//
// A held child says through the socket that all steps but the last are done, and
// goes on when a word comes back. Without one, because the parent is gone, it
// exits.

#include <fcntl.h>
#include <sys/types.h>
// Keep this order: sys/procctl.h needs sys/types.h.
#include <sys/capsicum.h>
#include <sys/procctl.h>
#include <sys/procdesc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "child_calls.h"
#include "environment.h"
#include "event_thread.h"
#include "executable.h"
#include "held_descriptors.h"
#include "owned_processes.h"
#include "system_error.h"
#include "unique_fd.h"

namespace {

struct NamedLimit {
  const char* name;
  int resource;
};

constexpr NamedLimit kLimits[] = {
    {"as", RLIMIT_AS},         {"core", RLIMIT_CORE},   {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},     {"fsize", RLIMIT_FSIZE}, {"memlock", RLIMIT_MEMLOCK},
    {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS},
    {"stack", RLIMIT_STACK},
};

struct Limit {
  int resource;
  struct rlimit values;
};

struct Mapping {
  int target;
  int source;
};

// What failed, by the name of the system call; nothing did where that is empty.
struct Failure {
  // Text and not a pointer, since it may come through a socket.
  char syscall[16] = {};
  int error = 0;
  int fd = kNoDescriptor;
  // Whether the child was in its jail by then.
  bool attached = false;
};

// Descriptors that the child needs for itself and the program does not get.
enum Extra { kFile, kDirectory, kJail, kStatus, kExtras };

struct Order {
  // The file, or, in a `search`, the places where a name may be; or kFile.
  std::vector<std::string> files;
  std::vector<char*> arguments;
  std::vector<char*> env;
  std::vector<std::string> texts;
  bool has_directory = false;
  std::string directory;
  std::vector<Mapping> mappings;
  std::vector<Limit> limits;
  bool has_groups = false;
  std::vector<gid_t> groups;
  bool has_group = false;
  gid_t group = 0;
  bool has_user = false;
  uid_t user = 0;
  int jid = 0;
  bool session = false;
  bool no_new_privileges = false;
  bool no_tracing = false;
  bool capability_mode = false;
  bool search = false;
  bool held = false;
  int extras[kExtras] = {-1, -1, -1, -1};

  // Room for the child to work in.
  std::vector<int> moved;
  bool ready = false;
  Failure failure;
};

// -- The child. Everything below runs between fork and exec.

// Fits into any socket's buffer. False when the parent is gone.
bool Tell(Order* order) {
  return order->extras[kStatus] < 0 ||
         send(order->extras[kStatus], &order->failure, sizeof(order->failure), MSG_NOSIGNAL) ==
             static_cast<ssize_t>(sizeof(order->failure));
}

void SayReady(Order* order) {
  order->ready = true;
  Tell(order);
}

[[noreturn]] void Fail(Order* order, const char* syscall, int fd = kNoDescriptor) {
  order->failure.error = errno;
  order->failure.fd = fd;
  for (size_t i = 0; i + 1 < sizeof(order->failure.syscall) && syscall[i] != '\0'; i++) {
    order->failure.syscall[i] = syscall[i];
  }
  Tell(order);
  _exit(127);
}

// procctl(2) on this process, believed when `query` gives `wanted` back.
void Control(Order* order, int control, int value, int query, int wanted) {
  int status = wanted + 1;
  if (procctl(P_PID, 0, control, &value) != 0 || procctl(P_PID, 0, query, &status) != 0) {
    Fail(order, "procctl");
  }
  if (status == wanted) return;
  errno = EINVAL;
  Fail(order, "procctl");
}

// Waits for the parent's word.
void Hold(Order* order) {
  if (!Tell(order)) _exit(127);
  char word = 0;
  ssize_t count;
  do {
    count = read(order->extras[kStatus], &word, sizeof(word));
  } while (count < 0 && errno == EINTR);
  if (count != sizeof(word)) _exit(127);
}

bool IsTarget(const Order& order, int fd) {
  for (const Mapping& mapping : order.mappings) {
    if (mapping.target == fd) return true;
  }
  return false;
}

// Duplicates a descriptor to a number that nothing else is to have.
int MoveAside(Order* order, int fd) {
  int moved = -1;
  do {
    // A target that was free stays open: its own descriptor replaces it.
    moved = fcntl(fd, F_DUPFD_CLOEXEC, moved + 1);
    if (moved < 0) {
      // So it says that there is no number left from here on.
      if (errno == EINVAL) errno = EMFILE;
      Fail(order, "fcntl", fd);
    }
  } while (IsTarget(*order, moved));
  return moved;
}

// Puts each descriptor where the program expects it, and closes all others.
void ArrangeDescriptors(Order* order) {
  // First all of them out of the way of all targets.
  for (size_t i = 0; i < order->mappings.size(); i++) {
    order->moved[i] = MoveAside(order, order->mappings[i].source);
  }
  for (int& extra : order->extras) {
    if (extra >= 0) extra = MoveAside(order, extra);
  }
  for (size_t i = 0; i < order->mappings.size(); i++) {
    if (dup2(order->moved[i], order->mappings[i].target) >= 0) continue;
    // What is duplicated is open: the target is beyond the process's limit.
    if (errno == EBADF) errno = EMFILE;
    Fail(order, "dup2", order->mappings[i].source);
  }
  // The gaps between what stays, from the lowest number to the highest.
  constexpr int kHighest = std::numeric_limits<int>::max();
  for (int next = 0;;) {
    int kept = kHighest;
    for (const Mapping& mapping : order->mappings) {
      if (mapping.target >= next) kept = std::min(kept, mapping.target);
    }
    for (const int extra : order->extras) {
      if (extra >= next) kept = std::min(kept, extra);
    }
    // Fails where there is nothing to close.
    if (kept > next) {
      close_range(static_cast<unsigned int>(next),
                  static_cast<unsigned int>(kept == kHighest ? kept : kept - 1), 0);
    }
    if (kept == kHighest) return;
    next = kept + 1;
  }
}

// Whether a name is searched further, after an error in one place, as execvp(3)
// does: what is there and may not be executed is what is told in the end.
bool IsElsewhere(const char* file, int* told) {
  struct stat status;
  switch (errno) {
    case ELOOP:
    case ENAMETOOLONG:
    case ENOENT:
    case ENOTDIR:
      return true;
    case EACCES:
      // The file, or a directory on the way: then nobody knows of a file.
      if (fstatat(AT_FDCWD, file, &status, 0) == 0) *told = EACCES;
      return true;
    default:
      return false;
  }
}

// Tries each place until one succeeds; the child ends where none does.
template <typename Attempt>
void TryPlaces(Order* order, const char* syscall, Attempt attempt) {
  int told = ENOENT;
  for (const std::string& file : order->files) {
    if (attempt(file.c_str())) return;
    if (!order->search || !IsElsewhere(file.c_str(), &told)) Fail(order, syscall);
  }
  errno = told;
  Fail(order, syscall);
}

void Execute(Order* order) {
  TryPlaces(order, "execve", [order](const char* file) {
    child_calls::Execute(file, order->arguments.data(), order->env.data());
    return false;
  });
}

// In capability mode the kernel misses the run-time linker of a dynamic
// executable when the process has no memory to go back to, and kills it. So it is
// looked at before; what may not be read is left to the kernel.
void CheckExecutable(Order* order, int fd) {
  if (KindOfExecutable(fd) != Executable::kDynamic) return;
  errno = ECAPMODE;
  Fail(order, "fexecve");
}

// The interpreter of a script would be told to read /dev/fd/N, which exec has
// closed by then: it would start, and find nothing.
void CheckScript(Order* order, int fd) {
  if (KindOfExecutable(fd) != Executable::kScript) return;
  errno = ENOEXEC;
  Fail(order, "fexecve");
}

// By descriptor, since paths end with capability mode.
void OpenFile(Order* order) {
  TryPlaces(order, "open", [order](const char* file) {
    order->extras[kFile] = open(file, O_EXEC | O_CLOEXEC);
    if (order->extras[kFile] < 0) return false;
    // A FIFO or a terminal may be executable too, and would be waited for.
    const int readable = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (readable < 0) return true;
    CheckExecutable(order, readable);
    close(readable);
    return true;
  });
}

// Closes what only had to be there until now: a child that is held has no way out of
// its jail, and what it has can be read by others.
void LetGo(Order* order, int which) {
  close(order->extras[which]);
  order->extras[which] = -1;
}

void RunChild(void* argument) {
  Order* order = static_cast<Order*>(argument);
  // First: who is in the same session could become one that gets its SIGIO.
  if (order->session && setsid() < 0) Fail(order, "setsid");
  if (child_calls::ResetSignals() != 0) Fail(order, "sigaction");
  ArrangeDescriptors(order);
  for (const Limit& limit : order->limits) {
    if (setrlimit(limit.resource, &limit.values) != 0) Fail(order, "setrlimit");
    if (limit.resource != RLIMIT_CORE) continue;
    // What capsules rest on is read back; others the kernel may cut to its own limits.
    struct rlimit now = {};
    if (getrlimit(limit.resource, &now) != 0) Fail(order, "getrlimit");
    if (now.rlim_cur == limit.values.rlim_cur && now.rlim_max == limit.values.rlim_max) continue;
    errno = EINVAL;
    Fail(order, "setrlimit");
  }
  if (order->no_new_privileges) {
    Control(order, PROC_NO_NEW_PRIVS_CTL, PROC_NO_NEW_PRIVS_ENABLE, PROC_NO_NEW_PRIVS_STATUS,
            PROC_NO_NEW_PRIVS_ENABLE);
  }
  if (order->no_tracing) {
    Control(order, PROC_TRACE_CTL, PROC_TRACE_CTL_DISABLE_EXEC, PROC_TRACE_STATUS, -1);
  }
  if (order->extras[kJail] >= 0) {
    if (child_calls::AttachJailDescriptor(order->extras[kJail]) != 0) {
      Fail(order, "jail_set");
    }
    order->failure.attached = true;
    LetGo(order, kJail);
  } else if (order->jid > 0) {
    if (child_calls::AttachJail(order->jid) != 0) Fail(order, "jail_attach");
    order->failure.attached = true;
  }
  if (order->extras[kDirectory] >= 0) {
    if (child_calls::ChangeDirectoryTo(order->extras[kDirectory]) != 0) Fail(order, "fchdir");
    LetGo(order, kDirectory);
  } else if (order->has_directory && child_calls::ChangeDirectory(order->directory.c_str()) != 0) {
    Fail(order, "chdir");
  }
  // Once the user is switched, the right to change groups is gone.
  if (order->has_groups &&
      child_calls::SetGroups(static_cast<int>(order->groups.size()), order->groups.data()) != 0) {
    Fail(order, "setgroups");
  }
  if (order->has_group && setgid(order->group) != 0) Fail(order, "setgid");
  if (order->has_user && setuid(order->user) != 0) Fail(order, "setuid");
  if (order->capability_mode) {
    if (order->extras[kFile] < 0) OpenFile(order);
    if (cap_enter() != 0) Fail(order, "cap_enter");
  }
  if (order->extras[kFile] >= 0) {
    unsigned int mode = 0;
    if (cap_getmode(&mode) != 0) Fail(order, "cap_getmode");
    if (order->capability_mode && mode == 0) {
      errno = EINVAL;
      Fail(order, "cap_enter");
    }
    if (mode != 0) {
      CheckExecutable(order, order->extras[kFile]);
    } else {
      CheckScript(order, order->extras[kFile]);
    }
  }
  if (order->held) Hold(order);
  SayReady(order);
  if (order->extras[kFile] < 0) Execute(order);
  child_calls::ExecuteDescriptor(order->extras[kFile], order->arguments.data(), order->env.data());
  Fail(order, "fexecve");
}

// -- The parent.

// Reads the parts of the order; the first that does not fit is the one reported.
class OrderReader {
 public:
  OrderReader(Arguments* arguments, Napi::Object object) : arguments_(arguments), object_(object) {}

  Napi::Value Get(const char* name) {
    if (arguments_->failed()) return {};
    Napi::Value value = object_.Get(name);
    if (object_.Env().IsExceptionPending()) {
      Refuse();
      return {};
    }
    return value;
  }

  bool Flag(const char* name) {
    const Napi::Value value = Get(name);
    if (arguments_->failed()) return false;
    if (!value.IsBoolean()) Refuse();
    return value.IsBoolean() && value.As<Napi::Boolean>().Value();
  }

  double Number(const Napi::Value& value, double least, double most) {
    if (arguments_->failed()) return least;
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : least - 1;
    if (number >= least && number <= most &&
        number == static_cast<double>(static_cast<int64_t>(number))) {
      return number;
    }
    Refuse();
    return least;
  }

  int Descriptor(const char* name) {
    return static_cast<int>(Number(Get(name), -1, std::numeric_limits<int32_t>::max()));
  }

  // An id, or null for none.
  bool Id(const char* name, uint32_t* id) {
    const Napi::Value value = Get(name);
    if (arguments_->failed() || value.IsNull()) return false;
    *id = static_cast<uint32_t>(Number(value, 0, std::numeric_limits<uint32_t>::max()));
    return true;
  }

  std::vector<Napi::Value> List(const char* name) {
    std::vector<Napi::Value> values;
    const Napi::Value value = Get(name);
    if (arguments_->failed()) return values;
    if (!value.IsArray()) {
      Refuse();
      return values;
    }
    const auto array = value.As<Napi::Array>();
    const uint32_t length = array.Length();
    for (uint32_t i = 0; i < length && !arguments_->failed(); i++) {
      values.push_back(array.Get(i));
      if (object_.Env().IsExceptionPending()) Refuse();
    }
    return values;
  }

  std::string Text(const Napi::Value& value) {
    if (arguments_->failed()) return {};
    if (value.IsString()) {
      std::string text = value.As<Napi::String>().Utf8Value();
      if (text.find('\0') == std::string::npos) return text;
    }
    Refuse();
    return {};
  }

  void Refuse() {
    // An exception of the caller's is the one to keep.
    if (object_.Env().IsExceptionPending()) {
      arguments_->Abandon();
    } else {
      arguments_->Refuse(0, "a complete order");
    }
  }

 private:
  Arguments* arguments_;
  Napi::Object object_;
};

void ReadLimits(OrderReader& reader, Order* order) {
  const std::vector<Napi::Value> limits = reader.List("limits");
  if (limits.size() % 3 != 0) reader.Refuse();
  for (size_t i = 0; i + 2 < limits.size(); i += 3) {
    const std::string name = reader.Text(limits[i]);
    Limit limit = {-1, {}};
    for (const NamedLimit& named : kLimits) {
      if (name == named.name) limit.resource = named.resource;
    }
    if (limit.resource < 0) reader.Refuse();
    const auto value = [&](const Napi::Value& given) -> rlim_t {
      // -1 is "infinity", which has another number on each system.
      const double number = reader.Number(given, -1, 9007199254740991.0);
      return number < 0 ? RLIM_INFINITY : static_cast<rlim_t>(number);
    };
    limit.values.rlim_cur = value(limits[i + 1]);
    limit.values.rlim_max = value(limits[i + 2]);
    order->limits.push_back(limit);
  }
}

bool ReadOrder(const Napi::CallbackInfo& info, Order* order, bool* daemon) {
  Arguments arguments(info);
  if (!info[0].IsObject()) {
    arguments.Refuse(0, "an object");
    return false;
  }
  OrderReader reader(&arguments, info[0].As<Napi::Object>());
  for (const Napi::Value& file : reader.List("files")) order->files.push_back(reader.Text(file));
  order->search = reader.Flag("search");
  order->extras[kFile] = reader.Descriptor("file");
  std::vector<Napi::Value> texts = reader.List("args");
  const size_t argument_count = texts.size();
  for (const Napi::Value& text : reader.List("env")) texts.push_back(text);
  for (const Napi::Value& text : texts) order->texts.push_back(reader.Text(text));
  for (size_t i = 0; i < order->texts.size(); i++) {
    (i < argument_count ? order->arguments : order->env).push_back(order->texts[i].data());
  }
  order->arguments.push_back(nullptr);
  order->env.push_back(nullptr);

  const Napi::Value directory = reader.Get("cwd");
  if (!arguments.failed() && !directory.IsNull()) {
    order->has_directory = true;
    order->directory = reader.Text(directory);
  }
  order->extras[kDirectory] = reader.Descriptor("directory");

  const std::vector<Napi::Value> numbers = reader.List("descriptors");
  if (numbers.size() % 2 != 0) reader.Refuse();
  constexpr double kMost = std::numeric_limits<int32_t>::max() - 1;
  for (size_t i = 0; i + 1 < numbers.size(); i += 2) {
    const int target = static_cast<int>(reader.Number(numbers[i], 0, kMost));
    const int source = static_cast<int>(reader.Number(numbers[i + 1], 0, kMost));
    order->mappings.push_back({target, source});
  }
  std::sort(order->mappings.begin(), order->mappings.end(),
            [](const Mapping& a, const Mapping& b) { return a.target < b.target; });
  order->moved.resize(order->mappings.size());

  ReadLimits(reader, order);
  const Napi::Value groups = reader.Get("groups");
  if (!arguments.failed() && !groups.IsNull()) {
    order->has_groups = true;
    for (const Napi::Value& group : reader.List("groups")) {
      order->groups.push_back(
          static_cast<gid_t>(reader.Number(group, 0, std::numeric_limits<uint32_t>::max())));
    }
  }
  order->has_group = reader.Id("gid", &order->group);
  order->has_user = reader.Id("uid", &order->user);
  order->jid =
      static_cast<int>(reader.Number(reader.Get("jid"), 0, std::numeric_limits<int32_t>::max()));
  order->extras[kJail] = reader.Descriptor("jail");
  order->session = reader.Flag("session");
  order->no_new_privileges = reader.Flag("noNewPrivileges");
  order->no_tracing = reader.Flag("noTracing");
  order->capability_mode = reader.Flag("capabilityMode");
  order->held = reader.Flag("held");
  *daemon = reader.Flag("daemon");
  return !arguments.failed();
}

// Reads one thing that the child says; false at the end, which comes with the
// execution of the file or its own.
bool ReadReport(int fd, Failure* failure) {
  char bytes[sizeof(*failure)];
  size_t got = 0;
  while (got < sizeof(bytes)) {
    const ssize_t count = read(fd, bytes + got, sizeof(bytes) - got);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    got += static_cast<size_t>(count);
  }
  memcpy(failure, bytes, sizeof(bytes));
  failure->syscall[sizeof(failure->syscall) - 1] = '\0';
  return true;
}

// Waits for the execution of the file. Answers whether the child was ready for
// it; what failed before or then is in `failure`.
bool AwaitExecution(int fd, Failure* failure) {
  if (!ReadReport(fd, failure) || failure->syscall[0] != '\0') return false;
  ReadReport(fd, failure);
  return true;
}

Napi::Value Spawn(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Order order;
  bool daemon = false;
  if (!ReadOrder(info, &order, &daemon)) return {};

  const auto refused = [&](int fd, uint64_t right, const char* syscall) {
    const int error = fd < 0 ? 0 : child_calls::Refusal(fd, right);
    if (error != 0) ThrowSystemError(env, error, syscall, fd);
    return error != 0;
  };
  if (refused(order.extras[kFile], CAP_FEXECVE, "fexecve")) return {};
  if (refused(order.extras[kDirectory], CAP_FCHDIR, "fchdir")) return {};
  // The child moves its descriptors, and may do so in this very order.
  const int jail = order.extras[kJail];
  const bool attaches = jail >= 0 || order.jid > 0;
  if (const int error = attaches ? child_calls::JailRefusal(order.jid, jail) : 0; error != 0) {
    ThrowSystemError(env, error, jail >= 0 ? "jail_set" : "jail_attach");
    return {};
  }

  UniqueFd status;
  UniqueFd status_of_child;
  // A child in the parent's memory could not be held: the parent would be, too.
  using child_calls::Birth;
  const Birth birth = order.held                      ? Birth::kOrphan
                      : child_calls::CanShareMemory() ? Birth::kSharing
                                                      : Birth::kCopy;
  if (birth != Birth::kSharing) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      ThrowSystemError(env, errno, "socketpair");
      return {};
    }
    status = UniqueFd(ends[0]);
    status_of_child = UniqueFd(ends[1]);
    order.extras[kStatus] = ends[1];
  }

  // What would tell of its end: a child that nobody can hear of is none.
  if (EventThread::Of(env) == nullptr) return {};

  int fd = -1;
  const bool by_pdrfork = birth != Birth::kCopy && child_calls::CanShareMemory();
  const char* starting = by_pdrfork ? "pdrfork" : "pdfork";
  const pid_t pid = child_calls::Start(&fd, daemon ? PD_DAEMON : 0, birth, RunChild, &order);
  if (pid < 0) {
    ThrowSystemError(env, errno, starting);
    return {};
  }
  if (status.get() >= 0) {
    status_of_child = UniqueFd();
    order.ready = order.held ? ReadReport(status.get(), &order.failure)
                             : AwaitExecution(status.get(), &order.failure);
  }
  const Failure& failure = order.failure;
  const bool failed = failure.syscall[0] != '\0';
  if (attaches && (!failed || failure.attached)) {
    child_calls::Attached(pid, order.jid, jail);
  }
  if (failed || !order.ready) {
    // Which also reaps it.
    child_calls::CloseProcess(fd);
    if (failed) {
      ThrowSystemError(env, failure.error, failure.syscall, failure.fd);
    } else {
      ThrowSystemError(env, ECHILD, starting);
    }
    return {};
  }
  OwnedProcesses::Of(env).Add(fd, pid);
  Napi::Array result = Napi::Array::New(env, 3);
  result.Set(0U, Napi::Number::New(env, pid));
  result.Set(1U, Napi::Number::New(env, fd));
  const int socket = order.held ? status.release() : kNoDescriptor;
  if (socket >= 0) Environment::Of(env).held_descriptors->Keep(socket);
  result.Set(2U, Napi::Number::New(env, socket));
  return result;
}

Napi::Value LetExecute(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const int socket = arguments.Int32(0);
  if (arguments.failed()) return {};
  const char word = 1;
  const bool sent = send(socket, &word, sizeof(word), MSG_NOSIGNAL) == sizeof(word);
  if (!sent && errno != EPIPE) {
    ThrowSystemError(env, errno, "send", socket);
    return {};
  }
  Failure failure;
  const bool ready = sent && AwaitExecution(socket, &failure);
  if (failure.syscall[0] != '\0') {
    ThrowSystemError(env, failure.error, failure.syscall, failure.fd);
  } else if (!ready) {
    ThrowSystemError(env, ECHILD, "pdfork");
  }
  return env.Undefined();
}

Napi::Value DuplicateDescriptor(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  const int duplicate = child_calls::Duplicate(fd);
  if (duplicate < 0) {
    ThrowSystemError(info.Env(), errno, "fcntl", fd);
    return {};
  }
  return Napi::Number::New(info.Env(), duplicate);
}

Napi::Value FindJail(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const std::string name = arguments.String(0);
  if (arguments.failed()) return {};
  const int jid = child_calls::FindJail(name.c_str());
  if (jid < 0) {
    ThrowSystemError(info.Env(), errno, "jail_get");
    return {};
  }
  return Napi::Number::New(info.Env(), jid);
}

}  // namespace

void AddSpawn(Napi::Env env, Napi::Object exports) {
  AddFunction<Spawn>(env, exports, "spawn");
  AddFunction<LetExecute>(env, exports, "letExecute");
  AddFunction<DuplicateDescriptor>(env, exports, "duplicateDescriptor");
  AddFunction<FindJail>(env, exports, "findJail");
}
