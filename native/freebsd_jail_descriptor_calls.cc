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

}  // namespace

int JailRemoveDescriptor(int fd) {
  using DescriptorCall = int (*)(int);
  const auto call = KernelHasJailDescriptors()
                        ? reinterpret_cast<DescriptorCall>(dlsym(RTLD_DEFAULT, "jail_remove_jd"))
                        : nullptr;
  if (call == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  return call(fd);
}
