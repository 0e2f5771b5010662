import childProcess from 'node:child_process';
import { refuseMethods } from '../interception.ts';
import { describedError, ECAPMODE, pathText, systemError } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { refuseWorkingDirectory } from '../working-directory.ts';

function signalError(): Error {
  const properties = { syscall: 'kill', errno: ECAPMODE, code: 'ECAPMODE' };
  return describedError('kill() failed: ECAPMODE: Not permitted in capability mode', properties);
}

/** Refuses starting and signalling processes, and what a process asks the system about itself. */
export function refuseProcessCalls(kernel: SimulatedKernel): void {
  const { Bun } = globalThis as unknown as { Bun: object };
  // Every function of node:child_process ends in one of these two.
  refuseMethods(Bun, ['spawn', 'spawnSync'], (_name, _self, args) => {
    if (!kernel.isSandboxed()) return undefined;
    const [first] = args as [unknown[] | { cmd?: unknown[]; file?: unknown }];
    const file = Array.isArray(first) ? first[0] : (first?.cmd?.[0] ?? first?.file);
    throw systemError(ECAPMODE, { syscall: 'posix_spawn', path: pathText(file) });
  });
  refuseMethods(process, ['kill'], (_name, _self, args) => {
    if (!kernel.isSandboxed() || args[0] === process.pid || typeof args[0] !== 'number') return undefined;
    throw signalError();
  });
  // Not recorded for a child's own method: answered as Node's does, false and an 'error' event.
  refuseMethods(childProcess.ChildProcess.prototype, ['kill'], (_name, self) => {
    if (!kernel.isSandboxed()) return undefined;
    setImmediate(() => (self as childProcess.ChildProcess).emit('error', signalError()));
    return [false];
  });

  const refuseMemory = (): undefined => {
    if (!kernel.isSandboxed()) return undefined;
    throw describedError('Failed to get memory usage', { syscall: 'memoryUsage', errno: 1 });
  };
  refuseMethods(process.memoryUsage, ['rss'], refuseMemory);
  refuseMethods(process, ['memoryUsage'], refuseMemory);

  const start = process.cwd();
  refuseWorkingDirectory(kernel, {
    cwd: () =>
      describedError('ECAPMODE: process.cwd failed with error unknown error, uv_cwd', {
        syscall: 'uv_cwd',
        errno: -ECAPMODE,
        code: 'ECAPMODE',
      }),
    chdir: (to, from) => systemError(ECAPMODE, { syscall: 'chdir', path: from === '' ? start : from, dest: to }),
  });
}
