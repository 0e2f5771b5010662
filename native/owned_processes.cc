#include "owned_processes.h"

#include <sys/capsicum.h>
#include <sys/procdesc.h>

#include <cerrno>
#include <memory>

#include "child_calls.h"
#include "environment.h"

OwnedProcesses& OwnedProcesses::Of(Napi::Env env) {
  Environment& environment = Environment::Of(env);
  if (!environment.owned_processes) {
    auto owned = std::make_shared<OwnedProcesses>();
    environment.owned_processes = owned;
    env.AddCleanupHook([owned] { owned->CloseAll(); });
  }
  return *environment.owned_processes;
}

int OwnedProcesses::Check(int fd) const {
  pid_t pid = 0;
  if (pdgetpid(fd, &pid) != 0) return errno == ENOTCAPABLE ? 0 : errno;
  // What was added without its number had not the right to tell it, and rights
  // do not grow.
  const auto found = processes_.find(fd);
  return found != processes_.end() && found->second == pid ? 0 : EBADF;
}

int OwnedProcesses::Close(int fd) {
  const int error = Check(fd);
  processes_.erase(fd);
  if (error != 0) return error;
  child_calls::CloseProcess(fd);
  return 0;
}

void OwnedProcesses::CloseAll() {
  for (const auto& [fd, owned] : processes_) {
    // Closed past us, the number may be somebody else's by now.
    pid_t pid = 0;
    if (pdgetpid(fd, &pid) == 0 && pid == owned) child_calls::CloseProcess(fd);
  }
  processes_.clear();
}
