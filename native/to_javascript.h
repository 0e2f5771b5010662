// Calls from other threads to the JavaScript thread of an environment.

#ifndef NATIVE_TO_JAVASCRIPT_H_
#define NATIVE_TO_JAVASCRIPT_H_

#include <napi.h>

#include <functional>
#include <memory>
#include <utility>

// Napi::ThreadSafeFunction loses the memory of the calls that are left when the
// environment ends.
class ToJavaScript {
 public:
  using Call = std::function<void(Napi::Env)>;

  // Keeps the event loop alive until Unref().
  ToJavaScript(Napi::Env env, const char* name) {
    const napi_status status =
        napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, name), 0, 1,
                                        nullptr, nullptr, nullptr, Run, &function_);
    NAPI_FATAL_IF_FAILED(status, "ToJavaScript", "napi_create_threadsafe_function");
  }

  // False when it is too late: nothing will be called.
  bool Post(Call call) const {
    auto* owned = new Call(std::move(call));
    const napi_status status =
        napi_call_threadsafe_function(function_, owned, napi_tsfn_nonblocking);
    if (status != napi_ok) delete owned;
    return status == napi_ok;
  }

  void Release() const { napi_release_threadsafe_function(function_, napi_tsfn_release); }
  void Ref(Napi::Env env) const { napi_ref_threadsafe_function(env, function_); }
  void Unref(Napi::Env env) const { napi_unref_threadsafe_function(env, function_); }

 private:
  // Without an environment when that has ended.
  static void Run(napi_env env, napi_value, void*, void* data) {
    const std::unique_ptr<Call> call(static_cast<Call*>(data));
    if (env != nullptr) (*call)(env);
  }

  napi_threadsafe_function function_ = nullptr;
};

#endif  // NATIVE_TO_JAVASCRIPT_H_
