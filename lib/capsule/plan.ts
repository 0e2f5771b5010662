import type { Server as NetServer, Socket } from 'node:net';
import { native } from '../binding.ts';
import { type FcntlCommand, fcntlMask, fcntlNames } from '../capsicum/fcntls.ts';
import { type IoctlCommand, ioctlNumbers } from '../capsicum/ioctls.ts';
import { type Right, Rights } from '../capsicum/rights.ts';
import { type DescriptorLike, toFd } from '../descriptor.ts';
import { checkAmbientPath } from '../directory/arguments.ts';
import { Directory } from '../directory/directory.ts';
import { checkInteger, checkObject, invalidArgType, invalidArgValue } from '../errors.ts';
import type { JailParameters } from '../jail/parameter-types.ts';
import { type DescriptorIdentity, terminalsAmong, withLimits } from './inventory.ts';
import type { JailSealOptions } from './jail-seal.ts';
import { OwnJail } from './own-jail.ts';
import type { Limits } from './roles.ts';

/** A listening server: of `net`, `http`, `https`, `http2`, anything with an `address()`, or its descriptor. */
export type ServerLike = NetServer | { address(): unknown } | { readonly address: unknown } | DescriptorLike;

/** A descriptor of the caller's, with what it is to keep. */
export interface DescriptorPlan {
  /** The descriptor. */
  readonly fd: DescriptorLike;
  /** The rights it keeps, at most those it has. */
  readonly rights: Rights | Iterable<Right>;
  /** Default: none. */
  readonly ioctls?: 'all' | Iterable<IoctlCommand>;
  /** Default: none. */
  readonly fcntls?: Iterable<FcntlCommand>;
}

/** A directory to open, with what it is to be used for afterwards. */
export interface DirectoryPlan {
  /** Where it is; opened while `seal` may still open paths. */
  readonly path: string | Buffer | URL;
  /** Default: `Directory.READ`. */
  readonly rights?: Rights | Iterable<Right>;
}

/** What `seal` is to keep, and how. Everything is optional: `seal({})` keeps standard streams and the runtime alive. */
export interface SealPlan<Names extends string = string> extends JailSealOptions {
  /**
   * A jail to create and enter for good, by the kernel's parameters; those that the seal sets are not among them. `allow`,
   * `securelevel` and `require` are about it, and `directories` are inside of it. No directory may be open, and no
   * descriptor of a jail or a process: close them first, finished capsules included. `prewarm` may open none either; what
   * else it does to the process is looked at again before the jail is entered. Root; FreeBSD 15.0. Default: none.
   */
  readonly jail?: JailParameters;
  /** Servers that go on accepting connections. They must be listening. */
  readonly servers?: Iterable<ServerLike>;
  /** Connections that stay in use. */
  readonly sockets?: Iterable<Socket | DescriptorLike>;
  /** Other descriptors to keep, each with its rights. */
  readonly descriptors?: Iterable<DescriptorPlan>;
  /** Directories to open, limit and hand back by these names, as `capsule.directories`. */
  readonly directories?: Readonly<Record<Names, DirectoryPlan>>;
  /**
   * What happens to descriptors that are neither the runtime's nor in the plan: `'limit'` to the least for their kind
   * (default), `'close'`, or `'fail'`: refuse, naming them, with nothing changed. With `'limit'` a listening socket goes on
   * accepting, and a UNIX socket receiving descriptors from its other end.
   *
   * `'close'` closes the file and leaves an eventfd(2) without rights under the number, so that an owner who does not know
   * cannot reach whatever would get the number next.
   */
  readonly unlisted?: 'limit' | 'close' | 'fail';
  /** Called, and awaited, in turn before anything is limited: load here what is loaded lazily. */
  readonly prewarm?: Iterable<() => unknown>;
  /** User to become, by name or uid. Also drops all supplementary groups. Needs root. */
  readonly user?: string | number;
  /** Group to become, by name or gid. Default: the primary group of `user`. */
  readonly group?: string | number;
  /** Whether the process may still dump core. Default: false. */
  readonly coreDumps?: boolean;
  /** Whether it, and what it starts, may still gain privileges by executing a set-id file. Default: false. */
  readonly newPrivileges?: boolean;
  /**
   * Whether it, and what it starts, may still be traced by a debugger, and an inspector that is open (`--inspect`) stay
   * open. Default: false.
   */
  readonly debugger?: boolean;
  /** How long file-system and DNS calls in flight may take to finish, in milliseconds. Default: 5000. */
  readonly drainTimeout?: number;
}

/** A checked `DirectoryPlan`. */
interface PlannedDirectory {
  readonly name: string;
  readonly path: string | Buffer;
  readonly rights: Rights;
}

/** A plan whose every argument has been checked, with numbers for descriptors and ids for names. */
export interface CheckedPlan {
  readonly servers: ReadonlySet<number>;
  readonly sockets: ReadonlySet<number>;
  readonly descriptors: ReadonlyMap<number, Limits>;
  /** Every descriptor that the plan names, as it was when the plan was checked. */
  readonly named: ReadonlyMap<number, DescriptorIdentity>;
  readonly directories: readonly PlannedDirectory[];
  readonly unlisted: 'limit' | 'close' | 'fail';
  readonly prewarm: readonly (() => unknown)[];
  readonly uid: number | null;
  readonly gid: number | null;
  readonly coreDumps: boolean;
  readonly newPrivileges: boolean;
  readonly debugger: boolean;
  readonly drainTimeout: number;
  readonly jail: OwnJail | undefined;
}

const KEYS: ReadonlySet<string> = new Set<keyof SealPlan>([
  'servers',
  'sockets',
  'descriptors',
  'directories',
  'unlisted',
  'prewarm',
  'user',
  'group',
  'coreDumps',
  'newPrivileges',
  'debugger',
  'drainTimeout',
  'jail',
  'allow',
  'securelevel',
  'require',
]);

/** What is said of a jail has no meaning without one. */
function jailOf(plan: SealPlan, switchesUser: boolean, terminals: readonly string[]): OwnJail | undefined {
  const { jail, allow, securelevel, require }: SealPlan = plan;
  if (jail !== undefined) {
    checkObject('plan.jail', jail);
    const process = { switchesUser, debugger: flagOf(plan, 'debugger'), terminals };
    return new OwnJail(jail, { allow, securelevel, require }, process);
  }
  for (const [key, value] of Object.entries({ allow, securelevel, require })) {
    if (value !== undefined) throw invalidArgValue(`plan.${key}`, value, 'is about plan.jail, which is not there');
  }
  return undefined;
}

function listOf(plan: SealPlan, key: 'servers' | 'sockets' | 'descriptors' | 'prewarm'): unknown[] {
  const value: unknown = plan[key];
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) {
    throw invalidArgType(`plan.${key}`, 'an iterable', value);
  }
  return [...(value as Iterable<unknown>)];
}

function flagOf(plan: SealPlan, key: 'coreDumps' | 'newPrivileges' | 'debugger'): boolean {
  const value: unknown = plan[key];
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw invalidArgType(`plan.${key}`, 'of type boolean', value);
  return value;
}

const MAX_ID = 2 ** 32 - 2;

function checkName(name: string, value: string): void {
  if (value.includes('\0')) throw invalidArgValue(name, value, 'must be a string without null bytes');
}

function groupOf(plan: SealPlan): number | null {
  const group: unknown = plan.group;
  if (group === undefined) return null;
  if (typeof group === 'string' && group !== '') {
    checkName('plan.group', group);
    const gid = native('getgrnam').lookUpGroup(group);
    if (gid === undefined) throw invalidArgValue('plan.group', group, 'is not the name of a group');
    return gid;
  }
  if (typeof group !== 'number') throw invalidArgType('plan.group', 'a name or of type number', group);
  checkInteger('plan.group', group, 0, MAX_ID);
  return group;
}

function userOf(plan: SealPlan, gid: number | null): { uid: number | null; gid: number | null } {
  const user: unknown = plan.user;
  if (user === undefined) return { uid: null, gid };
  if (typeof user === 'number') checkInteger('plan.user', user, 0, MAX_ID);
  else if (typeof user !== 'string' || user === '') {
    throw invalidArgType('plan.user', 'a name or of type number', user);
  } else checkName('plan.user', user);
  const found = native('getpwnam').lookUpUser(user);
  if (found === undefined && (typeof user === 'string' || gid === null)) {
    const advice = typeof user === 'string' ? '' : '; give plan.group too';
    throw invalidArgValue('plan.user', user, `is not a user of this system${advice}`);
  }
  return { uid: typeof user === 'number' ? user : (found?.uid ?? null), gid: gid ?? found?.gid ?? null };
}

function limitsOf(value: object, name: string): Limits {
  const { rights, ioctls = [], fcntls = [] } = value as DescriptorPlan;
  if (rights === undefined) throw invalidArgType(`${name}.rights`, 'an instance of Rights or names of rights', rights);
  const set = Rights.from(rights);
  const numbers = ioctlNumbers(ioctls, `${name}.ioctls`);
  const commands = fcntlNames(fcntlMask(fcntls, `${name}.fcntls`));
  if ((numbers === null || numbers.length > 0) && !set.has('ioctl')) {
    throw invalidArgValue(`${name}.ioctls`, ioctls, "needs the right 'ioctl' too");
  }
  if (commands.length > 0 && !set.has('fcntl')) {
    throw invalidArgValue(`${name}.fcntls`, fcntls, "needs the right 'fcntl' too");
  }
  return { rights: set, ioctls: numbers ?? 'all', fcntls: commands };
}

function directoriesOf(plan: SealPlan): PlannedDirectory[] {
  const { directories }: { directories?: unknown } = plan;
  if (directories === undefined) return [];
  checkObject('plan.directories', directories);
  return Object.entries(directories).map(([name, entry]: [string, unknown]) => {
    const property = `plan.directories.${name}`;
    checkObject(property, entry);
    const { path, rights } = entry as Partial<DirectoryPlan>;
    return {
      name,
      path: checkAmbientPath(path, `${property}.path`),
      rights: Rights.from<Right>(rights ?? [...Directory.READ]),
    };
  });
}

/** Says what a descriptor does not have of what it is to keep. */
function lacking(limits: Limits, descriptor: DescriptorIdentity): string | undefined {
  const { rights, ioctls, fcntls } = withLimits(descriptor);
  const missing = [...limits.rights.difference(rights)];
  if (missing.length > 0) return `does not have the rights ${missing.join(', ')}`;
  if (ioctls !== 'all') {
    if (limits.ioctls === 'all') return 'is limited to some ioctls already';
    const held = new Set(ioctlNumbers(ioctls));
    const refused = limits.ioctls.filter((command) => !held.has(ioctlNumbers([command])?.[0] ?? -1));
    if (refused.length > 0) return `is limited to ioctls without ${refused.join(', ')}`;
  }
  const refused = limits.fcntls.filter((command) => !fcntls.includes(command));
  return refused.length > 0 ? `is limited to fcntls without ${refused.join(', ')}` : undefined;
}

/**
 * Checks a plan against its types and against the descriptors that are open. Reads users, groups and the descriptor
 * table; changes nothing.
 */
export function checkPlan(plan: SealPlan, open: readonly DescriptorIdentity[]): CheckedPlan {
  checkObject('plan', plan);
  for (const key of Object.keys(plan)) {
    if (!KEYS.has(key)) throw invalidArgValue('plan', plan, `has no property '${key}'`);
  }
  const byFd = new Map(open.map((descriptor) => [descriptor.fd, descriptor]));
  const claimed = new Map<number, string>();
  const claim = (
    value: unknown,
    name: string,
    fits: (descriptor: DescriptorIdentity) => string | undefined,
  ): number => {
    const fd = toFd(value, name);
    const descriptor = byFd.get(fd);
    if (descriptor === undefined) throw invalidArgValue(name, value, `is not open (descriptor ${fd})`);
    const misfit = fits(descriptor);
    if (misfit !== undefined) throw invalidArgValue(name, value, `${misfit} (descriptor ${fd}, ${descriptor.kind})`);
    const other = claimed.get(fd);
    if (other !== undefined) throw invalidArgValue(name, value, `is descriptor ${fd}, as ${other} is`);
    claimed.set(fd, name);
    return fd;
  };

  const servers = listOf(plan, 'servers').map((server, index) =>
    claim(server, `plan.servers[${index}]`, ({ listening }) => (listening ? undefined : 'is not a listening socket')),
  );
  const sockets = listOf(plan, 'sockets').map((socket, index) =>
    claim(socket, `plan.sockets[${index}]`, ({ listening }) =>
      listening === undefined ? 'is not a socket' : listening ? 'listens; name it in plan.servers' : undefined,
    ),
  );
  const descriptors = listOf(plan, 'descriptors').map((entry, index): [number, Limits] => {
    const name = `plan.descriptors[${index}]`;
    checkObject(name, entry);
    const limits = limitsOf(entry, name);
    const fd = claim((entry as DescriptorPlan).fd, `${name}.fd`, (descriptor) => lacking(limits, descriptor));
    return [fd, limits];
  });

  const prewarm = listOf(plan, 'prewarm').map((callback, index) => {
    if (typeof callback !== 'function') throw invalidArgType(`plan.prewarm[${index}]`, 'of type function', callback);
    return callback as () => unknown;
  });
  const { unlisted = 'limit', drainTimeout = 5000 }: { unlisted?: unknown; drainTimeout?: unknown } = plan;
  if (unlisted !== 'limit' && unlisted !== 'close' && unlisted !== 'fail') {
    throw invalidArgValue('plan.unlisted', unlisted, "must be one of: 'limit', 'close', 'fail'");
  }
  checkInteger('plan.drainTimeout', drainTimeout, 1, 600_000);
  const credentials = userOf(plan, groupOf(plan));
  const keeps = ({ fd, owner }: DescriptorIdentity) =>
    unlisted !== 'close' || owner !== 'caller' || descriptors.some(([planned]) => planned === fd);
  const terminals = terminalsAmong(open.filter(keeps));

  return {
    servers: new Set(servers),
    sockets: new Set(sockets),
    descriptors: new Map(descriptors),
    named: new Map([...claimed.keys()].flatMap((fd) => [[fd, byFd.get(fd) as DescriptorIdentity] as const])),
    directories: directoriesOf(plan),
    unlisted,
    prewarm,
    ...credentials,
    coreDumps: flagOf(plan, 'coreDumps'),
    newPrivileges: flagOf(plan, 'newPrivileges'),
    debugger: flagOf(plan, 'debugger'),
    drainTimeout,
    jail: jailOf(plan, credentials.uid !== null || credentials.gid !== null, terminals),
  };
}
