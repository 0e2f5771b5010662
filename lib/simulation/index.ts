import { hasRights } from '../capsicum/rights.ts';
import type { NativeSimulation } from '../native.ts';
import { installRuntimeRefusals } from './runtime-refusals.ts';

/** Lets the runtime's own calls be refused as the simulated kernel would refuse them. */
export function startSimulation(binding: NativeSimulation): void {
  installRuntimeRefusals({
    isSandboxed: () => binding.capGetMode(),
    missingRights: (fd, needed) => needed.filter((right) => !hasRights(binding, fd, right)),
    // Whatever the caller gave: the call that closes has not looked at it yet.
    descriptorClosing: (fd) => (Number.isInteger(fd) && fd >= 0 && fd <= 0x7fffffff ? binding.simulatedClosing(fd) : 0),
    descriptorClosed: (fd, version) => binding.simulatedClose(fd, version),
  });
}
