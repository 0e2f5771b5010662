/**
 * The least that each kind of descriptor needs for a Node or Bun process to go on using it, as `seal` gives it.
 *
 * Found by trial on FreeBSD 15.1 with Node 20.19 (libuv 1.46) and Bun 1.4; `test/kernel/seal-server.kernel.ts`
 * and `seal-process.kernel.ts` run with these and show what a right of them is for.
 */

import type { FcntlCommand } from '../capsicum/fcntls.ts';
import type { IoctlName } from '../capsicum/ioctls.ts';
import { type Right, Rights } from '../capsicum/rights.ts';
import type { DescriptorIdentity } from './inventory.ts';

/** What a descriptor is limited to. Ioctls and fcntls are limited to lists, empty where there is no such right. */
export interface Limits {
  /** The rights that are left. */
  readonly rights: Rights;
  /** The ioctls that are allowed, or `'all'`. */
  readonly ioctls: 'all' | readonly (IoctlName | number)[];
  /** The fcntls that are allowed. */
  readonly fcntls: readonly FcntlCommand[];
}

const underBun = process.versions.bun !== undefined;

function limits(rights: readonly Right[], ioctls: readonly IoctlName[] = [], fcntls: readonly FcntlCommand[] = []) {
  return { rights: Rights.from(rights), ioctls, fcntls };
}

/** What a connection needs: read, write, half-close, wait, and the options that http sets on it. */
const CONNECTION: readonly Right[] = ['read', 'write', 'event', 'shutdown', 'setsockopt', 'getpeername', 'getsockname'];

/** Node restores the flags of its standard streams at exit, and aborts when it may not look at them. */
const STDIO_FCNTLS: readonly FcntlCommand[] = ['getfl', 'setfl'];

/** Reading the terminal's state and size, switching raw mode, restoring it at exit. Not TIOCSTI, which types for the user. */
const TTY_IOCTLS: readonly IoctlName[] = [
  'TIOCGETA',
  'TIOCSETA',
  'TIOCSETAW',
  'TIOCSETAF',
  'TIOCGWINSZ',
  'FIONBIO',
  'FIODTYPE',
  'FIODGNAME',
  'TIOCGPTN',
];

function transfer({ access }: DescriptorIdentity): Right[] {
  switch (access) {
    case 'read':
      return ['read'];
    case 'write':
      return ['write'];
    case 'none':
      return [];
    default:
      return ['read', 'write'];
  }
}

/** Standard input is read, the others are written, even where both were possible; a socket is one for both ways. */
function stdioTransfer(descriptor: DescriptorIdentity): Right[] {
  const both = transfer(descriptor);
  if (descriptor.fd > 2 || 'listening' in descriptor) return both;
  const direction = descriptor.fd === 0 ? 'read' : 'write';
  return both.filter((right) => right === direction);
}

function ofStdio(descriptor: DescriptorIdentity): Limits {
  const rights: Right[] = [...stdioTransfer(descriptor), 'event', 'fstat', 'fcntl'];
  switch (descriptor.kind) {
    case 'tty':
      return limits([...rights, 'ioctl'], TTY_IOCTLS, STDIO_FCNTLS);
    case 'tcp':
    case 'unix':
    case 'socket':
      return limits([...rights, 'shutdown', 'getsockname', 'getsockopt'], [], STDIO_FCNTLS);
    case 'file':
      // Bun reads a file on standard input by pread(2).
      return limits(underBun && descriptor.fd === 0 ? [...rights, 'seek'] : rights, [], STDIO_FCNTLS);
    default:
      return limits(rights, [], STDIO_FCNTLS);
  }
}

/** Returns the least for a descriptor's kind and use. */
export function leastLimits(descriptor: DescriptorIdentity): Limits {
  if (descriptor.owner === 'stdio') return ofStdio(descriptor);
  switch (descriptor.kind) {
    case 'tcp':
      // Connections have what the socket that accepted them has.
      return limits(descriptor.listening === true ? ['accept', ...CONNECTION] : CONNECTION);
    case 'unix': {
      const rights = CONNECTION.filter((right) => right !== 'setsockopt');
      return limits(descriptor.listening === true ? ['accept', ...rights] : rights);
    }
    case 'udp':
      // Without connect: to send to an address of one's choice is refused in capability mode anyway.
      return limits(['read', 'write', 'event', 'setsockopt', 'getsockname', 'getpeername']);
    case 'kqueue':
      return limits(['kqueue', 'event']);
    case 'pipe':
    case 'fifo':
      return limits([...transfer(descriptor), 'event']);
    case 'event':
      return limits(['read', 'write', 'event']);
    case 'timer':
    case 'inotify':
      return limits(['read', 'event']);
    case 'file':
      return limits([...transfer(descriptor), 'seek', 'fstat']);
    case 'tty':
    case 'device':
      // /dev/null is only held, so that its number is free when descriptors run out.
      return descriptor.owner === 'runtime' && descriptor.path === '/dev/null'
        ? limits([])
        : limits([...transfer(descriptor), 'event', 'fstat']);
    case 'process':
      return limits(['pdgetpid', 'pdkill', 'pdwait', 'event']);
    case 'jail':
      // Jail system calls ignore the rights of a jail descriptor; capability mode refuses them all.
      return limits(['event']);
    case 'shm':
      return limits(descriptor.access === 'read' ? ['mmap_r', 'fstat'] : ['mmap_rw', 'fstat']);
    case 'mqueue':
      return limits([...transfer(descriptor), 'event']);
    case 'semaphore':
      return limits(['sem_post', 'sem_wait', 'sem_getvalue']);
    default:
      // A directory would open files for native code; what is of no known kind gets nothing either.
      return limits([]);
  }
}
