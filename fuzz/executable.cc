// Any bytes as a file to execute.

#include "../native/executable.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = memfd_create("fuzz", 0);
  if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) abort();
  const Executable kind = KindOfExecutable(file);
  if ((kind == Executable::kScript) != (size >= 2 && data[0] == '#' && data[1] == '!')) abort();
  return 0;
}
