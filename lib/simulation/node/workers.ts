import workerThreads from 'node:worker_threads';
import { ECAPMODE, libuvName, systemError } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';

/**
 * Refuses new workers. Nothing is thrown by `new Worker`: the thread starts, fails while it sets itself up, before any
 * code of the program runs in it, and the failure arrives as an 'error' event.
 */
export function refuseWorkers(kernel: SimulatedKernel): void {
  workerThreads.Worker = new Proxy(workerThreads.Worker, {
    construct(target, args, newTarget) {
      const [script, options] = args as [unknown, workerThreads.WorkerOptions | undefined];
      // Wrong arguments are found before anything is refused.
      if (!kernel.isSandboxed() || !(typeof script === 'string' || script instanceof URL)) {
        return Reflect.construct(target, args, newTarget);
      }
      const { stdin, stdout, stderr } = options ?? {};
      const failing = [failingScript(startFailure()), { eval: true, stdin, stdout, stderr }];
      return withoutOnline(Reflect.construct(target, failing, newTarget));
    },
  });
}

/** From libuv 1.49 on, the new thread's event loop opens a file; before, the first to fail is its `process.cwd()`. */
function startFailure(): NodeJS.ErrnoException {
  const [major = 0, minor = 0] = process.versions.uv.split('.').map(Number);
  if (major === 1 && minor < 49) return systemError(ECAPMODE, { syscall: 'uv_cwd' });
  const error = new Error(`Worker initialization failure: ${libuvName(ECAPMODE)}`);
  return Object.assign(error, { code: 'ERR_WORKER_INIT_FAILED' });
}

function failingScript(error: NodeJS.ErrnoException): string {
  return `throw Object.assign(new Error(${JSON.stringify(error.message)}), ${JSON.stringify({ ...error })})`;
}

/** The stand-in thread does start, which the real one never gets to. */
function withoutOnline(worker: workerThreads.Worker): workerThreads.Worker {
  const { emit } = worker;
  worker.emit = function (this: workerThreads.Worker, ...args: unknown[]) {
    return args[0] === 'online' ? false : Reflect.apply(emit as (...args: unknown[]) => boolean, this, args);
  } as typeof worker.emit;
  return worker;
}
