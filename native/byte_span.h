#ifndef NATIVE_BYTE_SPAN_H_
#define NATIVE_BYTE_SPAN_H_

#include <cstddef>
#include <cstdint>

// Bytes that belong to a Uint8Array; null where the list had null.
struct ByteSpan {
  uint8_t* data = nullptr;
  size_t size = 0;
};

#endif  // NATIVE_BYTE_SPAN_H_
