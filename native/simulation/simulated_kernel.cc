#include "../addon.h"
#include "../arguments.h"
#include "../kernel.h"
#include "descriptor_table.h"
#include "processes.h"

namespace {

Napi::Value SimulatedClose(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  simulation::DescriptorTable().Forget(fd);
  simulation::ProcessClosed(fd);
  return info.Env().Undefined();
}

}  // namespace

const char* KernelKind() { return "simulated"; }

void AddSimulation(Napi::Env env, Napi::Object exports) {
  AddFunction<SimulatedClose>(env, exports, "simulatedClose");
}
