// Which kernel answers. One definition is linked: freebsd_kernel.cc on FreeBSD,
// simulation/simulated_kernel.cc elsewhere.

#ifndef NATIVE_KERNEL_H_
#define NATIVE_KERNEL_H_

#include <napi.h>

const char* KernelKind();

// What only a simulated kernel offers (lib/native.ts, NativeSimulation).
void AddSimulation(Napi::Env env, Napi::Object exports);

#endif  // NATIVE_KERNEL_H_
