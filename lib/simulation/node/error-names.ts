import { refuseMethods } from '../interception.ts';
import { ECAPMODE, ENOTCAPABLE, libuvName } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { nodeBinding } from './bindings.ts';

const numbers: readonly unknown[] = [-ENOTCAPABLE, -ECAPMODE];

/**
 * Makes Node name errors 93 and 94 as on FreeBSD, where libuv has no name for them. Here they are Linux's
 * EPROTONOSUPPORT and ESOCKTNOSUPPORT, and keep those names until capability mode is on.
 */
export function nameErrorsAsOnFreeBSD(kernel: SimulatedKernel): void {
  const binding = nodeBinding('uv');
  refuseMethods(binding, ['errname', 'getErrorMessage'], (_name, _self, args) =>
    kernel.isSandboxed() && numbers.includes(args[0]) ? [libuvName(-(args[0] as number))] : undefined,
  );

  const here = (binding.getErrorMap as () => Map<unknown, unknown>).call(binding);
  const there = new Map([...here].filter(([number]) => !numbers.includes(number)));
  // Node asks for the map once and keeps it in this property, which it reads each time.
  Object.defineProperty(binding, 'errmap', { configurable: true, get: () => (kernel.isSandboxed() ? there : here) });
}
