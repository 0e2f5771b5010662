#include "owned_processes.h"

#include <fcntl.h>
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

int OwnedProcesses::Close(int fd) {
  processes_.erase(fd);
  if (fcntl(fd, F_GETFD) < 0) return errno;
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
