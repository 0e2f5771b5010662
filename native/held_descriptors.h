// The descriptors of files and jails that calls gave to JavaScript and that it
// has not closed yet. When the environment goes (a worker thread is terminated, also in
// the middle of a call), nobody else would close them.

#ifndef NATIVE_HELD_DESCRIPTORS_H_
#define NATIVE_HELD_DESCRIPTORS_H_

#include <set>

// Used on the thread of its environment only.
class HeldDescriptors {
 public:
  HeldDescriptors() = default;
  HeldDescriptors(const HeldDescriptors&) = delete;
  ~HeldDescriptors() { CloseAll(); }

  // Once all are closed it keeps no more, and closes what is given to it.
  void Keep(int fd);
  // Somebody else closes it from now on.
  void Release(int fd) { held_.erase(fd); }
  void CloseAll();

 private:
  std::set<int> held_;
  bool over_ = false;
};

#endif  // NATIVE_HELD_DESCRIPTORS_H_
