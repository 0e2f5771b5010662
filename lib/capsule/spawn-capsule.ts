import { abortError } from '../abort-error.ts';
import { native } from '../binding.ts';
import { type FcntlCommand, fcntlMask } from '../capsicum/fcntls.ts';
import { isSandboxed } from '../capsicum/mode.ts';
import { type Right, Rights } from '../capsicum/rights.ts';
import { type DescriptorLike, toFd } from '../descriptor.ts';
import { checkObject, invalidArgType, invalidArgValue, invalidState } from '../errors.ts';
import { requireFreeBSD15 } from '../jail/calls.ts';
import { isJailed } from '../jail/jail.ts';
import { checkOpen, closeOwn, createOwned, type JailDescriptor, openDescriptor } from '../jail/jail-descriptor.ts';
import type { JailParameters, JailValue } from '../jail/parameter-types.ts';
import { encodeParameters } from '../jail/parameters.ts';
import type { CheckedDescriptors } from '../process/child-descriptors.ts';
import { HeldProcess } from '../process/spawn.ts';
import { type CheckedSpawn, checkSpawn, type SpawnOptions } from '../process/spawn-options.ts';
import { makeCapsule, type SpawnedCapsule } from './capsule.ts';
import { Evidence } from './evidence.ts';
import { type DescriptorInfo, listDescriptors } from './inventory.ts';
import {
  checkJailSeal,
  checkLeft,
  checkUnsealed,
  claimJail,
  fileFacts,
  type JailSealOptions,
  possibleTracers,
  processesOf,
  reachOf,
  readSealed,
  readWhole,
  sealedValues,
  setAll,
  socketsOf,
  verifySealed,
  whyNotInside,
  withNamespaces,
} from './jail-seal.ts';
import { JailSteps } from './jail-steps.ts';
import { type Facts, gradeCapsule, type PropertyTable } from './properties.ts';
import { SealReport } from './report.ts';
import { checkRequirements, requireGrades } from './requirements.ts';

/**
 * How `Capsule.spawn` starts a program: its jail, what that keeps, and the options of `spawn()` that a capsule leaves open.
 *
 * A file among `stdio` and `descriptors` without `rights` of its own is limited to what it was opened for: one opened for
 * reading cannot be opened again for writing, and no mode or owner of it be changed.
 */
export interface CapsuleSpawnOptions
  extends JailSealOptions,
    Omit<SpawnOptions, 'jail' | 'daemon' | 'session' | 'noNewPrivileges'> {
  /** The jail, by the kernel's parameters; those that the seal sets are not among them. */
  readonly jail: JailParameters;
  /** Called, and awaited, with the jail before it is sealed and before the program is in it. */
  readonly configure?: ((jail: JailDescriptor) => Promise<void> | void) | undefined;
}

/** The steps of `Capsule.spawn`, in order: what `capsule run --dry-run` shows is what is taken. */
export const SPAWN_STEPS = {
  check: 'every argument, and the grades that are required, as they are to be',
  create: 'jail_set(2) with JAIL_CREATE and JAIL_OWN_DESC: a jail that this process owns',
  configure: 'the callback of a program, with the jail as it is before the seal',
  start:
    'a process that stands before execve(2), in the jail: own session, no core dumps, no new privileges, no tracing',
  seal: 'jail_set(2) with JAIL_UPDATE: all parameters of the seal at once, System V IPC again as it is',
  watch: 'EVFILT_JAILDESC and EVFILT_JAIL: every change and every attachment is told',
  verify: 'everything is read back; the process is the only one; the grades, and what is required of them',
  release: 'execve(2) of the command',
} as const;

/** A step of `Capsule.spawn`. */
export type SpawnStepName = keyof typeof SPAWN_STEPS;

/** What `Capsule.spawn` was asked for, with every argument checked. */
export interface Order {
  readonly parameters: JailParameters;
  /** What the step `seal` sets, besides the namespaces of System V IPC. */
  readonly sealed: ReadonlyMap<string, JailValue>;
  readonly requirements: ReturnType<typeof checkRequirements>;
  readonly capabilityMode: boolean;
  readonly configure: ((jail: JailDescriptor) => unknown) | undefined;
  /**
   * What `spawn()` is asked, once the jail has a descriptor, and what of the descriptors a grade is about. Checks these
   * again: some may be others by now.
   */
  spawn(jail: JailDescriptor): readonly [CheckedSpawn, Given];
}

const READING: readonly Right[] = ['read', 'mmap_r'];
const WRITING: readonly Right[] = ['write', 'fsync', 'ftruncate'];

/** What a file can be used for that was opened in a way. None of it opens it again, or changes whose it is. */
function rightsOf(access: DescriptorInfo['access']): Rights {
  const ways: Partial<Record<DescriptorInfo['access'], readonly Right[]>> = { read: READING, write: WRITING };
  const transfer = ways[access] ?? [...READING, ...WRITING, 'mmap_rw'];
  return Rights.from([...transfer, 'seek', 'fstat', 'fstatfs', 'fpathconf', 'event', 'fcntl', 'flock']);
}

/** What a capsule's program is given. */
interface Given {
  readonly descriptors: CheckedDescriptors;
  readonly terminals: readonly string[];
  /** What can be, or accept, a TCP connection. */
  readonly sockets: readonly string[];
}

/**
 * Throws for a descriptor that reaches out of the jail, whatever its rights. Limits the files for which the caller did not
 * say how: whoever has one can else open it again, for writing too (O_EMPTY_PATH).
 */
function checkDescriptors({ descriptors, file }: CheckedSpawn): Given {
  const open = new Map(listDescriptors().map((descriptor) => [descriptor.fd, descriptor]));
  const terminals: string[] = [];
  const sockets: string[] = [];
  const check = (name: string, fd: number): DescriptorInfo | undefined => {
    const descriptor = open.get(fd);
    // Whoever uses it gets EBADF.
    if (descriptor === undefined) return undefined;
    const why = whyNotInside(descriptor);
    if (why !== undefined) throw invalidArgValue(name, fd, why);
    if (descriptor.kind === 'tty') terminals.push(`${name}: ${descriptor.path ?? fd}`);
    if (descriptor.kind === 'tcp' || descriptor.kind === 'socket') sockets.push(name);
    return descriptor;
  };
  const limited = new Map(descriptors);
  for (const [target, given] of descriptors) {
    if (typeof given === 'string') continue;
    const { fd } = given;
    const descriptor = check(target < 3 ? `options.stdio[${target}]` : `options.descriptors[${target}]`, fd);
    if (given.limits !== undefined || descriptor === undefined || !FILES.has(descriptor.kind)) continue;
    const rights = rightsOf(descriptor.access).intersection(descriptor.rights);
    const fcntls = fcntlMask(rights.has('fcntl') ? FILE_FCNTLS.filter((name) => descriptor.fcntls.includes(name)) : []);
    limited.set(target, { fd, limits: { rights, ioctls: [], fcntls } });
  }
  if (typeof file === 'number') check('file', file);
  return { descriptors: limited, terminals, sockets };
}

/** What has a path, and harms when it is opened again. */
const FILES: ReadonlySet<DescriptorInfo['kind']> = new Set(['file', 'fifo']);

const FILE_FCNTLS: readonly FcntlCommand[] = ['getfl', 'setfl'];

/**
 * Takes the first step of `Capsule.spawn`: checks every argument, and the grades that are required, as they are to be.
 * Changes nothing.
 */
export function checkOrder(file: unknown, args: unknown, options: CapsuleSpawnOptions): Order {
  checkObject('options', options);
  for (const key of ['daemon', 'session', 'noNewPrivileges']) {
    if (Object.hasOwn(options, key)) throw invalidArgValue('options', options, `has no property '${key}'`);
  }
  const { jail: parameters, allow, securelevel, require = {}, configure, ...spawning } = options;
  checkObject('options.jail', parameters);
  if (configure !== undefined && typeof configure !== 'function') {
    throw invalidArgType('options.configure', 'of type function', configure);
  }
  const requirements = checkRequirements('options.require', require);
  const { limits = {} } = spawning;
  checkObject('options.limits', limits);
  if (limits.core !== undefined && limits.core !== 0) {
    throw invalidArgValue('options.limits.core', limits.core, 'must be 0: a capsule leaves no core files');
  }
  const complete: SpawnOptions = {
    ...spawning,
    limits: { ...limits, core: 0 },
    session: true,
    noNewPrivileges: true,
  };
  // With a jid in place of the jail, which is there only later.
  const checked = checkSpawn(file, args, { ...complete, jail: 1 });
  requireFreeBSD15('jail_set', 'Capsules');
  if (isSandboxed()) throw invalidState('In capability mode no jail can be made');
  checkUnsealed('options.jail', parameters);
  encodeParameters(parameters, 'options.jail', true);
  if (checked.signal?.aborted) throw abortError(checked.signal);
  const given = checkDescriptors(checked);
  const sealed = sealedValues(checkJailSeal('options', { allow, securelevel }));
  const { path = '/' } = parameters;
  requireGrades(
    gradesOf(new Map<string, JailValue>([...sealed, ['path', path]]), {
      root: path,
      capabilityMode: checked.capabilityMode,
      terminals: given.terminals,
      sockets: socketsOf(new Map(Object.entries(parameters)), given.sockets, checked.capabilityMode),
    }),
    requirements,
  );
  return {
    // With the one permission that decides over others from the start.
    parameters: { ...parameters, ...(sealed.get('allow.sysvipc') === true ? { 'allow.sysvipc': true } : {}) },
    sealed,
    requirements,
    capabilityMode: checked.capabilityMode,
    configure,
    spawn: (jail) => {
      const given = checkDescriptors(checked);
      return [{ ...checked, descriptors: given.descriptors, jail: { fd: jail.fd } }, given];
    },
  };
}

/** Everything that was made on the way to a capsule. */
class Making {
  jail: JailDescriptor | undefined;
  held: HeldProcess | undefined;
  watched: JailDescriptor | undefined;
  readonly evidence = new Evidence();

  /** Undoes it, and says how far that came. */
  async undo(): Promise<string> {
    this.evidence[Symbol.dispose]();
    if (this.watched !== undefined) closeOwn(this.watched);
    this.held?.[Symbol.dispose]();
    this.held?.process.close();
    const { jail } = this;
    if (jail === undefined) return 'nothing was changed';
    const held = closeOwn(jail);
    try {
      await jail.removed({ signal: AbortSignal.timeout(GIVE_UP_MS) });
      return `its jail ${jail.jid} and its process are gone`;
    } catch (error) {
      if (!held) return `nothing here holds its jail ${jail.jid}, and something else does: ${String(error)}`;
      return `its jail ${jail.jid} was removed, and the kernel has not finished with it: ${String(error)}`;
    }
  }
}

/** How long is waited for what the kernel does at once. */
const GIVE_UP_MS = 20_000;

/** What is known of one capsule; the last three once there are such. */
interface Found extends Pick<Facts, 'capabilityMode' | 'terminals' | 'sockets'> {
  readonly root: string;
  readonly processes?: readonly number[];
  readonly tracers?: readonly string[];
  readonly jid?: number;
}

function gradesOf(
  parameters: ReadonlyMap<string, JailValue>,
  { root, capabilityMode, terminals, sockets, processes, tracers = [], jid }: Found,
): PropertyTable {
  return gradeCapsule({
    parameters,
    processes,
    terminals,
    sockets,
    nested: isJailed(),
    untraceable: true,
    capabilityMode,
    ownSessions: true,
    owned: true,
    possibleTracers: tracers,
    ...fileFacts(root, jid),
  });
}

/** Waits for the report of the child's own attachment, and throws for any other. */
async function checkAttached(evidence: Evidence, pid: number): Promise<void> {
  const attached = await evidence.take('attach', AbortSignal.timeout(GIVE_UP_MS));
  if (attached === undefined) throw invalidState('The jail was removed while it was sealed');
  if (attached.type !== 'attach' || attached.coalesced || attached.pid !== pid) {
    throw invalidState('Another process attached to the jail while it was sealed');
  }
}

function checkProcesses(jid: number, pid: number): readonly number[] {
  const { processes, ownSessions } = processesOf(jid);
  if (processes.length !== 1 || processes[0] !== pid) {
    throw invalidState(`Jail ${jid} was to have the process ${pid} alone, and has: ${processes.join(', ') || 'none'}`);
  }
  if (!ownSessions) throw new Error(`Process ${pid} is in a session with others`);
  return processes;
}

/** `Capsule.spawn`, which tells the steps. */
export async function spawnCapsule(
  file: string | DescriptorLike,
  args: readonly string[],
  options: CapsuleSpawnOptions,
): Promise<SpawnedCapsule> {
  const steps = new JailSteps(Object.keys(SPAWN_STEPS) as [SpawnStepName, ...SpawnStepName[]]);
  const making = new Making();
  const { evidence } = making;
  try {
    steps.begin('check');
    const order = checkOrder(typeof file === 'string' ? file : toFd(file, 'file'), args, options);
    steps.done(`${order.requirements.length} grades required`);

    steps.begin('create');
    const jail = createOwned({ ...order.parameters, persist: true });
    making.jail = jail;
    const { jid } = jail;
    claimJail(jid, evidence);
    steps.done(`jail ${jid}, owned by a descriptor of this process (jail_set(2) JAIL_OWN_DESC)`);

    steps.begin('configure');
    if (order.configure === undefined) {
      steps.left('nothing to configure');
    } else {
      await order.configure(jail);
      checkOpen(jail, 'options.configure');
      steps.done('the callback returned');
    }

    const key = { fd: jail.fd };
    const whole = readWhole(key, jid);

    steps.begin('start');
    // Of its own: the caller may close his, which is an end of the jail to be told of.
    const watched = openDescriptor({ jid }, {});
    making.watched = watched;
    evidence.watch('jaildesc', watched.fd, ['attach', 'child', 'remove']);
    const { processes: strangers } = processesOf(jid);
    if (strangers.length > 0) {
      throw invalidState(
        `options.configure left processes in the jail, which a capsule does not hold: ${strangers.join(', ')}`,
      );
    }
    const [asked, given] = order.spawn(jail);
    const held = new HeldProcess(asked);
    making.held = held;
    const { process } = held;
    const pid = process.pid as number;
    steps.done(
      `process ${pid}, before execve(2); read back: RLIMIT_CORE=0, PROC_NO_NEW_PRIVS_STATUS=1, PROC_TRACE_STATUS=-1`,
    );

    steps.begin('seal');
    const wanted = withNamespaces(order.sealed, readSealed(key, jid));
    setAll(key, jid, wanted);
    steps.done(`${wanted.size} parameters (jail_set(2) JAIL_UPDATE)`);

    steps.begin('watch');
    evidence.watch('jail', jid, ['set']);
    steps.done('EVFILT_JAILDESC, EVFILT_JAIL');

    steps.begin('verify');
    await checkAttached(evidence, pid);
    checkOpen(jail, 'Somebody');
    const parameters = verifySealed(key, jid, wanted);
    checkLeft(whole, key, jid, wanted);
    const processes = checkProcesses(jid, pid);
    const root = parameters.get('path') as string;
    // Root in a jail may not read what an untraceable process has open: then what was asked for is what is known.
    const terminals = isJailed() ? given.terminals : reachOf(jid, root, processes);
    const { capabilityMode } = order;
    const sockets = socketsOf(whole, given.sockets, capabilityMode);
    const tracers = possibleTracers(jid);
    const properties = gradesOf(parameters, { root, capabilityMode, terminals, sockets, processes, tracers, jid });
    requireGrades(properties, order.requirements);
    await evidence.expectNone();
    steps.done(`${parameters.size} parameters read back; process ${pid} is the only one, in a session of its own`);

    steps.begin('release');
    await evidence.expectNone();
    checkOpen(jail, 'Somebody');
    held.release();
    held[Symbol.dispose]();
    steps.done('the program runs');

    const binding = native('jail_set');
    const report = new SealReport({
      kernel: { kind: binding.kernelKind, release: binding.kernelRelease() },
      steps: steps.taken,
      descriptors: [],
      jail: { jid, parameters: Object.fromEntries(parameters), properties },
    });
    return makeCapsule<never>(report, { jail, process, evidence, held: [process, jail, watched] }) as SpawnedCapsule;
  } catch (error) {
    throw steps.explain(error, await making.undo());
  }
}
