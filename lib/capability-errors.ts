import { loadedBinding } from './binding.ts';
import { isSandboxedQuietly } from './capsicum/mode.ts';
import { getRights, type Right } from './capsicum/rights.ts';

/** What an explanation may draw on besides the error itself. */
export interface ExplanationContext {
  /** Whether this process is in capability mode. Default: what the kernel says. */
  readonly sandboxed?: boolean;
  /** Gives the rights a descriptor has, or undefined where that cannot be known. Default: what the kernel says. */
  readonly rightsOf?: (fd: number) => HeldRights | undefined;
}

/** A set of rights: a `Rights`, or a `Set` of names. */
export interface HeldRights extends Iterable<string> {
  /** Tells whether the right is in the set. */
  has(right: Right): boolean;
}

/** The parts of an error that matter here, each of its expected type or absent. */
interface Parts {
  readonly code: string | undefined;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
  readonly path: string | undefined;
  readonly dest: string | undefined;
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly hostname: string | undefined;
  readonly fd: number | undefined;
  readonly message: string;
}

type Refusal = 'ENOTCAPABLE' | 'ECAPMODE';

/** A chain of causes longer than this is not followed: a getter may make up a new cause each time. */
const longestChain = 100;

/**
 * Tells whether an error is the kernel's refusal of something that a descriptor's rights or capability mode do not
 * allow (`ENOTCAPABLE`, `ECAPMODE`), in whichever form it comes: this package's, Node's (`Unknown system error -94`,
 * `UNKNOWN`), Bun's, or wrapped as the cause of another error or in an `AggregateError`. Never throws.
 *
 * Errors that only *look* different because of capability mode, a `MODULE_NOT_FOUND` for a module that exists, are
 * not capability errors; `explainCapabilityError` knows those too.
 *
 * @see [rights(4)](https://man.freebsd.org/cgi/man.cgi?query=rights&sektion=4),
 * [cap_enter(2)](https://man.freebsd.org/cgi/man.cgi?query=cap_enter&sektion=2)
 * @returns true for a refusal of capability mode (ECAPMODE) or of capability rights (ENOTCAPABLE)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * enter();
 * try {
 *   readFileSync('/etc/passwd');
 * } catch (error) {
 *   isCapabilityError(error); // true
 * }
 * ```
 */
export function isCapabilityError(error: unknown): error is NodeJS.ErrnoException {
  return chainOf(error).some((parts) => refusalOf(parts) !== undefined);
}

/**
 * Explains a capability error: what was refused, which right was missing where that is known, and what to do instead.
 * In capability mode it also explains the errors that do not say so: a module that is there and is not found, a name
 * that cannot be looked up, a refused connection, `EPERM` from `process.memoryUsage()`. Gives undefined for every
 * other error. Never throws.
 *
 * @see [capsicum(4)](https://man.freebsd.org/cgi/man.cgi?query=capsicum&sektion=4)
 * @returns a sentence or more for people, or undefined for an error that is not about capabilities
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * enter();
 * try {
 *   readFileSync('/etc/passwd');
 * } catch (error) {
 *   console.error(explainCapabilityError(error)); // open '/etc/passwd' was refused: …
 * }
 * ```
 */
export function explainCapabilityError(error: unknown, context?: ExplanationContext): string | undefined {
  const chain = chainOf(error);
  for (const parts of chain) {
    const refusal = refusalOf(parts);
    if (refusal === 'ECAPMODE') return explainMode(parts);
    if (refusal === 'ENOTCAPABLE') return explainRights(parts, context);
  }
  if (!inCapabilityMode(context)) return undefined;
  for (const parts of chain) {
    const disguise = disguises.find(({ matches }) => matches(parts));
    if (disguise !== undefined) return disguise.explain(parts);
  }
  return undefined;
}

function inCapabilityMode(context: ExplanationContext | undefined): boolean {
  try {
    return context?.sandboxed ?? isSandboxedQuietly();
  } catch {
    return false;
  }
}

// -- Reading errors

/** Reads an error, its causes and the errors it collects, outermost first. Whatever throws on the way is absent. */
function chainOf(error: unknown): Parts[] {
  const chain: Parts[] = [];
  const seen = new Set<unknown>();
  const waiting: unknown[] = [error];
  while (waiting.length > 0 && seen.size < longestChain) {
    const next = waiting.shift();
    if (typeof next !== 'object' || next === null || seen.has(next)) continue;
    seen.add(next);
    chain.push(partsOf(next));
    waiting.push(property(next, 'cause'), ...elements(property(next, 'errors')));
  }
  return chain;
}

function partsOf(error: object): Parts {
  return {
    code: text(error, 'code'),
    errno: number(error, 'errno'),
    syscall: text(error, 'syscall'),
    path: text(error, 'path'),
    dest: text(error, 'dest'),
    address: text(error, 'address'),
    port: number(error, 'port'),
    hostname: text(error, 'hostname'),
    fd: number(error, 'fd'),
    message: text(error, 'message') ?? '',
  };
}

function property(holder: object, name: string): unknown {
  try {
    return Reflect.get(holder, name);
  } catch {
    return undefined;
  }
}

function text(error: object, name: string): string | undefined {
  const value = property(error, name);
  return typeof value === 'string' ? value : undefined;
}

function number(error: object, name: string): number | undefined {
  const value = property(error, name);
  return typeof value === 'number' ? value : undefined;
}

function elements(value: unknown): unknown[] {
  try {
    return Array.isArray(value) ? Array.from({ length: Math.min(value.length, longestChain) }, (_, i) => value[i]) : [];
  } catch {
    return [];
  }
}

/** Codes that say nothing about which error it is, so that the number decides. */
const namelessCodes: readonly unknown[] = [undefined, 'UNKNOWN', 'ERR_SYSTEM_ERROR'];

/**
 * Recognises one error by itself. A number with any other name is another system's error of the same number: on Linux
 * 93 and 94 are EPROTONOSUPPORT and ESOCKTNOSUPPORT.
 */
function refusalOf({ code, errno, message }: Parts): Refusal | undefined {
  if (code === 'ENOTCAPABLE' || code === 'ECAPMODE') return code;
  const named = /^Unknown system error -?(93|94)$/.exec(code ?? '')?.[1];
  if (named !== undefined) return byNumber(Number(named));
  if (namelessCodes.includes(code) && errno !== undefined) {
    const refusal = byNumber(Math.abs(errno));
    if (refusal !== undefined) return refusal;
  }
  // Bun's errors from loading a module have neither code nor number.
  if (code === undefined) return /^(ENOTCAPABLE|ECAPMODE)(:| reading )/.exec(message)?.[1] as Refusal | undefined;
  // Node's for a worker that cannot start has the number in its text only.
  if (code === 'ERR_WORKER_INIT_FAILED') return byNumber(Number(/system error -(\d+)/.exec(message)?.[1]));
  return undefined;
}

function byNumber(errno: number): Refusal | undefined {
  if (errno === 93) return 'ENOTCAPABLE';
  return errno === 94 ? 'ECAPMODE' : undefined;
}

// -- Capability mode

interface Advice {
  /** What cannot be done, as the end of "… was refused: ". */
  readonly why: string;
  readonly instead: string;
}

const pathAdvice: Advice = {
  why: 'in capability mode no file can be reached by its path',
  instead:
    'Open it before sealing and use its descriptor (fs.read, fs.write, createReadStream with fd), or read it then.',
};

const moduleAdvice: Advice = {
  why: 'in capability mode no file can be loaded as a module, so one that exists is not found',
  instead:
    'Load it before sealing (at the top of the program, or in a function of plan.prewarm) and keep what it exports: ' +
    'Node looks for the file again when another module imports it.',
};

const connectAdvice: Advice = {
  why: 'in capability mode no new connection can be made',
  instead: 'Connect before sealing and keep the connection; list it in plan.sockets.',
};

const bindAdvice: Advice = {
  why: 'in capability mode no socket can be bound to an address',
  instead: 'Bind or listen before sealing; list servers in plan.servers.',
};

const lookupAdvice: Advice = {
  why: 'in capability mode neither the name service files nor the name servers can be reached',
  instead: 'Look names up before sealing and keep the addresses.',
};

const spawnAdvice: Advice = {
  why: 'in capability mode no program can be executed by its path',
  instead: 'Start the child before sealing and talk to it through its pipes.',
};

const descriptorSpawnAdvice: Advice = {
  why: 'in capability mode neither the run-time linker of a dynamic executable nor the interpreter of a script can be reached',
  instead: 'Open a static executable before sealing, and spawn() that descriptor.',
};

const signalAdvice: Advice = {
  why: 'in capability mode a process can signal only itself',
  instead: 'Agree with the other process on a message through a pipe or socket opened before sealing.',
};

const directoryAdvice: Advice = {
  why: 'in capability mode the working directory can be neither asked for nor changed',
  instead:
    'Call process.cwd() before sealing: the answer is kept. A worker asks by itself when it starts: start workers before sealing.',
};

const workerAdvice: Advice = {
  why: 'in capability mode a new thread cannot open what its event loop needs',
  instead: 'Start workers before sealing.',
};

const userAdvice: Advice = {
  why: 'in capability mode the user database cannot be read',
  instead: 'Ask before sealing, for example in a function of plan.prewarm, and keep the answer.',
};

const memoryAdvice: Advice = {
  why: 'in capability mode a process cannot ask the system about its memory',
  instead: 'Use process.resourceUsage().maxRSS, or v8.getHeapStatistics() for the heap.',
};

const interfacesAdvice: Advice = {
  why: 'in capability mode the network interfaces cannot be listed',
  instead: 'List them before sealing, for example in a function of plan.prewarm, and keep the answer.',
};

const stdinAdvice: Advice = {
  why: 'in capability mode the stream cannot be made, which happens when it is first used',
  instead: 'Touch process.stdin before sealing; seal() does so.',
};

const anyAdvice: Advice = {
  why: 'this call does not exist in capability mode',
  instead: 'Do it before sealing, for example in a function of plan.prewarm, and keep the descriptor or the answer.',
};

/** Which advice a refused call gets, by the name errors give it. */
const modeAdvice: ReadonlyMap<string, Advice> = new Map([
  ...[
    'access chmod chown copyfile cp lchown link lstat lutime mkdir mkdtemp open opendir readlink realpath rename',
    'rm rmdir scandir stat statfs symlink truncate unlink utime watch',
  ]
    .flatMap((names) => names.split(' '))
    .map((name) => [name, pathAdvice] as const),
  ['connect', connectAdvice],
  ['send', { ...connectAdvice, why: 'in capability mode nothing can be sent to an address' }],
  ['bind', bindAdvice],
  ['listen', bindAdvice],
  ['getaddrinfo', lookupAdvice],
  ['spawn', spawnAdvice],
  ['spawnSync', spawnAdvice],
  ['posix_spawn', spawnAdvice],
  ['execve', spawnAdvice],
  ['fexecve', descriptorSpawnAdvice],
  ['kill', signalAdvice],
  ['uv_cwd', directoryAdvice],
  ['chdir', directoryAdvice],
  ['uv_os_get_passwd', userAdvice],
]);

function explainMode(parts: Parts): string {
  const { code, message, path, syscall } = parts;
  const file = /^ECAPMODE reading "(.*)"/.exec(message)?.[1];
  if (file !== undefined) return sentence(`Loading '${file}'`, moduleAdvice);
  if (code === 'ERR_WORKER_INIT_FAILED') return sentence('Starting a worker', workerAdvice);
  // Bun's fetch names no call, but the address.
  if (syscall === undefined && /^https?:/.test(path ?? '')) return sentence(`connect to ${path}`, connectAdvice);
  const advice = modeAdvice.get(syscall?.split(' ', 1)[0] ?? '') ?? anyAdvice;
  return sentence(subject(parts), advice);
}

function sentence(what: string, { why, instead }: Advice): string {
  return `${what} was refused: ${why}. ${instead}`;
}

/** Names the call and what it was about: `open '/etc/passwd'`, `connect 127.0.0.1:80`, `read on descriptor 5`. */
function subject({ syscall, path, dest, address, port, hostname, fd }: Parts): string {
  let what = syscall ?? 'The call';
  if (path !== undefined && path !== '' && !what.includes(path)) what += ` '${path}'`;
  if (dest !== undefined) what += ` -> '${dest}'`;
  if (address !== undefined) what += ` ${address}${port === undefined ? '' : `:${port}`}`;
  else if (hostname !== undefined) what += ` ${hostname}`;
  if (fd !== undefined) what += ` on descriptor ${fd}`;
  return what;
}

// -- Rights

/**
 * The rights a call on a descriptor needs, by the name errors give the call. Where a call may need more than one set,
 * `or` says when.
 */
const neededRights: Readonly<Record<string, { rights: readonly Right[]; or?: string }>> = {
  accept: { rights: ['accept'] },
  accept4: { rights: ['accept'] },
  bind: { rights: ['bind'] },
  bindat: { rights: ['bindat'], or: "and 'bind' on the socket" },
  connect: { rights: ['connect'] },
  connectat: { rights: ['connectat'], or: "and 'connect' on the socket" },
  faccessat: { rights: ['fstatat'] },
  fchdir: { rights: ['fchdir'] },
  fchflags: { rights: ['fchflags'] },
  fchmod: { rights: ['fchmod'] },
  fchmodat: { rights: ['fchmodat'] },
  fchown: { rights: ['fchown'] },
  fchownat: { rights: ['fchownat'] },
  fcntl: { rights: ['fcntl'], or: 'and the command among its allowed fcntls' },
  fdatasync: { rights: ['fsync'] },
  fexecve: { rights: ['fexecve'] },
  flock: { rights: ['flock'] },
  fpathconf: { rights: ['fpathconf'] },
  fstat: { rights: ['fstat'] },
  fstatat: { rights: ['fstatat'] },
  fstatfs: { rights: ['fstatfs'] },
  fsync: { rights: ['fsync'] },
  ftruncate: { rights: ['ftruncate'] },
  futime: { rights: ['futimes'] },
  futimes: { rights: ['futimes'] },
  getdirentries: { rights: ['read'] },
  getpeername: { rights: ['getpeername'] },
  getsockname: { rights: ['getsockname'] },
  getsockopt: { rights: ['getsockopt'] },
  ioctl: { rights: ['ioctl'], or: 'and the command among its allowed ioctls' },
  kevent: { rights: ['event'], or: "on the descriptor watched, 'kqueue' on the queue" },
  linkat: { rights: ['linkat_source'], or: "and 'linkat_target' on the directory of the new name" },
  listen: { rights: ['listen'] },
  lseek: { rights: ['seek'] },
  mkdirat: { rights: ['mkdirat'] },
  mkfifoat: { rights: ['mkfifoat'] },
  mmap: { rights: ['mmap'], or: "with 'mmap_r', 'mmap_w' or 'mmap_x' for what is mapped" },
  openat: { rights: ['lookup'], or: 'and what the flags ask for; the path must not leave the directory' },
  pdgetpid: { rights: ['pdgetpid'] },
  pdkill: { rights: ['pdkill'] },
  pdwait: { rights: ['pdwait'] },
  pread: { rights: ['read', 'seek'] },
  pwrite: { rights: ['write', 'seek'] },
  read: { rights: ['read'], or: "and 'seek' where a position is given" },
  readlinkat: { rights: ['lookup'] },
  renameat: { rights: ['renameat_source'], or: "and 'renameat_target' on the directory of the new name" },
  send: { rights: ['write'] },
  setsockopt: { rights: ['setsockopt'] },
  shutdown: { rights: ['shutdown'] },
  symlinkat: { rights: ['symlinkat'] },
  unlinkat: { rights: ['unlinkat'] },
  utimensat: { rights: ['futimesat'] },
  write: { rights: ['write'], or: "and 'seek' where a position is given" },
};

/** Calls that limit a descriptor: what they refuse is to widen it. */
const limitingCalls: Readonly<Record<string, string>> = {
  cap_rights_limit: 'rights',
  cap_ioctls_limit: 'allowed ioctls',
  cap_fcntls_limit: 'allowed fcntls',
};

function explainRights(parts: Parts, context: ExplanationContext | undefined): string {
  const what = subject(parts);
  const { fd, syscall = '' } = parts;
  const has = rightsOf(fd, context);
  const held = has === undefined ? '' : ` It has ${list([...has]) || 'none'}.`;

  // A Directory has said which of the two it was.
  const told = /: (the path leads outside of the directory|the directory lacks .*)$/.exec(parts.message)?.[1];
  if (told !== undefined) {
    const instead = told.startsWith('the path')
      ? 'Open a directory that has the file before sealing (plan.directories).'
      : 'Give it that right when it is opened (Directory.open, plan.directories): it cannot be given back later.';
    return `${what} was refused: ${told}. ${instead}`;
  }

  const limited = Object.hasOwn(limitingCalls, syscall) ? limitingCalls[syscall] : undefined;
  if (limited !== undefined) {
    const now = limited === 'rights' ? held : '';
    return (
      `${what} was refused: a descriptor's ${limited} can be narrowed and never widened.${now} ` +
      'Ask for no more than it has, or open another descriptor before sealing and limit that one.'
    );
  }

  const needed = Object.hasOwn(neededRights, syscall) ? neededRights[syscall] : undefined;
  const instead =
    'Give the descriptor that right when it is limited (limitRights, plan.descriptors): it cannot be given back later.';
  if (needed === undefined) return `${what} was refused: the descriptor lacks a right it needs.${held} ${instead}`;
  const missing = has === undefined ? needed.rights : needed.rights.filter((right) => !has.has(right));
  const condition = needed.or === undefined ? '' : ` (${needed.or})`;
  if (missing.length === 0) {
    return `${what} was refused: it needs ${list(needed.rights)}${condition}.${held} ${instead}`;
  }
  const lacks = has === undefined ? 'the descriptor lacks a right it needs:' : 'the descriptor lacks';
  return `${what} was refused: ${lacks} ${list(missing)}${condition}.${held} ${instead}`;
}

function rightsOf(fd: number | undefined, context: ExplanationContext | undefined): HeldRights | undefined {
  if (fd === undefined) return undefined;
  try {
    if (context?.rightsOf !== undefined) return context.rightsOf(fd);
    return loadedBinding() === undefined ? undefined : getRights(fd);
  } catch {
    // The descriptor may be gone by now.
    return undefined;
  }
}

function list(rights: readonly string[]): string {
  return rights.map((right) => `'${right}'`).join(', ');
}

// -- Disguises

interface Disguise {
  readonly matches: (parts: Parts) => boolean;
  readonly explain: (parts: Parts) => string;
}

/** Errors that mean something else outside capability mode, and inside nearly always this. */
const disguises: readonly Disguise[] = [
  {
    matches: ({ code }) =>
      code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND' || code === 'ERR_DLOPEN_FAILED',
    explain: ({ message }) => sentence(`Loading ${/'[^']*'|"[^"]*"/.exec(message)?.[0] ?? 'a module'}`, moduleAdvice),
  },
  {
    matches: ({ code }) => code === 'EAI_AGAIN',
    explain: (parts) => sentence(subject(parts), lookupAdvice),
  },
  {
    matches: ({ code, syscall }) => code === 'ECONNREFUSED' && /^(query|getHostByAddr)/.test(syscall ?? ''),
    explain: (parts) => sentence(subject(parts), lookupAdvice),
  },
  {
    matches: ({ code, syscall }) => code === 'ECONNREFUSED' && syscall === 'connect',
    explain: (parts) => sentence(subject(parts), connectAdvice),
  },
  {
    matches: ({ code, message, syscall }) =>
      (code === 'EPERM' && syscall === 'uv_resident_set_memory') || message === 'Failed to get memory usage',
    explain: () => sentence('process.memoryUsage()', memoryAdvice),
  },
  {
    matches: ({ code, errno, syscall }) =>
      code === 'ERR_SYSTEM_ERROR' &&
      Math.abs(errno ?? 0) === 1 &&
      (syscall === 'uv_interface_addresses' || syscall === 'getifaddrs'),
    explain: () => sentence('os.networkInterfaces()', interfacesAdvice),
  },
  {
    matches: ({ code, message }) => code === undefined && /^undefined is not an object .*process\.stdin/.test(message),
    explain: () => sentence('process.stdin', stdinAdvice),
  },
];
