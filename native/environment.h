// What the addon keeps for one JavaScript environment (the main thread, or a
// worker). It goes when the environment goes.

#ifndef NATIVE_ENVIRONMENT_H_
#define NATIVE_ENVIRONMENT_H_

#include <napi.h>

#include <memory>

class EventThread;
class HeldDescriptors;
class OwnedProcesses;
class PoolHold;

struct Environment {
  // Instance data is made on first use.
  static Environment& Of(Napi::Env env);

  Environment();
  ~Environment();

  std::shared_ptr<PoolHold> pool_hold;
  std::shared_ptr<EventThread> event_thread;
  // Calls still under way have it too.
  std::shared_ptr<HeldDescriptors> held_descriptors;
  std::shared_ptr<OwnedProcesses> owned_processes;
};

#endif  // NATIVE_ENVIRONMENT_H_
