import { loadedBinding, native } from '../binding.ts';
import { workerUnsupported } from '../errors.ts';
import { workerThreads } from '../runtime-modules.ts';

/**
 * Enters capability mode, irreversibly, with the whole process: every thread, and every child it starts later.
 *
 * From here on the kernel refuses global names: opening, connecting, binding, executing and signalling by path, address
 * or process number. Descriptors keep working, with the rights they have; limit them first, or let `seal()` do both. A
 * system call that another thread is inside at this moment finishes as if nothing had happened.
 *
 * @throws `ENOSYS` when the kernel has no capability mode or there is no FreeBSD kernel;
 * `ERR_WORKER_UNSUPPORTED_OPERATION` in a worker thread
 * @see [cap_enter(2)](https://man.freebsd.org/cgi/man.cgi?query=cap_enter&sektion=2)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs';
 * import { enter } from 'freebsd-capsule';
 * enter();
 * readFileSync('/etc/passwd'); // throws: errno -94, ECAPMODE
 * ```
 */
export function enter(): void {
  if (!workerThreads().isMainThread) throw workerUnsupported('enter()');
  native('cap_enter').capEnter();
}

/**
 * Tells whether this process is in capability mode.
 *
 * @throws `ENOSYS` when there is no FreeBSD kernel to ask
 * @see [cap_getmode(2)](https://man.freebsd.org/cgi/man.cgi?query=cap_getmode&sektion=2)
 * @since FreeBSD 14.0
 */
export function isSandboxed(): boolean {
  return native('cap_getmode').capGetMode();
}

/** Like `isSandboxed`, but false where there is no kernel to ask, and it never loads the addon: for explaining errors. */
export function isSandboxedQuietly(): boolean {
  return loadedBinding()?.capGetMode() ?? false;
}
