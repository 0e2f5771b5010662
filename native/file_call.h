// A call on files, in two forms: "name" makes it at once, "nameAsync" on a
// thread of the runtime's pool and returns a promise.
//
// A call is a class made from its arguments. Run() makes the system call, on
// whichever thread, and leaves an errno value in `error`; Value() is what
// JavaScript gets; Error() is for it when `error` is not 0.
//
// A call that is under way when its worker thread is ended comes back while the
// environment goes, and nobody waits for it any more. Then what makes a value
// may make none, at any moment: an array without memory, for one.

#ifndef NATIVE_FILE_CALL_H_
#define NATIVE_FILE_CALL_H_

#include <napi.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "addon.h"
#include "arguments.h"
#include "deferred.h"
#include "system_error.h"

class FileCall {
 public:
  int error = 0;

  Napi::Error Error(Napi::Env env) const {
    return MakeFileError(env, error, syscall_, after_open_ ? nullptr : &path_, dest_);
  }

 protected:
  // Repeats what a signal interrupted.
  template <class Function>
  auto Try(Function function) {
    auto result = function();
    while (result < 0 && errno == EINTR) result = function();
    error = result < 0 ? errno : 0;
    return result;
  }

  // What an error is to say.
  const char* syscall_ = "";
  std::string path_;
  std::string dest_;
  // The call that failed was one on a file already open: Node then names none.
  bool after_open_ = false;
};

template <class Call>
class FileCallWorker : public Napi::AsyncWorker {
 public:
  FileCallWorker(Napi::Env env, Deferred deferred, Call call)
      : Napi::AsyncWorker(env, "freebsd-capsule:file"),
        deferred_(deferred),
        call_(std::move(call)) {}

  void Execute() override { call_.Run(); }
  void OnOK() override {
    if (call_.error != 0) {
      deferred_.Reject(Env(), call_.Error(Env()).Value());
    } else {
      deferred_.Resolve(Env(), call_.Value(Env()));
    }
  }
  // Execute() fails only when it did not run: the environment is going away.
  void OnError(const Napi::Error& reason) override { deferred_.Reject(Env(), reason.Value()); }

 private:
  Deferred deferred_;
  Call call_;
};

template <class Call>
Napi::Value MakeFileCall(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Call call(arguments);
  if (arguments.failed()) return {};
  call.Run();
  if (call.error == 0) return call.Value(info.Env());
  call.Error(info.Env()).ThrowAsJavaScriptException();
  return {};
}

template <class Call>
Napi::Value QueueFileCall(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Call call(arguments);
  if (arguments.failed()) return {};
  Napi::Value promise;
  const std::optional<Deferred> deferred = Deferred::New(info.Env(), &promise);
  if (!deferred) return {};
  // Deletes itself when done.
  (new FileCallWorker<Call>(info.Env(), *deferred, std::move(call)))->Queue();
  return promise;
}

template <class Call>
void AddFileCall(Napi::Env env, Napi::Object exports, const std::string& name) {
  AddFunction<MakeFileCall<Call>>(env, exports, name.c_str());
  AddFunction<QueueFileCall<Call>>(env, exports, (name + "Async").c_str());
}

#endif  // NATIVE_FILE_CALL_H_
