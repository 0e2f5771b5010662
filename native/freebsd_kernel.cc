#include "kernel.h"

const char* KernelKind() { return "freebsd"; }

// The real kernel needs no help.
void AddSimulation(Napi::Env, Napi::Object) {}
