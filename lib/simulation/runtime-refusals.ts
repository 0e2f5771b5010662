import { installOnBun } from './bun/refusals.ts';
import { installOnNode } from './node/refusals.ts';
import { underBun } from './refusal-errors.ts';

/** What the refusals ask the simulated kernel. */
export interface SimulatedKernel {
  /** Tells whether capability mode is on. */
  isSandboxed(): boolean;
  /** Gives those of the needed rights that the descriptor lacks; none for a closed descriptor. */
  missingRights(fd: number, needed: readonly string[]): readonly string[];
  /** Tells the kernel that the descriptor is about to be closed. Returns what `descriptorClosed` takes. */
  descriptorClosing(fd: number): number;
  /**
   * Tells the kernel that it was closed, so that the next in its slot starts with every right. By now its number may be
   * another's, where a thread of the pool closed it.
   */
  descriptorClosed(fd: number, version: number): void;
}

// A registered symbol, so that two copies of the package in one program do not refuse everything twice.
const installed = Symbol.for('freebsd-capsule.simulation.runtime-refusals');

/**
 * Makes the runtime's own calls answer as they do on FreeBSD: calls on a descriptor need its rights, and once
 * `kernel.isSandboxed()` is true, what capability mode refuses is refused with the errors recorded in
 * `test/conformance`. Until then calls pass through unchanged. Once per JavaScript environment; more calls do nothing.
 *
 * It protects nothing: it is there to show on any machine what a program loses on FreeBSD. Throws on FreeBSD, where
 * the kernel does the refusing.
 */
export function installRuntimeRefusals(kernel: SimulatedKernel): void {
  if ((process.platform as string) === 'freebsd') {
    throw new Error('The simulated refusals must not be installed on FreeBSD: its own kernel refuses');
  }
  const marked = globalThis as { [installed]?: true };
  if (marked[installed]) return;
  if (underBun) installOnBun(kernel);
  else installOnNode(kernel);
  Object.defineProperty(globalThis, installed, { value: true });
}
