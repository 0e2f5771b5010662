// Settles a promise that JavaScript has been given, once.
//
// Not Napi::Promise::Deferred: a thread that is being ended gets no promise, and
// that crashes when it hands out or settles what it has not got.

#ifndef NATIVE_DEFERRED_H_
#define NATIVE_DEFERRED_H_

#include <napi.h>

#include <optional>

class Deferred {
 public:
  // None in a thread that is being ended. `promise` is for JavaScript.
  static std::optional<Deferred> New(Napi::Env env, Napi::Value* promise) {
    napi_deferred deferred;
    napi_value value;
    if (napi_create_promise(env, &deferred, &value) != napi_ok) return std::nullopt;
    *promise = {env, value};
    return Deferred(deferred);
  }

  // Where that cannot be done any more, nobody waits for it.
  void Resolve(Napi::Env env, Napi::Value value) const {
    napi_resolve_deferred(env, deferred_, value);
  }
  void Reject(Napi::Env env, Napi::Value reason) const {
    napi_reject_deferred(env, deferred_, reason);
  }

 private:
  explicit Deferred(napi_deferred deferred) : deferred_(deferred) {}

  napi_deferred deferred_;
};

#endif  // NATIVE_DEFERRED_H_
