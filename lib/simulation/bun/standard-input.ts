import type { SimulatedKernel } from '../runtime-refusals.ts';

/**
 * Takes `process.stdin` away from a program that touches it for the first time in capability mode: Bun makes the
 * stream on first use and then cannot. It is made here already, since what makes it does not survive being replaced.
 */
export function refuseStandardInput(kernel: SimulatedKernel): void {
  const { stdin } = process;
  let touched = false;
  Object.defineProperty(process, 'stdin', {
    configurable: true,
    enumerable: true,
    get: () => {
      touched ||= !kernel.isSandboxed();
      return touched ? stdin : undefined;
    },
  });
}
