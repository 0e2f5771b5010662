#include "thread_pool.h"

#include <memory>
#include <optional>

#include "addon.h"
#include "arguments.h"
#include "deferred.h"
#include "environment.h"
#include "to_javascript.h"

namespace {

// Long enough for any seal, short enough that a forgotten hold does not stop
// the process for good.
constexpr std::chrono::seconds kLongestHold(30);

class HoldWorker : public Napi::AsyncWorker {
 public:
  HoldWorker(Napi::Env env, std::shared_ptr<PoolHold> hold)
      : Napi::AsyncWorker(env, "freebsd-capsule:poolHold"), hold_(std::move(hold)) {}

  void Execute() override { hold_->Join(); }

 private:
  std::shared_ptr<PoolHold> hold_;
};

Napi::Value HoldPool(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  const uint32_t threads = arguments.Uint32(0);
  const uint32_t timeout = arguments.Uint32(1);
  if (arguments.failed()) return {};

  Napi::Value promise;
  const std::optional<Deferred> deferred = Deferred::New(env, &promise);
  if (!deferred) return {};
  Environment& environment = Environment::Of(env);
  if (environment.pool_hold) environment.pool_hold->Release();

  ToJavaScript to_javascript(env, "freebsd-capsule:poolHold");
  auto hold = std::make_shared<PoolHold>(
      threads, std::chrono::milliseconds(timeout), [to_javascript, deferred](bool held) {
        to_javascript.Post([deferred, held](Napi::Env callback_env) {
          deferred->Resolve(callback_env, Napi::Boolean::New(callback_env, held));
        });
        to_javascript.Release();
      });
  environment.pool_hold = hold;
  // Hooks run last in, first out: this one before that of the thread-safe
  // function, which no thread may call once it is gone.
  env.AddCleanupHook([hold] { hold->Abandon(); });
  // Twice as many as there should be threads: if all are taken, the pool is larger.
  // Each deletes itself when it is done, which the analyzer cannot see.
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks)
  for (uint32_t i = 0; i < 2 * threads; i++) {
    auto* worker = new HoldWorker(env, hold);
    worker->Queue();
  }
  return promise;
}

Napi::Value CountHeld(const Napi::CallbackInfo& info) {
  const Environment& environment = Environment::Of(info.Env());
  const uint32_t held = environment.pool_hold ? environment.pool_hold->Held() : 0;
  return Napi::Number::New(info.Env(), held);
}

Napi::Value ReleasePool(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  if (environment.pool_hold) environment.pool_hold->Release();
  environment.pool_hold.reset();
  return info.Env().Undefined();
}

}  // namespace

void PoolHold::Join() {
  std::unique_lock lock(mutex_);
  if (state_ == State::kOver) return;
  arrived_++;
  if (state_ == State::kGathering && arrived_ == threads_) {
    state_ = State::kHeld;
    deadline_ = std::chrono::steady_clock::now() + kLongestHold;
    changed_.notify_all();
    report_(true);
  }
  while (state_ != State::kOver) {
    const auto deadline = deadline_;
    if (changed_.wait_until(lock, deadline) != std::cv_status::timeout) continue;
    // The deadline may have moved while this thread woke up.
    if (deadline != deadline_ || state_ == State::kOver) continue;
    if (state_ == State::kGathering) report_(false);
    state_ = State::kOver;
    changed_.notify_all();
  }
}

uint32_t PoolHold::Held() {
  const std::lock_guard lock(mutex_);
  return state_ == State::kHeld ? arrived_ : 0;
}

void PoolHold::Release() {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kGathering) report_(false);
  state_ = State::kOver;
  changed_.notify_all();
}

void PoolHold::Abandon() {
  const std::lock_guard lock(mutex_);
  report_ = [](bool) {};
  state_ = State::kOver;
  changed_.notify_all();
}

void AddThreadPool(Napi::Env env, Napi::Object exports) {
  AddFunction<HoldPool>(env, exports, "poolHold");
  AddFunction<CountHeld>(env, exports, "poolHeld");
  AddFunction<ReleasePool>(env, exports, "poolRelease");
}
