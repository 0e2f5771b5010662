// The process descriptors that belong to a JavaScript environment. A worker that
// ends closes nothing of its own accord: its children would go on, and nobody
// could end them. So they go as they do when a process ends.

#ifndef NATIVE_OWNED_PROCESSES_H_
#define NATIVE_OWNED_PROCESSES_H_

#include <napi.h>
#include <sys/types.h>

#include <map>

class OwnedProcesses {
 public:
  static OwnedProcesses& Of(Napi::Env env);

  void Add(int fd, pid_t pid) { processes_[fd] = pid; }
  // A descriptor that is held although its process's number is not to be had.
  void AddUnknown(int fd) { processes_.erase(fd); }
  // Whether `fd` is the descriptor still that was added, and not another's since
  // somebody closed it: 0, or an errno value. Without the right pdgetpid nobody
  // can tell, and it counts as the same.
  int Check(int fd) const;
  // Closes a descriptor that is the one that was added; 0 or an errno value.
  int Close(int fd);
  void CloseAll();

 private:
  std::map<int, pid_t> processes_;
};

#endif  // NATIVE_OWNED_PROCESSES_H_
