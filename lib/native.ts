/**
 * The one typed contract of the addon: every native function, every argument.
 *
 * Natives are flat functions over integers, strings and buffers and hold no policy; arguments reach them already
 * checked by the TypeScript above. They throw system errors in Node's shape (`code`, negative `errno`, `syscall`,
 * `fd`). `test/native.test.ts` compares this list with what the addon really exports.
 *
 * Capability rights cross this boundary as four 32-bit words: the low and high half of `cr_rights[0]`, then of
 * `cr_rights[1]`, index bits included.
 */
export interface NativeBinding extends DirectoryCalls, Queued<DirectoryCalls> {
  /** Which kernel answers: the real one, or the one in `native/simulation`. */
  readonly kernelKind: 'freebsd' | 'simulated';

  /** `kern.osrelease` and `kern.osreldate`. */
  kernelRelease(): string;
  kernelOsreldate(): number;

  /** Every right of `sys/capsicum.h`: name, then its four words. */
  rightsTable(): readonly (readonly [name: string, w0: number, w1: number, w2: number, w3: number])[];
  /** Every ioctl the addon has a name for. */
  ioctlTable(): readonly (readonly [name: string, command: number])[];

  /** cap_enter(2). The caller has made sure that this is not a worker. */
  capEnter(): void;
  /** cap_getmode(2). */
  capGetMode(): boolean;
  /** cap_rights_limit(2). */
  capRightsLimit(fd: number, w0: number, w1: number, w2: number, w3: number): void;
  /** cap_rights_get(2): fills the four words of `into`. */
  capRightsGet(fd: number, into: Uint32Array): void;
  /** The rights a fresh descriptor of the running kernel has, i.e. all that it knows. */
  capRightsKnown(into: Uint32Array): void;
  /** cap_ioctls_limit(2); `null` asks for "unlimited", which only an unlimited descriptor grants. */
  capIoctlsLimit(fd: number, commands: readonly number[] | null): void;
  /** cap_ioctls_get(2); `null` when unlimited. */
  capIoctlsGet(fd: number): number[] | null;
  /** cap_fcntls_limit(2); the mask is CAP_FCNTL_GETFL 8, SETFL 16, GETOWN 32, SETOWN 64. */
  capFcntlsLimit(fd: number, mask: number): void;
  /** cap_fcntls_get(2). */
  capFcntlsGet(fd: number): number;

  /**
   * Every open descriptor of the process: from `kern.proc.filedesc`, or, where that is refused (capability mode), by
   * asking each number up to the highest one. Opens nothing.
   */
  listDescriptors(): NativeDescriptor[];
  /** The number of every open descriptor, asked one by one, in capability mode or not. Opens nothing. */
  openDescriptors(): number[];
  /** close(2) by replacement: `fd` becomes an eventfd(2) without rights, so that its number is not reused. */
  retireDescriptor(fd: number): void;

  /**
   * close(2) of a descriptor that a call below returned. Those that are neither closed nor released are closed with the
   * environment, so that a worker may be terminated at any time.
   */
  closeHeld(fd: number): void;
  /** Leaves a descriptor that a call below returned to somebody else to close. */
  releaseHeld(fd: number): void;

  /** Sets FD_RESOLVE_BENEATH on a directory, for good; false where the kernel (before 15.0) has no such flag. */
  setResolveBeneath(fd: number): boolean;

  /**
   * Occupies every thread of the runtime's pool, so that none is inside a system call, until `poolRelease`. Resolves
   * to true once all are held, to false when that did not happen within `timeoutMs` (all are then released).
   */
  poolHold(threads: number, timeoutMs: number): Promise<boolean>;
  /** How many threads are held now: up to twice `threads`, for as many jobs are queued. 0 unless `threads` are. */
  poolHeld(): number;
  poolRelease(): void;

  /**
   * Watches for kernel events on the environment's one event thread, which starts with the first watch. `ident` is a
   * descriptor, for `'jail'` a jid (0: this process's own jail), for `'user'` a number from 1: that event comes once, after
   * all that the kernel had told before. The watch keeps the event loop alive and stays until
   * `unwatchEvent`, also after its last event.
   *
   * The callback gets the `fflags`, `data` and `flags` of kevent(2): for `'procdesc'` `data` is the wait status.
   *
   * Throws the kernel's refusal to add it: ENOENT, EBADF, ENOTCAPABLE, EINVAL.
   *
   * @returns the watch's number
   */
  watchEvent(
    filter: 'procdesc' | 'jail' | 'jaildesc' | 'user',
    ident: number,
    callback: (fflags: number, data: number, flags: number) => void,
  ): number;
  /** Ends a watch: no event reaches its callback after this, not even one on its way. An unknown number does nothing. */
  unwatchEvent(watch: number): void;
  /** Sets whether a watch keeps the event loop alive. */
  refEvent(watch: number, keep: boolean): void;

  /**
   * Starts a process with pdrfork(2) or pdfork(2). A step of the child that fails is thrown here, under the name of its
   * system call; the child is gone then.
   *
   * A held process has taken every step but the last, executing the file, and waits for `letExecute`. It ends when the
   * socket is closed first, by `closeHeld`, or with the environment.
   *
   * @returns the process's number, its descriptor, and the socket of a held one, else -1
   */
  spawn(order: NativeSpawnOrder): [pid: number, fd: number, socket: number];
  /** Lets a held process execute its file, and throws what prevents that. The socket stays open, and is of no more use. */
  letExecute(socket: number): void;
  /** fcntl(2) F_DUPFD_CLOEXEC: a duplicate with the same rights, ioctls and fcntls. */
  duplicateDescriptor(fd: number): number;
  /** socketpair(2): a connected pair of UNIX sockets, close-on-exec. */
  socketPair(): [number, number];
  /** jail_get(2): the jid of a jail's name. */
  findJail(name: string): number;
  /**
   * pdgetpid(2); the descriptor is close-on-exec and this environment's from then on, as that of `spawn` is, and closed with
   * it. `unknown` takes it also without the right to tell the number: then undefined, and it is not closed so.
   */
  pdAdopt(fd: number, unknown: boolean): number | undefined;
  /** Throws EBADF when a descriptor of `spawn` or `pdAdopt` is another's now, as far as it has the right pdgetpid. */
  pdCheck(fd: number): void;
  /** close(2), after the same look: kills the process unless it is a daemon or others hold its descriptor too. */
  pdClose(fd: number): void;
  /** pdkill(2). */
  pdKill(fd: number, signal: number): void;
  /**
   * pdwait(2) with WEXITED | WNOHANG, or before 15.1 wait4(2): reaps a process that has ended. EWOULDBLOCK, spelt EAGAIN,
   * while it runs; ESRCH, before 15.1 ECHILD, when it was reaped.
   *
   * @returns the wait status, then what getrusage(2) has, in the order of `struct rusage`, times in microseconds
   */
  pdReap(fd: number): number[];

  /**
   * jail_set(2). A value is its bytes, null for none; `errmsg` is always asked for and its text is in the error's message.
   * `descriptor` is the value of `desc`, which goes along when a `*_DESC` flag does; -1 for none.
   *
   * @returns the jid, and the new descriptor (close-on-exec) that JAIL_GET_DESC or JAIL_OWN_DESC asked for, else -1
   */
  jailSet(
    names: readonly string[],
    values: readonly (Uint8Array | null)[],
    descriptor: number,
    flags: number,
  ): { jid: number; fd: number };
  /** jail_get(2), likewise: fills the values and returns how long each now is. */
  jailGet(
    names: readonly string[],
    values: readonly (Uint8Array | null)[],
    descriptor: number,
    flags: number,
  ): { jid: number; fd: number; lengths: number[] };
  /** jail_attach(2). The caller has made sure that this is not a worker, and that no directory is open. */
  jailAttach(jid: number): void;
  /** jail_remove(2). */
  jailRemove(jid: number): void;
  /** jail_remove_jd(2); ENOSYS before FreeBSD 15.0. */
  jailRemoveDescriptor(fd: number): void;
  /** Every node under `security.jail.param`, in the kernel's order. */
  jailParameters(): NativeJailParameter[];
  /** `security.jail.jailed`. */
  isJailed(): boolean;
  /**
   * kern.proc: of each process that this one sees its number, its parent's, its session, its jail (0: this process's), the
   * process that traces it (0: none), and what ktrace(2) records of it (0: nothing), one after the other. EPERM in
   * capability mode.
   */
  processes(): number[];
  /** procctl(2) PROC_REAP_STATUS: who inherits what a process leaves behind; 1 for init(8). ESRCH when it is gone. */
  reaperOf(pid: number): number;
  /** getfsstat(2): what is mounted, as far as this process sees it. */
  mounts(): { readonly on: string; readonly from: string; readonly type: string; readonly local: boolean }[];
  /**
   * kern.proc.filedesc: what of a process's may reach beyond its jail, with KF_TYPE_* and KF_VTYPE_*: directories (`fd`
   * negative for its working, root and jail directory), devices and terminals (`fd` negative for its controlling one),
   * process descriptors (with `pid`) and jail descriptors (with `jid`). ESRCH when it is gone.
   */
  processReach(pid: number): {
    readonly fd: number;
    readonly type: number;
    readonly vnodeType: number;
    readonly path: string;
    readonly pid: number;
    readonly jid: number;
  }[];

  /** setrlimit(2) RLIMIT_CORE to 0, read back. */
  disableCoreDumps(): void;
  /** procctl(2) PROC_NO_NEW_PRIVS_CTL; returns the status read back. */
  noNewPrivileges(): boolean;
  /** procctl(2) PROC_TRACE_CTL_DISABLE_EXEC; returns true when the status read back says that tracing is off. */
  disableTracing(): boolean;
  /** The value that an environment variable had when the program was started (kern.ps_strings). */
  initialVariable(name: string): string | undefined;
  /** getpwnam(3) / getpwuid(3): uid and primary gid, or undefined when there is none. */
  lookUpUser(nameOrUid: string | number): { uid: number; gid: number } | undefined;
  /** getgrnam(3). */
  lookUpGroup(name: string): number | undefined;
  /** setgroups(2) to the one group, setgid(2), setuid(2), in that order, each read back. `null` leaves a part as it is. */
  switchUser(uid: number | null, gid: number | null): void;
}

/** What a new process is to be. The steps and their order are told at `spawn()` in `lib/process/spawn.ts`. */
export interface NativeSpawnOrder {
  /** The file, or the places of a name; empty where `file` is a descriptor. */
  readonly files: readonly string[];
  /** Whether they are places, which are searched as by execvp(3). */
  readonly search: boolean;
  /** For fexecve(2); -1 for none. */
  readonly file: number;
  readonly args: readonly string[];
  /** `NAME=value` each. */
  readonly env: readonly string[];
  /** chdir(2); null to stay. */
  readonly cwd: string | null;
  /** fchdir(2), instead; -1 for none. */
  readonly directory: number;
  /** Number in the child, number here; and again. */
  readonly descriptors: readonly number[];
  /** Name of a limit, soft value, hard value; and again. -1 is infinity. */
  readonly limits: readonly (string | number)[];
  readonly groups: readonly number[] | null;
  readonly gid: number | null;
  readonly uid: number | null;
  /** jail_attach(2); 0 for none. */
  readonly jid: number;
  /** The jail's descriptor, instead; -1 for none. */
  readonly jail: number;
  readonly session: boolean;
  readonly noNewPrivileges: boolean;
  /** procctl(2) PROC_TRACE_CTL_DISABLE_EXEC, read back. */
  readonly noTracing: boolean;
  readonly capabilityMode: boolean;
  /** Whether the process is held before it executes the file. It has then a copy of this process's memory. */
  readonly held: boolean;
  readonly daemon: boolean;
}

/** A name of a file: bytes where it need not be UTF-8. No null bytes. */
export type NativePath = string | Uint8Array;

/**
 * Calls on names beneath a directory descriptor. No path leads outside of it: absolute ones, `..` beyond the directory
 * and symbolic links that do either give ENOTCAPABLE. Errors name the call as Node does, with `path` and `dest`.
 */
export interface DirectoryCalls {
  /** openat(2), O_CLOEXEC and O_RESOLVE_BENEATH added; the flags are the platform's own. */
  openAt(directory: number, path: NativePath, flags: number, mode: number): number;
  /**
   * The whole of a regular file of at most `limit` bytes. Anything else, empty files included, is not read: the
   * descriptor is returned.
   */
  readFileAt(directory: number, path: NativePath, flags: number, mode: number, limit: number): Buffer | number;
  /** Opens a file, writes the bytes, which it copies first, makes fsync(2) unless `flush` is 0, and closes it. */
  writeFileAt(directory: number, path: NativePath, flags: number, mode: number, bytes: Uint8Array, flush: number): void;
  /**
   * fstatat(2). Ten integers (dev, mode, nlink, uid, gid, rdev, blksize, ino, size, blocks), then seconds and nanoseconds
   * of the times of access, modification, change and birth. `follow`, here and below: 0 means a link itself.
   */
  statAt(directory: number, path: NativePath, follow: number): BigInt64Array;
  /** faccessat(2). */
  accessAt(directory: number, path: NativePath, mode: number): void;
  /** mkdirat(2). */
  makeDirectoryAt(directory: number, path: NativePath, mode: number): void;
  /** unlinkat(2), with AT_REMOVEDIR where `removeDirectory` is not 0. */
  unlinkAt(directory: number, path: NativePath, removeDirectory: number): void;
  /** renameat(2). */
  renameAt(fromDirectory: number, from: NativePath, toDirectory: number, to: NativePath): void;
  /** linkat(2), of a symbolic link itself. */
  linkAt(fromDirectory: number, from: NativePath, toDirectory: number, to: NativePath): void;
  /** symlinkat(2). */
  symlinkAt(target: NativePath, directory: number, path: NativePath): void;
  /** readlinkat(2). */
  readLinkAt(directory: number, path: NativePath): Buffer;
  /** fchmodat(2). */
  changeModeAt(directory: number, path: NativePath, mode: number, follow: number): void;
  /** fchownat(2); 2 ** 32 - 1 leaves an id as it is. */
  changeOwnerAt(directory: number, path: NativePath, uid: number, gid: number, follow: number): void;
  /** utimensat(2): seconds and nanoseconds of access, then of modification. */
  setTimesAt(
    directory: number,
    path: NativePath,
    accessSeconds: number,
    accessNanoseconds: number,
    modificationSeconds: number,
    modificationNanoseconds: number,
    follow: number,
  ): void;
  /** Every entry of a directory but `.` and `..`, unsorted: a byte DT_*, the name, a null byte, and so on. */
  readDirectoryAt(directory: number, path: NativePath): Buffer;
  /** A new socket of AF_UNIX and bindat(2); returns the socket. */
  bindAt(directory: number, path: NativePath): number;
  /** A new socket of AF_UNIX and connectat(2); returns the socket. */
  connectAt(directory: number, path: NativePath): number;
}

/** The same calls made on a thread of the runtime's pool: `openAtAsync` and so on. */
type Queued<Calls> = {
  [Name in keyof Calls as `${string & Name}Async`]: Calls[Name] extends (...args: infer Arguments) => infer Result
    ? (...args: Arguments) => Promise<Result>
    : never;
};

/** One record of the inventory, as the kernel has it. Numbers are FreeBSD's (`sys/user.h`). */
export interface NativeDescriptor {
  readonly fd: number;
  /** KF_TYPE_* */
  readonly type: number;
  /** KF_VTYPE_*, for type 1 */
  readonly vnodeType: number;
  /** KF_FLAG_READ 1, KF_FLAG_WRITE 2, KF_FLAG_APPEND 4, KF_FLAG_NONBLOCK 32; -1 where not known */
  readonly flags: number;
  readonly closeOnExec: boolean;
  /** Whether isatty(3) says so */
  readonly tty: boolean;
  /** AF_*, SOCK_* and protocol, for sockets */
  readonly domain: number;
  readonly socketType: number;
  readonly protocol: number;
  readonly listening: boolean;
  /** `address:port`, `[address]:port` or a path; empty where there is none or it is not known */
  readonly local: string;
  readonly peer: string;
  readonly path: string;
  /** The process of a process descriptor, the jail of a jail descriptor; 0 otherwise */
  readonly pid: number;
  readonly jid: number;
  /** What tells a pipe's two ends apart from all others; 0n otherwise */
  readonly pipe: bigint;
  readonly pipePeer: bigint;
}

/** One jail parameter, as the kernel describes it. */
export interface NativeJailParameter {
  readonly name: string;
  /** CTLTYPE_* and CTLFLAG_* */
  readonly kind: number;
  /** The sysctl format: `I`, `B`, `E,jailsys`, `A`, `A,keyvalue`, `S,in_addr,a`, … */
  readonly format: string;
  /** Of a string: its greatest length, null included; else 0. */
  readonly maxLength: number;
}

/** What only the addon of a simulated kernel offers besides. */
export interface NativeSimulation extends NativeBinding {
  /**
   * Says that `fd` is about to be closed by a call that the simulated kernel does not see. Returns the version of its
   * limits, for `simulatedClose`.
   */
  simulatedClosing(fd: number): number;
  /**
   * Says that it was closed: its number starts afresh, and a process, or a jail, may go with its descriptor. Unless the
   * limits are of another version: the number is another open file's by now, which has been limited.
   */
  simulatedClose(fd: number, version: number): void;
}
