import { native } from '../binding.ts';
import { type FcntlCommand, getFcntls } from '../capsicum/fcntls.ts';
import { getIoctls, type IoctlCommand } from '../capsicum/ioctls.ts';
import { getRights, type Rights } from '../capsicum/rights.ts';
import type { NativeDescriptor } from '../native.ts';

/** What a descriptor stands for. `'event'` is eventfd(2), `'process'` pdfork(2); `'unknown'` is what the kernel does not tell. */
export type DescriptorKind =
  | 'file'
  | 'directory'
  | 'tty'
  | 'device'
  | 'fifo'
  | 'pipe'
  | 'tcp'
  | 'udp'
  | 'unix'
  | 'socket'
  | 'kqueue'
  | 'event'
  | 'timer'
  | 'inotify'
  | 'process'
  | 'jail'
  | 'shm'
  | 'semaphore'
  | 'mqueue'
  | 'unknown';

/**
 * Who uses a descriptor, as far as that can be known: `'stdio'` (0, 1, 2, and the runtime's own copies of a terminal),
 * `'runtime'` (event queues, pipes with both ends in this process, /dev/null, /dev/random), `'server'` and `'socket'`
 * (named in a plan, or accepted by a server of the plan), `'caller'` (everything else, inherited ones included).
 */
export type DescriptorOwner = 'stdio' | 'runtime' | 'server' | 'socket' | 'caller';

/** What an open descriptor is: what the table of the kernel tells of it. */
export interface DescriptorIdentity {
  /** Its number in this process. */
  readonly fd: number;
  /** What it is open on. */
  readonly kind: DescriptorKind;
  /** Who uses it. */
  readonly owner: DescriptorOwner;
  /** Path of a file, directory, device, fifo; absent where the kernel does not know it (any more). */
  readonly path?: string;
  /** `address:port`, `[address]:port` or a path, of a socket that is bound. */
  readonly local?: string;
  /** The same of the other end. */
  readonly peer?: string;
  /** Whether a socket accepts connections. */
  readonly listening?: boolean;
  /** Process of a process descriptor. */
  readonly pid?: number;
  /** Jail of a jail descriptor. */
  readonly jid?: number;
  /** How it was opened; `'unknown'` where the kernel does not tell (in capability mode, without the right `fcntl`). */
  readonly access: 'none' | 'read' | 'write' | 'read-write' | 'unknown';
  /** Whether a program that this process executes is without it. */
  readonly closeOnExec: boolean;
}

/** One open descriptor of this process. */
export interface DescriptorInfo extends DescriptorIdentity {
  /** The rights it has; all of them, unless it was limited. */
  readonly rights: Rights;
  /** The ioctls that are allowed on it; `'all'` unless it was limited. */
  readonly ioctls: 'all' | readonly IoctlCommand[];
  /** The fcntls that are allowed on it. */
  readonly fcntls: readonly FcntlCommand[];
}

/** KF_TYPE_* of sys/user.h. */
const KF_TYPE = {
  VNODE: 1,
  SOCKET: 2,
  PIPE: 3,
  FIFO: 4,
  KQUEUE: 5,
  MQUEUE: 7,
  SHM: 8,
  SEM: 9,
  PTS: 10,
  PROCDESC: 11,
  DEV: 12,
  EVENTFD: 13,
  TIMERFD: 14,
  INOTIFY: 15,
  JAILDESC: 16,
} as const;

const KIND_OF_TYPE: ReadonlyMap<number, DescriptorKind> = new Map([
  [KF_TYPE.PIPE, 'pipe'],
  [KF_TYPE.FIFO, 'fifo'],
  [KF_TYPE.KQUEUE, 'kqueue'],
  [KF_TYPE.MQUEUE, 'mqueue'],
  [KF_TYPE.SHM, 'shm'],
  [KF_TYPE.SEM, 'semaphore'],
  [KF_TYPE.PTS, 'tty'],
  [KF_TYPE.PROCDESC, 'process'],
  [KF_TYPE.DEV, 'device'],
  [KF_TYPE.EVENTFD, 'event'],
  [KF_TYPE.TIMERFD, 'timer'],
  [KF_TYPE.INOTIFY, 'inotify'],
  [KF_TYPE.JAILDESC, 'jail'],
]);

/** KF_VTYPE_* of sys/user.h. */
const KIND_OF_VNODE: ReadonlyMap<number, DescriptorKind> = new Map([
  [1, 'file'],
  [2, 'directory'],
  [3, 'device'],
  [4, 'device'],
  [7, 'fifo'],
]);

// AF_UNIX and SOCK_* are the same numbers wherever this runs; an internet address family is told by the address.
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Returns what kind of file a descriptor is of. */
export function kindOf(
  raw: Pick<NativeDescriptor, 'type' | 'vnodeType' | 'tty'> &
    Partial<Pick<NativeDescriptor, 'domain' | 'socketType' | 'protocol'>>,
): DescriptorKind {
  if (raw.type === KF_TYPE.VNODE) return raw.tty ? 'tty' : (KIND_OF_VNODE.get(raw.vnodeType) ?? 'unknown');
  if (raw.type === KF_TYPE.SOCKET) {
    if (raw.domain === AF_UNIX) return 'unix';
    const anyProtocol = raw.protocol === 0;
    if (raw.socketType === SOCK_STREAM && (anyProtocol || raw.protocol === IPPROTO_TCP)) return 'tcp';
    if (raw.socketType === SOCK_DGRAM && (anyProtocol || raw.protocol === IPPROTO_UDP)) return 'udp';
    return 'socket';
  }
  return KIND_OF_TYPE.get(raw.type) ?? 'unknown';
}

const KF_FLAG_READ = 1;
const KF_FLAG_WRITE = 2;

function accessOf({ flags }: NativeDescriptor): DescriptorIdentity['access'] {
  if (flags < 0) return 'unknown';
  const reads = (flags & KF_FLAG_READ) !== 0;
  const writes = (flags & KF_FLAG_WRITE) !== 0;
  return reads ? (writes ? 'read-write' : 'read') : writes ? 'write' : 'none';
}

/** Devices that Node, Bun and libuv open for themselves. */
const RUNTIME_DEVICES = new Set(['/dev/null', '/dev/random', '/dev/urandom']);

const STDIO_COUNT = 3;

/** What of the others says whose a descriptor is. */
class Surroundings {
  readonly #pipes = new Set<bigint>();
  readonly #terminals = new Set<string>();

  constructor(all: readonly NativeDescriptor[]) {
    for (const { fd, type, pipe, tty, path } of all) {
      if (type === KF_TYPE.PIPE) this.#pipes.add(pipe);
      if (fd < STDIO_COUNT && tty) this.#terminals.add(path);
    }
  }

  ownerOf(raw: NativeDescriptor, kind: DescriptorKind): DescriptorOwner {
    if (raw.fd < STDIO_COUNT) return 'stdio';
    switch (kind) {
      case 'kqueue':
        return 'runtime';
      case 'event':
        // No JavaScript can open one.
        return 'runtime';
      case 'pipe':
        // A pipe to itself wakes an event loop; one that leads out of the process was inherited.
        return raw.pipePeer !== 0n && this.#pipes.has(raw.pipePeer) ? 'runtime' : 'caller';
      case 'device':
        return RUNTIME_DEVICES.has(raw.path) ? 'runtime' : 'caller';
      case 'tty':
        // The runtime opens the terminal of a standard stream once more, to change its mode without the others' noticing.
        return this.#terminals.has(raw.path) ? 'stdio' : 'caller';
      case 'directory':
        // libuv >= 1.51 keeps one on / to hold a number.
        return raw.path === '/' && raw.closeOnExec ? 'runtime' : 'caller';
      default:
        return 'caller';
    }
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function identityOf(raw: NativeDescriptor, surroundings: Surroundings): DescriptorIdentity {
  const kind = kindOf(raw);
  // Filled in one by one, in the order they are printed in: there may be thousands of descriptors.
  const identity = { fd: raw.fd, kind, owner: surroundings.ownerOf(raw, kind) } as Mutable<DescriptorIdentity>;
  if (raw.path !== '') identity.path = raw.path;
  if (raw.local !== '') identity.local = raw.local;
  if (raw.peer !== '') identity.peer = raw.peer;
  if (raw.type === KF_TYPE.SOCKET) identity.listening = raw.listening;
  if (kind === 'process') identity.pid = raw.pid;
  if (kind === 'jail') identity.jid = raw.jid;
  identity.access = accessOf(raw);
  identity.closeOnExec = raw.closeOnExec;
  return identity;
}

/**
 * Asks what a descriptor may do, and adds it.
 *
 * @throws `EBADF` when it was closed meanwhile
 */
export function withLimits(identity: DescriptorIdentity): DescriptorInfo {
  const { fd } = identity;
  return { ...identity, rights: getRights(fd), ioctls: getIoctls(fd), fcntls: getFcntls(fd) };
}

/** The kernel's own records, without rights and owners. */
export function listOpenDescriptors(): NativeDescriptor[] {
  return native('sysctl').listDescriptors();
}

/** Lists what is open, by number, without asking each descriptor what it may do. */
export function identifyDescriptors(): DescriptorIdentity[] {
  const all = listOpenDescriptors();
  const surroundings = new Surroundings(all);
  return all.map((raw) => identityOf(raw, surroundings)).sort((a, b) => a.fd - b.fd);
}

/**
 * Lists every open descriptor of this process, by number: the runtime's own, standard streams, inherited ones, all.
 *
 * Opens nothing and changes nothing. In capability mode the kernel's table is closed to the process
 * (`kern.proc.filedesc` gives EPERM); then each descriptor is asked itself and tells what its rights allow: paths are
 * missing, and a kind may be `'unknown'`.
 *
 * @throws `ENOSYS` when there is no FreeBSD kernel
 * @see [sysctl(3)](https://man.freebsd.org/cgi/man.cgi?query=sysctl&sektion=3), KERN_PROC_FILEDESC
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { listDescriptors } from 'freebsd-capsule';
 * const strangers = listDescriptors().filter((descriptor) => descriptor.owner === 'caller');
 * ```
 */
export function listDescriptors(): DescriptorInfo[] {
  const infos: DescriptorInfo[] = [];
  for (const identity of identifyDescriptors()) {
    try {
      infos.push(withLimits(identity));
    } catch (error) {
      // Closed by another thread since the table was read: it is not open, so it is not in the list.
      if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
    }
  }
  return infos;
}

/** Names the terminals among descriptors, as the grades of a capsule do. */
export function terminalsAmong(descriptors: Iterable<DescriptorIdentity>): string[] {
  return [...descriptors]
    .filter(({ kind }) => kind === 'tty')
    .map(({ fd, path }) => `descriptor ${fd}${path === undefined ? '' : `: ${path}`}`);
}
