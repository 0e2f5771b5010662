import { native } from '../binding.ts';
import { getFcntls, limitFcntls } from '../capsicum/fcntls.ts';
import { getIoctls, type IoctlCommand, ioctlNumbers, limitIoctls } from '../capsicum/ioctls.ts';
import { getRights, knownRights, limitRights, Rights } from '../capsicum/rights.ts';
import { Directory } from '../directory/directory.ts';
import { checkObject, invalidState, withMore, workerUnsupported } from '../errors.ts';
import type { Jail } from '../jail/jail.ts';
import type { NativeBinding } from '../native.ts';
import { workerThreads } from '../runtime-modules.ts';
import { type Capsule, makeCapsule } from './capsule.ts';
import {
  type DescriptorIdentity,
  type DescriptorInfo,
  identifyDescriptors,
  terminalsAmong,
  withLimits,
} from './inventory.ts';
import { checkOutsideControl } from './outside-control.ts';
import type { OwnJail } from './own-jail.ts';
import { type CheckedPlan, checkPlan, type SealPlan } from './plan.ts';
import { keepWorkingDirectory, prewarm } from './prewarm.ts';
import {
  type SealedDescriptor,
  type SealedJail,
  SealReport,
  type SealStep,
  type SealStepName,
  whereabouts,
} from './report.ts';
import { type Limits, leastLimits } from './roles.ts';
import { holdThreadPool } from './thread-pool.ts';

/** Taken steps, and the one under way: what an error has to tell. */
class Progress {
  readonly steps: SealStep[] = [];
  current: SealStepName = 'check';
  /** Descriptors limited or closed so far. */
  changed = 0;
  /** Whether the step under way only looks yet. */
  looking = false;
  readonly #binding: NativeBinding | undefined;

  constructor(binding?: NativeBinding) {
    this.#binding = binding;
  }

  done(detail: string): void {
    this.steps.push({ name: this.current, state: 'done', detail });
  }

  left(detail: string): void {
    this.steps.push({ name: this.current, state: 'left', detail });
  }

  /** Adds to an error how far the seal came. */
  explain(error: unknown): Error {
    const irreversible = this.steps.filter(({ name, state }) => state === 'done' && !REVERSIBLE.has(name));
    const begun =
      !this.looking && !REVERSIBLE.has(this.current) && !this.steps.some(({ name }) => name === this.current);
    const changes = [
      ...(this.changed > 0 ? [`${this.changed} descriptors limited`] : []),
      ...irreversible.filter(({ name }) => name !== 'limit').map(({ name }) => name),
      // It may have several parts, and have taken some.
      ...(begun && this.current !== 'limit' ? [`perhaps ${this.current}`] : []),
    ];
    // Not what was called, but what the kernel says: others can enter too.
    const outcome = this.#binding?.capGetMode()
      ? 'this process IS in capability mode, but what it holds is not verified'
      : changes.length === 0
        ? 'nothing was changed'
        : `this process is NOT sealed, but for good: ${changes.join(', ')}`;
    const failure = withMore(error, `\nseal stopped at '${this.current}'; ${outcome}`);
    Object.defineProperty(failure, 'steps', { value: Object.freeze([...this.steps]), configurable: true });
    return failure;
  }
}

/** Steps that leave no trace. */
const REVERSIBLE: ReadonlySet<SealStepName> = new Set<SealStepName>(['check', 'prewarm', 'drain']);

/** What is to become of one descriptor. */
type Fate = { readonly limits: Limits } | { readonly close: true };

/** Tells who a descriptor belongs to, now that there is a plan. */
function withOwner(
  descriptor: DescriptorIdentity,
  plan: CheckedPlan,
  listeners: readonly DescriptorIdentity[],
): DescriptorIdentity {
  if (plan.servers.has(descriptor.fd)) return { ...descriptor, owner: 'server' };
  if (plan.sockets.has(descriptor.fd)) return { ...descriptor, owner: 'socket' };
  if (plan.descriptors.has(descriptor.fd)) return { ...descriptor, owner: 'caller' };
  // The client's end of a UNIX connection has no name, so that there is no peer to see.
  const connected = descriptor.peer !== undefined || (descriptor.kind === 'unix' && descriptor.listening === false);
  const accepted = connected && listeners.some((listener) => acceptedBy(descriptor, listener));
  return accepted ? { ...descriptor, owner: 'server' } : descriptor;
}

const WILDCARDS = new Set(['0.0.0.0', '[::]']);

/** Whether a connection came in through a listening socket: by the same address, or the port of one bound to all. */
function acceptedBy({ kind, local }: DescriptorIdentity, listener: DescriptorIdentity): boolean {
  if (kind !== listener.kind || local === undefined || listener.local === undefined) return false;
  if (local === listener.local) return true;
  const split = (address: string): [string, string] => {
    const colon = address.lastIndexOf(':');
    return [address.slice(0, colon), address.slice(colon + 1)];
  };
  const [host, port] = split(listener.local);
  return WILDCARDS.has(host) && split(local)[1] === port;
}

function fateOf(
  descriptor: DescriptorInfo,
  plan: CheckedPlan,
  known: Rights,
  open: readonly DescriptorIdentity[],
): Fate {
  const planned = plan.descriptors.get(descriptor.fd);
  if (planned !== undefined) return { limits: planned };
  if (descriptor.owner === 'caller' && plan.unlisted === 'close') return { close: true };
  const limits = narrowed(leastLimits(descriptor), descriptor, known);
  return {
    limits: descriptor.owner === 'stdio' && descriptor.fd > 2 ? asStdio(limits, descriptor, plan, open) : limits,
  };
}

/** A runtime's own copy of a terminal can do what the standard streams on that terminal can do together, and no more. */
function asStdio(
  limits: Limits,
  { path }: DescriptorIdentity,
  plan: CheckedPlan,
  open: readonly DescriptorIdentity[],
): Limits {
  const streams = open.filter((descriptor) => descriptor.fd <= 2 && descriptor.path === path);
  const given = streams.map((stream) => plan.descriptors.get(stream.fd) ?? leastLimits(stream));
  return {
    rights: limits.rights.intersection(given.reduce<Rights>((all, { rights }) => all.union(rights), Rights.NONE)),
    ioctls:
      limits.ioctls === 'all'
        ? 'all'
        : limits.ioctls.filter((command) =>
            given.some(({ ioctls }) => ioctls === 'all' || ioctlNumbers(ioctls)?.includes(numberOf(command))),
          ),
    fcntls: limits.fcntls.filter((command) => given.some(({ fcntls }) => fcntls.includes(command))),
  };
}

function numberOf(command: IoctlCommand): number {
  return ioctlNumbers([command])?.[0] ?? -1;
}

/** The least for a kind, without what the descriptor does not have (any more) or this kernel does not know. */
function narrowed(limits: Limits, { rights, ioctls, fcntls }: DescriptorInfo, known: Rights): Limits {
  const held = new Set(ioctls === 'all' ? [] : ioctlNumbers(ioctls));
  const wanted = ioctlNumbers(limits.ioctls) ?? [];
  return {
    rights: limits.rights.intersection(rights).intersection(known),
    ioctls: ioctls === 'all' ? limits.ioctls : wanted.filter((command) => held.has(command)),
    fcntls: limits.fcntls.filter((command) => fcntls.includes(command)),
  };
}

/** Limits one descriptor: the lists first, because losing the right `ioctl` or `fcntl` empties them. */
function limit(fd: number, { rights, ioctls, fcntls }: Limits): void {
  if (ioctls !== 'all' && rights.has('ioctl')) limitIoctls(fd, ioctls);
  if (rights.has('fcntl')) limitFcntls(fd, fcntls);
  limitRights(fd, rights);
}

function sameSet<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item));
}

/** Reads back one descriptor; throws when the kernel's answer is not what was asked for. */
function verified(fd: number, asked: Limits): Limits {
  const rights = getRights(fd);
  const ioctls = getIoctls(fd);
  const fcntls = getFcntls(fd);
  const askedIoctls = ioctlNumbers(asked.ioctls);
  const heldIoctls = ioctlNumbers(ioctls);
  const ioctlsMatch =
    askedIoctls === null || heldIoctls === null ? askedIoctls === heldIoctls : sameSet(askedIoctls, heldIoctls);
  if (!rights.equals(asked.rights) || !ioctlsMatch || !sameSet(asked.fcntls, fcntls)) {
    throw new Error(
      `Descriptor ${fd} was limited to { ${asked.rights} }, but the kernel says { ${rights} }; ` +
        `ioctls ${String(asked.ioctls)} / ${String(ioctls)}, fcntls ${asked.fcntls} / ${fcntls}`,
    );
  }
  return { rights, ioctls: ioctls === 'all' ? 'all' : ioctls, fcntls };
}

function unlistedError(strangers: readonly DescriptorIdentity[]): Error {
  const names = strangers.map(
    (descriptor) => `${descriptor.fd} (${`${descriptor.kind} ${whereabouts(descriptor)}`.trim()})`,
  );
  return invalidState(
    `plan.unlisted is 'fail' and these descriptors are not in the plan: ${names.join(', ')}. Close them, or name them ` +
      'in plan.servers, plan.sockets or plan.descriptors',
  );
}

function closedMeanwhile(fd: number): Error {
  return invalidState(`Descriptor ${fd} of the plan was closed while the seal was under way`);
}

/**
 * Throws unless the descriptors that the plan names are still the files they were when it was checked. One that has been
 * limited may no longer tell whether it listens.
 */
function checkNamed(
  plan: CheckedPlan,
  open: readonly DescriptorIdentity[],
  limited: ReadonlyMap<number, unknown>,
): void {
  const byFd = new Map(open.map((descriptor) => [descriptor.fd, descriptor]));
  for (const [fd, { kind, path, local, listening }] of plan.named) {
    const now = byFd.get(fd);
    if (now === undefined) throw closedMeanwhile(fd);
    if (
      now.kind !== kind ||
      now.path !== path ||
      now.local !== local ||
      (now.listening !== listening && !limited.has(fd))
    ) {
      throw invalidState(
        `Descriptor ${fd} of the plan was ${kind} ${path ?? local ?? ''} and became ${now.kind} ` +
          `${now.path ?? now.local ?? ''} while the seal was under way`,
      );
    }
  }
}

/** Takes over what is open, in the order of numbers, with the owners that the plan gives. */
function takeInventory(
  plan: CheckedPlan,
  open: readonly DescriptorIdentity[],
  limited: ReadonlyMap<number, unknown> = new Map(),
): DescriptorIdentity[] {
  checkNamed(plan, open, limited);
  const listeners = open.filter(({ fd }) => plan.servers.has(fd));
  const owned = open.map((descriptor) => withOwner(descriptor, plan, listeners));
  if (plan.unlisted === 'fail') {
    const strangers = owned.filter(({ fd, owner }) => owner === 'caller' && !plan.descriptors.has(fd));
    if (strangers.length > 0) throw unlistedError(strangers);
  }
  return owned;
}

/** Asks what a descriptor may do; undefined when another thread has closed it meanwhile, which one of the plan must not be. */
function completed(identity: DescriptorIdentity, plan: CheckedPlan): DescriptorInfo | undefined {
  try {
    return withLimits(identity);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
    if (plan.named.has(identity.fd)) throw closedMeanwhile(identity.fd);
    return undefined;
  }
}

/** Limits or closes every descriptor, and whatever other threads open meanwhile. */
function limitAll(binding: NativeBinding, plan: CheckedPlan, progress: Progress): Map<number, [DescriptorInfo, Fate]> {
  const known = knownRights();
  const handled = new Map<number, [DescriptorInfo, Fate]>();
  const attempts = 10;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const open = takeInventory(plan, identifyDescriptors(), handled);
    const fresh = open.filter((descriptor) => !handled.has(descriptor.fd));
    if (fresh.length === 0) return handled;
    for (const identity of fresh) {
      const descriptor = completed(identity, plan);
      if (descriptor === undefined) continue;
      const fate = fateOf(descriptor, plan, known, open);
      // Before, not after: of a descriptor's three limits, the first may hold when the second fails.
      progress.changed++;
      if ('close' in fate) binding.retireDescriptor(descriptor.fd);
      else limit(descriptor.fd, fate.limits);
      handled.set(descriptor.fd, [descriptor, fate]);
    }
  }
  throw invalidState(`Other threads went on opening descriptors; after ${attempts} rounds some were new still`);
}

/** Reads every descriptor back, and makes sure that there is no other. */
function verifyAll(
  binding: NativeBinding,
  handled: ReadonlyMap<number, [DescriptorInfo, Fate]>,
  plan: CheckedPlan,
): SealedDescriptor[] {
  const open = new Set(binding.openDescriptors());
  const result: SealedDescriptor[] = [];
  for (const [fd, [before, fate]] of handled) {
    open.delete(fd);
    if ('close' in fate) {
      const left = getRights(fd);
      if (left.size > 0) throw new Error(`Descriptor ${fd} was to be closed, but has the rights ${left}`);
      result.push({ before });
      continue;
    }
    try {
      result.push({ before, after: verified(fd, fate.limits) });
    } catch (error) {
      // Another thread may have closed one of its own meanwhile: no descriptor, no rights.
      if ((error as NodeJS.ErrnoException).code !== 'EBADF' || plan.named.has(fd)) throw error;
    }
  }
  if (open.size > 0) {
    throw new Error(`Another thread opened descriptors after the limits were set: ${[...open].join(', ')}`);
  }
  return result.sort((a, b) => a.before.fd - b.before.fd);
}

function limitProcess(binding: NativeBinding, plan: CheckedPlan, progress: Progress): void {
  progress.current = 'core dumps';
  if (plan.coreDumps) {
    progress.left('plan.coreDumps');
  } else {
    binding.disableCoreDumps();
    progress.done('RLIMIT_CORE=0, read back (setrlimit(2))');
  }

  progress.current = 'new privileges';
  if (plan.newPrivileges) {
    progress.left('plan.newPrivileges');
  } else {
    if (!binding.noNewPrivileges()) throw new Error('PROC_NO_NEW_PRIVS_STATUS says that privileges can be gained');
    progress.done('set-id bits are ignored, children included: PROC_NO_NEW_PRIVS_STATUS=1, read back (procctl(2))');
  }

  progress.current = 'debugger';
  if (plan.debugger) {
    progress.left('plan.debugger');
  } else {
    if (!binding.disableTracing()) throw new Error('PROC_TRACE_STATUS says that the process can be traced');
    progress.done(
      'no ptrace(2) or ktrace(2), children included; root excepted: PROC_TRACE_STATUS=-1, read back (procctl(2))',
    );
  }

  progress.current = 'user';
  if (plan.uid === null && plan.gid === null) {
    progress.left(`uid ${process.geteuid?.() ?? '?'}, as before`);
  } else {
    binding.switchUser(plan.uid, plan.gid);
    progress.done(`uid ${process.geteuid?.() ?? '?'}, gid ${process.getegid?.() ?? '?'}, no other groups`);
  }
}

/** Opens the directories of a plan, which are descriptors to keep like any other from here on. */
function withDirectories(plan: CheckedPlan, opened: Map<string, Directory>): CheckedPlan {
  const descriptors = new Map(plan.descriptors);
  for (const { name, path, rights } of plan.directories) {
    const directory = Directory.open(path, { rights });
    opened.set(name, directory);
    descriptors.set(directory.fd, { rights: directory.rights, ioctls: [], fcntls: [] });
  }
  return { ...plan, descriptors };
}

/** Keeps the descriptor of the own jail, of which nothing is left when it is closed. */
function withDescriptor(plan: CheckedPlan, fd: number): CheckedPlan {
  return {
    ...plan,
    descriptors: new Map([...plan.descriptors, [fd, { rights: Rights.NONE, ioctls: [], fcntls: [] }]]),
  };
}

let underway = false;

/**
 * Seals this process, irreversibly: limits every descriptor it holds, gives up the ways to more, enters capability mode,
 * and reads all of it back.
 *
 * The steps, in order. Up to and including 3 a failure leaves the process as it was; from 4 on nothing can be taken
 * back, and until 9 the process is not sealed: an error says so and which steps were taken (`error.steps`), and the
 * program should exit.
 *
 * 1. `check`: every argument of the plan, and the descriptors it names; its directories are opened, and closed again
 *    should the seal fail.
 * 2. `prewarm`: standard streams, time zone, resolver, cryptography, working directory, `plan.prewarm`.
 * 3. `drain`: every thread of the runtime's pool is held outside the kernel until the end, because a system call that
 *    has begun finishes with the old credential. Another worker thread's own synchronous call is not waited for.
 * 4. `limit`: every descriptor, by plan or to the least for its kind.
 * 5. `core dumps`: none. 6. `new privileges`: none. 7. `debugger`: none. 8. `user`: supplementary groups dropped and
 *    user switched, if the plan says so.
 * 9. `enter`: cap_enter(2).
 * 10. `verify`: capability mode is on and the rights, ioctls and fcntls of each descriptor are what was asked for. A
 *    mismatch is an error, and then the process is in capability mode all the same.
 *
 * From step 4 to 10 no JavaScript runs in this thread but the seal's; worker threads go on.
 *
 * @param plan what to keep; `{}` keeps standard streams and the runtime
 * @returns the capsule, with a report of each step and each descriptor
 * @throws the argument errors of the plan; `ERR_INVALID_STATE` when the process is sealed already, when a seal is under
 * way, for a descriptor of a jail or a process with `jail`, for an unlisted descriptor with `unlisted: 'fail'`, for an open inspector or IPC channel that the plan does not
 * allow, and when a descriptor of the plan becomes another while the seal is under way; `ETIMEDOUT` when file-system or DNS work does not finish;
 * `EPERM` for `user` or `group` without privilege; `ENOSYS` without a FreeBSD kernel;
 * `ERR_WORKER_UNSUPPORTED_OPERATION` in a worker thread
 * @see [capsicum(4)](https://man.freebsd.org/cgi/man.cgi?query=capsicum&sektion=4)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http';
 * import { once } from 'node:events';
 * import { readFileSync } from 'node:fs';
 * import { seal } from 'freebsd-capsule';
 * const server = createServer((request, response) => response.end('hello\n')).listen(8080);
 * await once(server, 'listening');
 * const capsule = await seal({ servers: [server] });
 * console.log(capsule.report); // and the server goes on serving
 * readFileSync('/etc/passwd'); // throws: errno -94, ECAPMODE
 * ```
 */
export async function seal<Names extends string = never>(plan: SealPlan<Names> = {}): Promise<Capsule<Names>> {
  if (!workerThreads().isMainThread) throw workerUnsupported('seal()');
  if (underway) throw invalidState('A seal of this process is under way');
  try {
    checkObject('plan', plan);
  } catch (error) {
    throw new Progress().explain(error);
  }
  const binding = native('cap_enter');
  const progress = new Progress(binding);
  const stillOutside = () => {
    if (binding.capGetMode()) throw invalidState('Something else entered capability mode while the seal was under way');
  };
  const release = () => binding.poolRelease();
  underway = true;
  let held = false;
  let jail: OwnJail | undefined;
  const directories = new Map<string, Directory>();
  try {
    if (binding.capGetMode()) throw invalidState('This process is in capability mode already');
    const open = identifyDescriptors();
    let checked = checkPlan(plan, open);
    ({ jail } = checked);
    const { size: planned } = checked.descriptors;
    // In a jail, they are opened inside.
    if (jail === undefined) checked = withDirectories(checked, directories);
    takeInventory(checked, open);
    await checkOutsideControl(checked);
    const opened = directories.size === 0 ? '' : `${directories.size} directories, `;
    progress.done(`${checked.servers.size} servers, ${checked.sockets.size} sockets, ${opened}${planned} others`);

    progress.current = 'prewarm';
    let directory = await prewarm(checked.prewarm);
    stillOutside();
    progress.done(
      `standard streams, time zone, resolver, cryptography, working directory; ${checked.prewarm.length} callbacks`,
    );

    progress.current = 'drain';
    // The runtime joins its threads at process.exit(), and the held ones would keep it waiting.
    process.once('exit', release);
    const threads = await holdThreadPool(binding, checked.drainTimeout);
    held = true;
    stillOutside();
    progress.done(`all ${threads} threads of the pool held outside the kernel`);

    if (jail !== undefined) {
      progress.current = 'jail';
      progress.looking = true;
      jail.look();
      progress.looking = false;
      const detail = jail.enter();
      directory = '/';
      checked = withDirectories(checked, directories);
      checked = withDescriptor(checked, jail.fd);
      progress.done(detail);
    }

    progress.current = 'limit';
    const handled = limitAll(binding, checked, progress);
    progress.done(`${handled.size} descriptors`);

    limitProcess(binding, checked, progress);

    let sealedJail: SealedJail | undefined;
    if (jail !== undefined) {
      progress.current = 'seal';
      const kept = [...handled.values()].filter(([, fate]) => !('close' in fate)).map(([descriptor]) => descriptor);
      sealedJail = jail.seal(terminalsAmong(kept));
      progress.done(`${Object.keys(sealedJail.parameters).length} parameters of jail ${sealedJail.jid} read back`);
    }

    progress.current = 'enter';
    if (binding.poolHeld() !== threads) throw invalidState('The thread pool was not held to the end');
    binding.capEnter();
    progress.done('cap_enter(2)');

    progress.current = 'verify';
    if (!binding.capGetMode()) throw new Error('cap_getmode(2) says that this process is not in capability mode');
    const descriptors = verifyAll(binding, handled, checked);
    progress.done(`cap_getmode(2) is 1; rights, ioctls and fcntls of ${descriptors.length} descriptors as asked`);
    keepWorkingDirectory(directory);
    const ownParts = jail === undefined ? {} : { jail: jail.current as Jail, evidence: jail.evidence };
    return makeCapsule(
      new SealReport({
        kernel: { kind: binding.kernelKind, release: binding.kernelRelease() },
        steps: progress.steps,
        descriptors,
        ...(sealedJail === undefined ? {} : { jail: sealedJail }),
      }),
      { directories: Object.fromEntries(directories) as Record<Names, Directory>, ...ownParts },
    );
  } catch (error) {
    jail?.[Symbol.dispose]();
    for (const directory of directories.values()) directory.close();
    throw progress.explain(error);
  } finally {
    process.off('exit', release);
    if (held) release();
    underway = false;
  }
}
