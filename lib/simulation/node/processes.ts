import { refuseMethods } from '../interception.ts';
import { describedError, ECAPMODE, systemError } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { refuseWorkingDirectory } from '../working-directory.ts';
import { bindingPrototype, nodeBinding } from './bindings.ts';

/** Refuses starting and signalling processes, and what a process asks the system about itself. */
export function refuseProcessCalls(kernel: SimulatedKernel): void {
  const child = bindingPrototype('process_wrap', 'Process');
  // A child is never the process itself, the only one that may be signalled.
  refuseMethods(child, ['spawn', 'kill'], () => (kernel.isSandboxed() ? [-ECAPMODE] : undefined));
  refuseMethods(nodeBinding('spawn_sync'), ['spawn'], () =>
    kernel.isSandboxed() ? [{ error: -ECAPMODE, pid: 0, status: null, signal: null, output: null }] : undefined,
  );
  refuseMethods(process, ['_kill'], (_name, _self, args) =>
    kernel.isSandboxed() && args[0] !== process.pid ? [-ECAPMODE] : undefined,
  );

  // The sysctl behind it answers EPERM, not ECAPMODE.
  const refuseMemory = (): undefined => {
    if (!kernel.isSandboxed()) return undefined;
    const syscall = 'uv_resident_set_memory';
    throw describedError(`EPERM: operation not permitted, ${syscall}`, { errno: -1, code: 'EPERM', syscall });
  };
  refuseMethods(process.memoryUsage, ['rss'], refuseMemory);
  refuseMethods(process, ['memoryUsage'], refuseMemory);

  refuseWorkingDirectory(kernel, {
    cwd: () => systemError(ECAPMODE, { syscall: 'uv_cwd' }),
    // Node prints whatever is in the buffer that the refused getcwd(3) left alone.
    chdir: (to) => systemError(ECAPMODE, { syscall: 'chdir', path: '', dest: to }),
  });
}
