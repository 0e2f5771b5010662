import { native } from '../binding.ts';
import { type DescriptorLike, toFd } from '../descriptor.ts';
import { checkInteger, invalidArgType, invalidArgValue } from '../errors.ts';

/** The ioctls with a name here, with FreeBSD's numbers. The addon has the same list from the headers; a test compares. */
export const IOCTLS = {
  FIOCLEX: 0x20006601,
  FIONCLEX: 0x20006602,
  FIONREAD: 0x4004667f,
  FIONBIO: 0x8004667e,
  FIOASYNC: 0x8004667d,
  FIODTYPE: 0x4004667a,
  FIODGNAME: 0x80106678,
  TIOCGETA: 0x402c7413,
  TIOCSETA: 0x802c7414,
  TIOCSETAW: 0x802c7415,
  TIOCSETAF: 0x802c7416,
  TIOCGWINSZ: 0x40087468,
  TIOCGPTN: 0x4004740f,
} as const;

/** The name of an ioctl as in `sys/filio.h` and `sys/ttycom.h`. */
export type IoctlName = keyof typeof IOCTLS;

/** An ioctl: its name, or its number when it has none here. */
export type IoctlCommand = IoctlName | number;

const NAMES: ReadonlyMap<number, IoctlName> = new Map(
  Object.entries(IOCTLS).map(([name, command]) => [command, name as IoctlName]),
);

const IOCTLS_MAX_COUNT = 256;

/** Turns the argument of `limitIoctls` into numbers; `null` is `'all'`. */
export function ioctlNumbers(commands: unknown, name = 'commands'): number[] | null {
  if (commands === 'all') return null;
  if (typeof commands !== 'object' || commands === null || !(Symbol.iterator in commands)) {
    throw invalidArgType(name, "'all' or an iterable of names or numbers of ioctls", commands);
  }
  const numbers = Array.from(commands as Iterable<unknown>, (command) => {
    if (typeof command === 'string') {
      const number = Object.hasOwn(IOCTLS, command) ? IOCTLS[command as IoctlName] : undefined;
      if (number === undefined) {
        throw invalidArgValue(name, command, 'has no ioctl of that name; pass its number');
      }
      return number;
    }
    if (typeof command !== 'number') throw invalidArgType(`${name}[]`, 'of type string or number', command);
    checkInteger(`${name}[]`, command, 0, 2 ** 32 - 1);
    return command;
  });
  // The kernel counts duplicates; a set has none.
  const unique = [...new Set(numbers)];
  if (unique.length > IOCTLS_MAX_COUNT) {
    throw invalidArgValue(name, commands, `has ${unique.length} ioctls; the kernel keeps at most ${IOCTLS_MAX_COUNT}`);
  }
  return unique;
}

/**
 * Limits the ioctl(2) commands of a descriptor, for good. Only commands of this list, and only while the descriptor has
 * the right `ioctl`, are allowed afterwards.
 *
 * @param commands names or numbers; none at all is allowed; `'all'` keeps a descriptor that was never limited as it is
 * @throws `ENOTCAPABLE` when a command is not allowed now (also for `'all'` when there is a list); `EBADF`
 * @see [cap_ioctls_limit(2)](https://man.freebsd.org/cgi/man.cgi?query=cap_ioctls_limit&sektion=2)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { limitIoctls } from 'freebsd-capsule';
 * limitIoctls(1, ['TIOCGWINSZ']);
 * limitIoctls(1, ['TIOCGWINSZ', 'TIOCSETA']); // throws ENOTCAPABLE
 * ```
 */
export function limitIoctls(fd: DescriptorLike, commands: 'all' | Iterable<IoctlCommand>): void {
  const number = toFd(fd);
  const numbers = ioctlNumbers(commands);
  native('cap_ioctls_limit').capIoctlsLimit(number, numbers);
}

/**
 * Returns the ioctl(2) commands a descriptor is limited to, or `'all'` when it never was.
 *
 * @throws `EBADF` when the descriptor is not open
 * @see [cap_ioctls_get(2)](https://man.freebsd.org/cgi/man.cgi?query=cap_ioctls_get&sektion=2)
 * @since FreeBSD 14.0
 */
export function getIoctls(fd: DescriptorLike): 'all' | readonly IoctlCommand[] {
  const number = toFd(fd);
  const commands = native('cap_ioctls_get').capIoctlsGet(number);
  return commands === null ? 'all' : commands.map((command) => NAMES.get(command) ?? command);
}
