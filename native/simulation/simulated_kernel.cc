#include "../addon.h"
#include "../arguments.h"
#include "../kernel.h"
#include "descriptor_table.h"
#include "jail_tree.h"
#include "processes.h"

namespace {

Napi::Value SimulatedClosing(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  if (arguments.failed()) return {};
  return Napi::Number::New(info.Env(), simulation::DescriptorTable().VersionOf(fd));
}

Napi::Value SimulatedClose(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.Int32(0);
  const uint32_t version = arguments.Uint32(1);
  if (arguments.failed()) return {};
  {
    simulation::DescriptorTable table;
    if (table.VersionOf(fd) == version) table.Forget(fd);
  }
  simulation::ProcessClosed(fd);
  // A look at the tree notices that a jail's descriptor is gone.
  simulation::JailTree tree;
  return info.Env().Undefined();
}

}  // namespace

const char* KernelKind() { return "simulated"; }

void AddSimulation(Napi::Env env, Napi::Object exports) {
  simulation::OfferJailEvents();
  AddFunction<SimulatedClosing>(env, exports, "simulatedClosing");
  AddFunction<SimulatedClose>(env, exports, "simulatedClose");
}
