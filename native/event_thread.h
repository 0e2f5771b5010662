// The one thread per JavaScript environment that waits for the kernel's events.
//
// It is blocked in kevent(2) on a queue of its own from the first watch to the
// end of the environment, and hands each event to JavaScript through one
// thread-safe function. Waiting costs no thread of the runtime's pool, and works
// in capability mode, whichever of the two came first.
//
// Everything but Run() and Post() happens on the JavaScript thread. The two share
// the queue, which the kernel guards, and the thread-safe function.

#ifndef NATIVE_EVENT_THREAD_H_
#define NATIVE_EVENT_THREAD_H_

#include <napi.h>
#include <pthread.h>
#include <sys/types.h>
// Keep this order: sys/event.h needs sys/types.h.
#include <sys/event.h>

#include <cstdint>
#include <map>
#include <memory>

#include "to_javascript.h"
#include "unique_fd.h"

class EventThread {
 public:
  // The thread of an environment, started on first use; null with an exception
  // pending when it does not start.
  static EventThread* Of(Napi::Env env);
  // The same if it runs already.
  static EventThread* Running(Napi::Env env);

  // Watches for the events of `filter` on `ident`. Answers 0 and the watch's
  // number, or the kernel's refusal (an errno value).
  int Watch(short filter, uintptr_t ident, Napi::Function callback, uint32_t* watch);
  // An event that is on its way to JavaScript is dropped.
  void Unwatch(uint32_t watch);
  // Whether a watch keeps the event loop alive. A new one does.
  void Keep(uint32_t watch, bool keep);

  // Ends the thread: the environment is going away.
  void Stop();

 private:
  struct Entry {
    short filter;
    uintptr_t ident;
    // Watches of the same have one registration in the kernel, which each new one
    // renumbers. The number comes back with the events: one from before a watch,
    // of what had its number or its descriptor then, is not that watch's.
    uintptr_t registration;
    bool keep;
    Napi::FunctionReference callback;
  };

  EventThread(Napi::Env env, UniqueFd queue);
  void Run();
  // Sends an event on its way to JavaScript; false when it is too late for that.
  bool Post(const struct kevent& event);
  // Sends all that are there already.
  void PostPending();
  void Deliver(const struct kevent& event);
  bool IsWatched(short filter, uintptr_t ident) const;
  void UpdateKeep();

  Napi::Env env_;
  UniqueFd queue_;
  ToJavaScript to_javascript_;
  // In the order of the watches, which is the order they are called in.
  std::map<uint32_t, Entry> entries_;
  uint32_t last_watch_ = 0;
  uintptr_t last_registration_ = 0;
  bool keeping_ = false;
  // Not std::thread, whose failure to start is an exception.
  pthread_t thread_ = {};
};

#endif  // NATIVE_EVENT_THREAD_H_
