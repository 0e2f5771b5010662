#include "event_thread.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "addon.h"
#include "arguments.h"
#include "environment.h"
#include "freebsd_compat.h"
#include "system_error.h"

namespace {

struct NamedFilter {
  const char* name;
  short filter;
  unsigned int wanted;
};

constexpr NamedFilter kFilters[] = {
    {"procdesc", EVFILT_PROCDESC, NOTE_EXIT},
    {"jail", EVFILT_JAIL, NOTE_JAIL_SET | NOTE_JAIL_ATTACH | NOTE_JAIL_REMOVE | NOTE_JAIL_CHILD},
    {"jaildesc", EVFILT_JAILDESC,
     NOTE_JAIL_SET | NOTE_JAIL_ATTACH | NOTE_JAIL_REMOVE | NOTE_JAIL_CHILD},
    // Arrives at once, after all that came before.
    {"user", EVFILT_USER, 0},
};

// The number of the EVFILT_USER event that ends the thread.
constexpr uintptr_t kStop = 0;

struct kevent Change(uintptr_t ident, short filter, unsigned short flags, unsigned int fflags) {
  struct kevent change = {};
  change.ident = ident;
  change.filter = filter;
  change.flags = flags;
  change.fflags = fflags;
  return change;
}

// Makes one change to a queue and takes no event from it: with EV_RECEIPT and
// room for one answer, the answer is about the change.
int Apply(int queue, struct kevent change) {
  change.flags |= EV_RECEIPT;
  struct kevent receipt = {};
  int count;
  do {
    count = kevent(queue, &change, 1, &receipt, 1, nullptr);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return errno;
  return static_cast<int>(receipt.data);
}

unsigned int WantedOf(short filter) {
  for (const NamedFilter& named : kFilters) {
    if (named.filter == filter) return named.wanted;
  }
  return 0;
}

}  // namespace

EventThread::EventThread(Napi::Env env, UniqueFd queue)
    : env_(env), queue_(std::move(queue)), to_javascript_(env, "freebsd-capsule:events") {
  // Only watches keep the loop alive.
  to_javascript_.Unref(env);
}

EventThread* EventThread::Running(Napi::Env env) { return Environment::Of(env).event_thread.get(); }

EventThread* EventThread::Of(Napi::Env env) {
  Environment& environment = Environment::Of(env);
  if (environment.event_thread) return environment.event_thread.get();
  UniqueFd queue(kqueue());
  if (queue.get() < 0 || fcntl(queue.get(), F_SETFD, FD_CLOEXEC) < 0) {
    ThrowSystemError(env, errno, "kqueue");
    return nullptr;
  }
  const int error = Apply(queue.get(), Change(kStop, EVFILT_USER, EV_ADD | EV_CLEAR, 0));
  if (error != 0) {
    ThrowSystemError(env, error, "kevent");
    return nullptr;
  }
  std::shared_ptr<EventThread> started(new EventThread(env, std::move(queue)));
  const auto run = [](void* thread) -> void* {
    static_cast<EventThread*>(thread)->Run();
    return nullptr;
  };
  const int refused = pthread_create(&started->thread_, nullptr, run, started.get());
  if (refused != 0) {
    started->to_javascript_.Release();
    ThrowSystemError(env, refused, "pthread_create");
    return nullptr;
  }
  environment.event_thread = started;
  // Hooks run last in, first out: this one before that of the thread-safe
  // function, which no thread may call once it is gone.
  env.AddCleanupHook([started] { started->Stop(); });
  return started.get();
}

int EventThread::Watch(short filter, uintptr_t ident, Napi::Function callback, uint32_t* watch) {
  if (filter == EVFILT_USER && ident == kStop) return EINVAL;
  // What happened before is not for this watch: the kernel would report it with
  // the new number, and a jail's number may even have been another's.
  if (IsWatched(filter, ident)) PostPending();
  // Again for a second watch of the same: it asks the kernel whether it may, and
  // takes the place of a registration that went with its descriptor.
  const uintptr_t registration = ++last_registration_;
  const unsigned short flags = filter == EVFILT_USER ? EV_ADD | EV_CLEAR : EV_ADD;
  struct kevent change = Change(ident, filter, flags, WantedOf(filter));
  change.udata = reinterpret_cast<void*>(registration);
  int error = Apply(queue_.get(), change);
  if (error == 0 && filter == EVFILT_USER) {
    // Not at once: what is only being added is not triggered.
    change.flags = 0;
    change.fflags = NOTE_TRIGGER;
    error = Apply(queue_.get(), change);
  }
  if (error != 0) return error;
  *watch = ++last_watch_;
  entries_.emplace(last_watch_,
                   Entry{filter, ident, registration, true, Napi::Persistent(callback)});
  UpdateKeep();
  return 0;
}

void EventThread::Unwatch(uint32_t watch) {
  const auto found = entries_.find(watch);
  if (found == entries_.end()) return;
  const short filter = found->second.filter;
  const uintptr_t ident = found->second.ident;
  entries_.erase(found);
  // It may be gone already, with its descriptor or after its last event.
  if (!IsWatched(filter, ident)) Apply(queue_.get(), Change(ident, filter, EV_DELETE, 0));
  UpdateKeep();
}

void EventThread::Keep(uint32_t watch, bool keep) {
  const auto found = entries_.find(watch);
  if (found == entries_.end()) return;
  found->second.keep = keep;
  UpdateKeep();
}

void EventThread::Stop() {
  Apply(queue_.get(), Change(kStop, EVFILT_USER, 0, NOTE_TRIGGER));
  pthread_join(thread_, nullptr);
  entries_.clear();
}

void EventThread::Run() {
  for (;;) {
    struct kevent event = {};
    const int count = kevent(queue_.get(), nullptr, 0, &event, 1, nullptr);
    if (count < 0 && errno == EINTR) continue;
    // The queue is this thread's own: any other error means that it is gone.
    if (count < 0 || (event.filter == EVFILT_USER && event.ident == kStop)) return;
    if (count == 0) continue;
    if (!Post(event)) return;
  }
}

bool EventThread::Post(const struct kevent& event) {
  return to_javascript_.Post([this, event](Napi::Env) { Deliver(event); });
}

void EventThread::PostPending() {
  const struct timespec no_wait = {};
  for (;;) {
    struct kevent event = {};
    const int count = kevent(queue_.get(), nullptr, 0, &event, 1, &no_wait);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    Post(event);
  }
}

void EventThread::Deliver(const struct kevent& event) {
  // A callback may end any watch, and begin new ones.
  const auto registration = reinterpret_cast<uintptr_t>(event.udata);
  std::vector<uint32_t> watches;
  for (const auto& [watch, entry] : entries_) {
    if (entry.filter == event.filter && entry.ident == event.ident &&
        entry.registration <= registration) {
      watches.push_back(watch);
    }
  }
  for (const uint32_t watch : watches) {
    const auto found = entries_.find(watch);
    if (found == entries_.end()) continue;
    const Napi::Function callback = found->second.callback.Value();
    callback.Call({Napi::Number::New(env_, event.fflags),
                   Napi::Number::New(env_, static_cast<double>(event.data)),
                   Napi::Number::New(env_, event.flags)});
    // The rest must not run on top of an exception; the runtime reports it.
    if (env_.IsExceptionPending()) return;
  }
}

bool EventThread::IsWatched(short filter, uintptr_t ident) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& watched) {
    return watched.second.filter == filter && watched.second.ident == ident;
  });
}

void EventThread::UpdateKeep() {
  bool keep = false;
  for (const auto& [watch, entry] : entries_) keep = keep || entry.keep;
  if (keep == keeping_) return;
  keeping_ = keep;
  if (keep) {
    to_javascript_.Ref(env_);
  } else {
    to_javascript_.Unref(env_);
  }
}

namespace {

Napi::Value WatchEvent(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const std::string name = arguments.String(0);
  const int ident = arguments.Int32(1);
  const Napi::Function callback = arguments.Function(2);
  if (arguments.failed()) return {};
  const NamedFilter* filter = nullptr;
  for (const NamedFilter& candidate : kFilters) {
    if (name == candidate.name) filter = &candidate;
  }
  if (filter == nullptr) {
    ThrowSystemError(env, EINVAL, "kevent");
    return {};
  }
  EventThread* thread = EventThread::Of(env);
  if (thread == nullptr) return {};
  uint32_t watch = 0;
  const int error = thread->Watch(filter->filter, static_cast<uintptr_t>(ident), callback, &watch);
  if (error != 0) {
    ThrowSystemError(env, error, "kevent", filter->filter == EVFILT_JAIL ? kNoDescriptor : ident);
    return {};
  }
  return Napi::Number::New(env, watch);
}

Napi::Value UnwatchEvent(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const uint32_t watch = arguments.Uint32(0);
  if (arguments.failed()) return {};
  EventThread* thread = EventThread::Running(info.Env());
  if (thread != nullptr) thread->Unwatch(watch);
  return info.Env().Undefined();
}

Napi::Value RefEvent(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const uint32_t watch = arguments.Uint32(0);
  const bool keep = arguments.Boolean(1);
  if (arguments.failed()) return {};
  EventThread* thread = EventThread::Running(info.Env());
  if (thread != nullptr) thread->Keep(watch, keep);
  return info.Env().Undefined();
}

}  // namespace

void AddEventThread(Napi::Env env, Napi::Object exports) {
  AddFunction<WatchEvent>(env, exports, "watchEvent");
  AddFunction<UnwatchEvent>(env, exports, "unwatchEvent");
  AddFunction<RefEvent>(env, exports, "refEvent");
}
