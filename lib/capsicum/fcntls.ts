import { native } from '../binding.ts';
import { type DescriptorLike, toFd } from '../descriptor.ts';
import { invalidArgType, invalidArgValue } from '../errors.ts';

/** The fcntl(2) commands that a descriptor can be limited to: CAP_FCNTL_* is `1 << F_*`. */
const FCNTLS = { getfl: 8, setfl: 16, getown: 32, setown: 64 } as const;

/** A command of fcntl(2) that needs the right `fcntl`: `F_GETFL`, `F_SETFL`, `F_GETOWN`, `F_SETOWN`. */
export type FcntlCommand = keyof typeof FCNTLS;

/** Turns the argument of `limitFcntls` into a mask. */
export function fcntlMask(commands: unknown, name = 'commands'): number {
  if (typeof commands !== 'object' || commands === null || !(Symbol.iterator in commands)) {
    throw invalidArgType(name, 'an iterable of names of fcntl commands', commands);
  }
  let mask = 0;
  for (const command of commands as Iterable<unknown>) {
    if (typeof command !== 'string') throw invalidArgType(`${name}[]`, 'of type string', command);
    if (!Object.hasOwn(FCNTLS, command)) {
      throw invalidArgValue(name, command, "is none of 'getfl', 'setfl', 'getown', 'setown'");
    }
    mask |= FCNTLS[command as FcntlCommand];
  }
  return mask;
}

/** Names what is in a mask. */
export function fcntlNames(mask: number): FcntlCommand[] {
  return (Object.keys(FCNTLS) as FcntlCommand[]).filter((command) => (mask & FCNTLS[command]) !== 0);
}

/**
 * Limits the fcntl(2) commands of a descriptor, for good. They also need the right `fcntl`.
 *
 * @param commands any of `'getfl'`, `'setfl'`, `'getown'`, `'setown'`; none at all is allowed
 * @throws `ENOTCAPABLE` when a command is not allowed now; `EBADF` when the descriptor is not open
 * @see [cap_fcntls_limit(2)](https://man.freebsd.org/cgi/man.cgi?query=cap_fcntls_limit&sektion=2)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { limitFcntls } from 'freebsd-capsule';
 * limitFcntls(0, ['getfl']);
 * limitFcntls(0, ['getfl', 'setfl']); // throws ENOTCAPABLE
 * ```
 */
export function limitFcntls(fd: DescriptorLike, commands: Iterable<FcntlCommand>): void {
  const number = toFd(fd);
  const mask = fcntlMask(commands);
  native('cap_fcntls_limit').capFcntlsLimit(number, mask);
}

/**
 * Returns the fcntl(2) commands that a descriptor allows.
 *
 * @throws `EBADF` when the descriptor is not open
 * @see [cap_fcntls_get(2)](https://man.freebsd.org/cgi/man.cgi?query=cap_fcntls_get&sektion=2)
 * @since FreeBSD 14.0
 */
export function getFcntls(fd: DescriptorLike): readonly FcntlCommand[] {
  const number = toFd(fd);
  const mask = native('cap_fcntls_get').capFcntlsGet(number);
  return fcntlNames(mask);
}
