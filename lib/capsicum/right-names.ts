/**
 * The rights of rights(4) by name, as `sys/capsicum.h` composes them: `CAP_X` is `'x'`.
 *
 * This list is for the type system and for set algebra without a kernel. The addon has its own, made from the header's
 * macros, with the bits; a test compares the two, composition included.
 */

/** Rights with a bit of their own, each with the rights that it brings along. */
export const PRIMITIVES = {
  read: [],
  write: [],
  seek_tell: [],
  seek: ['seek_tell'],
  mmap: [],
  mmap_x: ['mmap', 'seek'],
  create: [],
  fexecve: [],
  fsync: [],
  ftruncate: [],
  lookup: [],
  fchdir: [],
  fchflags: [],
  fchmod: [],
  fchown: [],
  fcntl: [],
  flock: [],
  fpathconf: [],
  fsck: [],
  fstat: [],
  fstatfs: [],
  futimes: [],
  linkat_target: ['lookup'],
  mkdirat: ['lookup'],
  mkfifoat: ['lookup'],
  mknodat: ['lookup'],
  renameat_source: ['lookup'],
  symlinkat: ['lookup'],
  unlinkat: ['lookup'],
  accept: [],
  bind: [],
  connect: [],
  getpeername: [],
  getsockname: [],
  getsockopt: [],
  listen: [],
  peeloff: [],
  setsockopt: [],
  shutdown: [],
  bindat: ['lookup'],
  connectat: ['lookup'],
  linkat_source: ['lookup'],
  renameat_target: ['lookup'],
  fchroot: [],
  mac_get: [],
  mac_set: [],
  sem_getvalue: [],
  sem_post: [],
  sem_wait: [],
  event: [],
  kqueue_event: [],
  ioctl: [],
  ttyhook: [],
  pdgetpid: [],
  pdwait: [],
  pdkill: [],
  extattr_delete: [],
  extattr_get: [],
  extattr_list: [],
  extattr_set: [],
  acl_check: [],
  acl_delete: [],
  acl_get: [],
  acl_set: [],
  kqueue_change: [],
  inotify_add: [],
  inotify_rm: [],
} as const;

/** Names for several rights together, or another name for one (`recv` is `read`). */
export const COMPOSITES = {
  pread: ['seek', 'read'],
  pwrite: ['seek', 'write'],
  mmap_r: ['mmap', 'seek', 'read'],
  mmap_w: ['mmap', 'seek', 'write'],
  mmap_rw: ['mmap_r', 'mmap_w'],
  mmap_rx: ['mmap_r', 'mmap_x'],
  mmap_wx: ['mmap_w', 'mmap_x'],
  mmap_rwx: ['mmap_r', 'mmap_w', 'mmap_x'],
  chflagsat: ['fchflags', 'lookup'],
  fchmodat: ['fchmod', 'lookup'],
  fchownat: ['fchown', 'lookup'],
  fstatat: ['fstat', 'lookup'],
  futimesat: ['futimes', 'lookup'],
  recv: ['read'],
  send: ['write'],
  sock_client: [
    'connect',
    'getpeername',
    'getsockname',
    'getsockopt',
    'peeloff',
    'recv',
    'send',
    'setsockopt',
    'shutdown',
  ],
  sock_server: [
    'accept',
    'bind',
    'getpeername',
    'getsockname',
    'getsockopt',
    'listen',
    'peeloff',
    'recv',
    'send',
    'setsockopt',
    'shutdown',
  ],
  kqueue: ['kqueue_event', 'kqueue_change'],
  poll_event: ['event'],
} as const;

type Primitives = typeof PRIMITIVES;
type Composites = typeof COMPOSITES;

/** The name of a right: `CAP_X` of rights(4) in lower case. */
export type Right = keyof Primitives | keyof Composites;

/** The single bits, by name, that a right stands for. */
type Bits<R> = R extends keyof Primitives
  ? R | Bits<Primitives[R][number]>
  : R extends keyof Composites
    ? Bits<Composites[R][number]>
    : never;

type BitTable = { readonly [R in Right]: Bits<R> };

/** Every right that a descriptor with the rights `R` has: `Implied<'pread'>` includes `'read'` and `'seek'`. */
export type Implied<R extends Right> = {
  [N in Right]: [BitTable[N]] extends [BitTable[R]] ? N : never;
}[Right];

/** What is left of the rights `R` when those of `S` are taken away, as the kernel takes them: bit by bit. */
export type Without<R extends Right, S extends Right> = {
  [N in Implied<R>]: [BitTable[N] & BitTable[S]] extends [never] ? N : never;
}[Implied<R>];
