// Holds every thread of the runtime's pool at one point.
//
// cap_enter(2) does not reach a system call that another thread is already
// inside: an open(2) in the pool finishes with the old credential. So before it
// each pool thread is brought into a job of ours and kept there.
//
// States: gathering (jobs queued, fewer than all threads arrived), held (all
// arrived), over (released, or a deadline passed). Whatever happens, no thread
// stays in a job longer than the two deadlines together.

#ifndef NATIVE_THREAD_POOL_H_
#define NATIVE_THREAD_POOL_H_

#include <napi.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

class PoolHold {
 public:
  PoolHold(uint32_t threads, std::chrono::milliseconds gather_time,
           std::function<void(bool)> report)
      : threads_(threads),
        deadline_(std::chrono::steady_clock::now() + gather_time),
        report_(std::move(report)) {}

  // Runs on a pool thread; returns when the hold is over.
  void Join();
  // How many threads are in the hold; 0 unless all that were expected are.
  uint32_t Held();
  // Ends the hold.
  void Release();
  // Ends the hold without a report: the environment is going away.
  void Abandon();

 private:
  enum class State { kGathering, kHeld, kOver };

  const uint32_t threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kGathering;
  uint32_t arrived_ = 0;
  std::chrono::steady_clock::time_point deadline_;
  // Called once, on a pool thread, with whether all threads are held.
  std::function<void(bool)> report_;
};

#endif  // NATIVE_THREAD_POOL_H_
