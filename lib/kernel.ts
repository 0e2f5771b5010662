import { inspect } from 'node:util';
import { kernelKind, native } from './binding.ts';

/** What answers this package's calls. */
export interface Kernel {
  /** `'freebsd'`: the real kernel. `'simulated'`: the one for development, which protects nothing. `'none'`: neither. */
  readonly kind: 'freebsd' | 'simulated' | 'none';
  /** `kern.osrelease`, for example `'15.1-RELEASE-p1'`; empty when `kind` is `'none'`. */
  readonly release: string;
  /** `kern.osreldate`, for example 1501000; 0 when `kind` is `'none'`. A jail may have been given another value. */
  readonly osreldate: number;
}

function read(): Kernel {
  const kind = kernelKind();
  if (kind === 'none') return { kind, release: '', osreldate: 0 };
  const binding = native('sysctl');
  return { kind, release: binding.kernelRelease(), osreldate: binding.kernelOsreldate() };
}

/**
 * Tells which kernel answers, and of which release.
 *
 * Read when asked for, not at import: on FreeBSD the first read loads the addon and throws `ENOSYS` if there is none.
 *
 * @see [uname(1)](https://man.freebsd.org/cgi/man.cgi?query=uname&sektion=1)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { kernel } from 'freebsd-capsule';
 * if (kernel.kind !== 'freebsd') console.warn('nothing is protected here');
 * ```
 */
export const kernel: Kernel = Object.freeze({
  get kind() {
    return kernelKind();
  },
  get release() {
    return read().release;
  },
  get osreldate() {
    return read().osreldate;
  },
  toJSON: read,
  [inspect.custom]: read,
});
