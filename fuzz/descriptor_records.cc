// Any bytes as the answer of kern.proc.filedesc.

#include "../native/descriptor_records.h"

#include <cstddef>
#include <cstdlib>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of its own, so that a byte too many is seen.
  const std::vector<char> table(data, data + size);
  std::vector<Descriptor> descriptors;
  if (!ParseKernelTable(table, &descriptors)) return 0;
  size_t bytes = 0;
  for (const Descriptor& descriptor : descriptors) {
    bytes += offsetof(kinfo_file, kf_path) + descriptor.path.size();
    if (descriptor.fd < 0 || descriptor.path.size() > sizeof(kinfo_file::kf_path) ||
        descriptor.path.find('\0') != std::string::npos) {
      abort();
    }
  }
  // Each was read from bytes of its own.
  if (bytes > size) abort();
  return 0;
}
