#include <dlfcn.h>
#include <sys/types.h>
// Keep this order: sys/sysctl.h needs sys/types.h.
#include <sys/sysctl.h>

#include <cerrno>

#include "jail_descriptor_calls.h"

namespace {

// A new libc may run on an old kernel (a 15 jail on a 14 host): the kernel is
// asked as well as the library.
bool KernelHasJailDescriptors() {
  int osreldate = 0;
  size_t length = sizeof(osreldate);
  return sysctlbyname("kern.osreldate", &osreldate, &length, nullptr, 0) == 0 &&
         osreldate >= 1500000;
}

int Call(const char* name, int fd) {
  using DescriptorCall = int (*)(int);
  const auto call = KernelHasJailDescriptors()
                        ? reinterpret_cast<DescriptorCall>(dlsym(RTLD_DEFAULT, name))
                        : nullptr;
  if (call == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  return call(fd);
}

}  // namespace

int JailAttachDescriptor(int fd) { return Call("jail_attach_jd", fd); }
int JailRemoveDescriptor(int fd) { return Call("jail_remove_jd", fd); }
