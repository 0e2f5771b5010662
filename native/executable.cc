#include "executable.h"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

Executable KindOfExecutable(int fd) {
  // Reading a device takes from it, and may wait; nothing but a file is executed.
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return Executable::kUnknown;
  Elf64_Ehdr header;
  const ssize_t size = pread(fd, &header, sizeof(header), 0);
  if (size < 0) return Executable::kUnknown;
  if (size >= 2 && memcmp(&header, "#!", 2) == 0) return Executable::kScript;
  if (size != sizeof(header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return Executable::kStatic;
  }
  for (size_t i = 0; i < header.e_phnum; i++) {
    Elf64_Phdr segment;
    const auto offset = static_cast<off_t>(header.e_phoff + i * header.e_phentsize);
    if (pread(fd, &segment, sizeof(segment), offset) != sizeof(segment)) break;
    if (segment.p_type == PT_INTERP) return Executable::kDynamic;
  }
  return Executable::kStatic;
}
