#include "environment.h"

#include "event_thread.h"
#include "held_descriptors.h"
#include "owned_processes.h"
#include "thread_pool.h"

Environment& Environment::Of(Napi::Env env) {
  auto* environment = env.GetInstanceData<Environment>();
  if (environment == nullptr) {
    environment = new Environment();
    env.SetInstanceData(environment);
  }
  return *environment;
}

Environment::Environment() : held_descriptors(std::make_shared<HeldDescriptors>()) {}

Environment::~Environment() { held_descriptors->CloseAll(); }
