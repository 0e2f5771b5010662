/** The jail's half of a seal: which parameters it sets, and whether the kernel has them so. */

import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { native } from '../binding.ts';
import { checkInteger, invalidArgType, invalidArgValue, invalidState } from '../errors.ts';
import { inJail, type JailKey, readJail, updateJail } from '../jail/calls.ts';
import { isJailed, Jail } from '../jail/jail.ts';
import { jailParameters } from '../jail/parameter-table.ts';
import type { JailParameters, JailValue } from '../jail/parameter-types.ts';
import { encodeParameters } from '../jail/parameters.ts';
import type { Evidence } from './evidence.ts';
import { type DescriptorInfo, kindOf } from './inventory.ts';
import type { Facts, Requirements } from './properties.ts';

/** What a jail is to keep when it is sealed. */
export interface JailSealOptions {
  /**
   * The permissions that the jail keeps or gets, by their full names (`'allow.raw_sockets'`). Every other `allow.*` of the
   * running kernel is turned off, `allow.suser` too: uid 0 has no privilege inside then. With it, uid 0 inside can
   * raise its hard resource limits again, which then bound nothing. Default: none.
   */
  readonly allow?: readonly string[] | undefined;
  /** The jail's secure level, -1 to 3. Default: 3. */
  readonly securelevel?: number | undefined;
  /** The grades without which the seal is an error. */
  readonly require?: Requirements | undefined;
}

export interface CheckedJailSeal {
  readonly allow: ReadonlySet<string>;
  readonly securelevel: number;
}

/** Where nothing else is said. */
export const DEFAULT_SECURELEVEL = 3;

/** Every permission of the running kernel. */
function permissions(): string[] {
  return jailParameters()
    .filter(({ name, type }) => name.startsWith('allow.') && type === 'boolean')
    .map(({ name }) => name);
}

export function checkJailSeal(
  name: string,
  { allow = [], securelevel = DEFAULT_SECURELEVEL }: JailSealOptions,
): CheckedJailSeal {
  if (!Array.isArray(allow)) throw invalidArgType(`${name}.allow`, 'an instance of Array', allow);
  const known = permissions();
  allow.forEach((permission: unknown, index) => {
    if (typeof permission !== 'string') throw invalidArgType(`${name}.allow[${index}]`, 'of type string', permission);
    if (!known.includes(permission)) {
      throw invalidArgValue(`${name}.allow[${index}]`, permission, 'is not an allow.* parameter of this kernel');
    }
  });
  checkInteger(`${name}.securelevel`, securelevel, -1, 3);
  return { allow: new Set(allow as string[]), securelevel };
}

/** Throws for a jail parameter that the seal sets: there is one way to say each. */
export function checkUnsealed(name: string, parameters: JailParameters): void {
  const instead: Record<string, string> = {
    persist: 'a capsule ends with its last process',
    'children.max': 'a capsule makes no jails',
    enforce_statfs: 'a capsule sees the mount with its root alone',
    securelevel: 'use options.securelevel',
  };
  for (const [key, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    const why = key.startsWith('allow.') ? 'use options.allow' : Object.hasOwn(instead, key) ? instead[key] : undefined;
    if (why !== undefined) throw invalidArgValue(`${name}['${key}']`, value, `is set by the seal: ${why}`);
  }
}

/** Every jail that this program has sealed or is about to seal, by its number. */
const claimed = new Map<number, Evidence>();

/**
 * Claims a jail for one seal, until its evidence is over.
 *
 * @throws `ERR_INVALID_STATE` when another seal of this program has it
 */
export function claimJail(jid: number, evidence: Evidence): void {
  if (claimed.get(jid)?.over === false) {
    throw invalidState(`Jail ${jid} is sealed by this program already, or a seal of it is under way`);
  }
  claimed.set(jid, evidence);
}

/** What the seal sets, by parameter; the namespaces of System V IPC come with `withNamespaces`. */
export function sealedValues({ allow, securelevel }: CheckedJailSeal): Map<string, JailValue> {
  return new Map<string, JailValue>([
    ['children.max', 0],
    ['persist', false],
    ['securelevel', securelevel],
    ['enforce_statfs', 2],
    ...permissions().map((permission): [string, boolean] => [permission, allow.has(permission)]),
  ]);
}

/** The namespaces of System V IPC that the running kernel has. */
function namespaces(): string[] {
  return jailParameters()
    .map(({ name }) => name)
    .filter((name) => ['sysvmsg', 'sysvsem', 'sysvshm'].includes(name));
}

const SYSVIPC = 'allow.sysvipc';

/**
 * Completes what a seal sets. Unless they are said again, the kernel puts the namespaces of System V IPC where
 * `allow.sysvipc` goes: off, a jail's own would be destroyed with all that is in them; on, they would give way to those
 * outside. A jail keeps its own; the others go where the permission goes, when that changes.
 */
export function withNamespaces(
  sealed: ReadonlyMap<string, JailValue>,
  before: ReadonlyMap<string, JailValue>,
): Map<string, JailValue> {
  const allowed = sealed.get(SYSVIPC) === true;
  const changes = (before.get(SYSVIPC) === true) !== allowed;
  const follow = allowed ? 'inherit' : 'disable';
  return new Map([
    ...sealed,
    ...namespaces().map((name): [string, JailValue] => {
      const value = before.get(name) ?? 'disable';
      return [name, changes && value !== 'new' ? follow : value];
    }),
  ]);
}

/** Sets parameters in one call: all, or none. */
export function setAll(key: JailKey, jid: number, values: ReadonlyMap<string, JailValue>): void {
  const encoded = encodeParameters(Object.fromEntries(values), 'parameters', false);
  inJail(jid, () => updateJail(key, encoded));
}

/** What is read besides, since grades depend on it or a sealed jail cannot have it. */
const ALSO = ['name', 'path', 'children.cur', 'dying'];

/** Reads what a seal is about. */
export function readSealed(key: JailKey, jid: number): Map<string, JailValue> {
  const sealed = sealedValues({ allow: new Set(), securelevel: 0 }).keys();
  return inJail(jid, () => readJail(key, [...sealed, ...namespaces(), ...ALSO]));
}

/**
 * Reads the parameters back.
 *
 * @throws when the kernel has any of them otherwise
 */
export function verifySealed(
  key: JailKey,
  jid: number,
  wanted: ReadonlyMap<string, JailValue>,
): Map<string, JailValue> {
  const values = readSealed(key, jid);
  const expected = new Map<string, JailValue>([...wanted, ['children.cur', 0], ['dying', false]]);
  const wrong = [...expected].filter(([name, value]) => values.get(name) !== value);
  // What the kernel has come to know since is on, for all we know.
  const unknown = permissions().filter((name) => !wanted.has(name));
  if (wrong.length === 0 && unknown.length === 0) return values;
  const lines = wrong.map(([name, value]) => `${name} is ${String(values.get(name))} and was to be ${String(value)}`);
  throw new Error(
    `Jail ${jid} is not what it was made: ${[...lines, ...unknown.map((name) => `${name} is new`)].join(', ')}`,
  );
}

/** What changes by itself. */
const MOVING: ReadonlySet<string> = new Set(['children.cur', 'dying']);

/** Reads a jail whole: from here on nobody but the seal is to change it unnoticed. */
export function readWhole(key: JailKey, jid: number): ReadonlyMap<string, JailValue> {
  return inJail(jid, () => readJail(key, []));
}

/** Throws when something that a seal leaves has changed since: until the watch begins, no event tells of it. */
export function checkLeft(
  before: ReadonlyMap<string, JailValue>,
  key: JailKey,
  jid: number,
  wanted: ReadonlyMap<string, unknown>,
): void {
  const now = readWhole(key, jid);
  const changed = [...new Set([...before.keys(), ...now.keys()])].filter(
    (name) => !wanted.has(name) && !MOVING.has(name) && !isDeepStrictEqual(before.get(name), now.get(name)),
  );
  if (changed.length > 0) {
    throw invalidState(`The jail was tampered with while it was sealed: ${changed.join(', ')} changed`);
  }
}

/** What a record of a process has, in order. */
const PROCESS = ['pid', 'parent', 'session', 'jid', 'tracer', 'ktrace'] as const;

/**
 * One process. `jid` 0 is the jail that this process is in; `tracer` 0 is nobody, and `ktrace` 0 is nothing that ktrace(2)
 * records.
 */
type ProcessRecord = Readonly<Record<(typeof PROCESS)[number], number>>;

/** All processes that this one may see. */
function allProcesses(): ProcessRecord[] {
  const numbers = native('sysctl').processes();
  return Array.from(
    { length: numbers.length / PROCESS.length },
    (_, index) =>
      Object.fromEntries(
        PROCESS.map((name, place) => [name, numbers[PROCESS.length * index + place]]),
      ) as ProcessRecord,
  );
}

/**
 * The processes of a jail, those that this one may see; and whether none of them is in a session with one that is not in
 * the jail: within a session everybody may send SIGCONT. A session whose leader is not in the jail counts as somebody
 * else's: from within a jail, not all who are in it can be seen.
 */
export function processesOf(jid: number): { processes: readonly number[]; ownSessions: boolean } {
  const all = allProcesses();
  const inside = all.filter((process) => process.jid === jid);
  const pids = new Set(inside.map(({ pid }) => pid));
  const sessions = new Set(inside.map(({ session }) => session));
  return {
    processes: [...pids],
    ownSessions:
      [...sessions].every((session) => pids.has(session)) &&
      !all.some((process) => process.jid !== jid && sessions.has(process.session)),
  };
}

const INIT = 1;

/**
 * The processes outside of a jail that one inside could have itself traced by (PT_TRACE_ME), as their child or as what they
 * inherit: no signal ends it then before they end. init(8) traces nobody, and this process is not looked for.
 */
export function possibleTracers(jid: number): string[] {
  const inside = allProcesses().filter((process) => process.jid === jid);
  const pids = new Set(inside.map(({ pid }) => pid));
  const found = new Set<string>();
  for (const { pid, parent } of inside) {
    if (parent !== INIT && parent !== process.pid && !pids.has(parent))
      found.add(`process ${parent}, parent of ${pid}`);
    const reaper = reaperOf(pid);
    // Of one that is its own nobody says who inherits it.
    if (reaper !== INIT && reaper !== undefined && (reaper === pid || !pids.has(reaper))) {
      found.add(`process ${reaper}, reaper of ${pid}`);
    }
  }
  return [...found];
}

function reaperOf(pid: number): number | undefined {
  try {
    return native('procctl').reaperOf(pid);
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
    throw error;
  }
}

/** Throws when a process of a jail is traced: who has begun is not asked for a permission again. */
export function checkUntraced(jid: number): void {
  for (const process of allProcesses()) {
    if (process.jid !== jid) continue;
    const { pid, tracer, ktrace } = process;
    if (tracer !== 0) throw invalidState(`Process ${pid} of jail ${jid} is traced by process ${tracer} (ptrace(2))`);
    if (ktrace !== 0) {
      throw invalidState(`Process ${pid} of jail ${jid} is traced by ktrace(2), which ktrace -C ends`);
    }
  }
}

/** Whether this process leads a session, and is alone in it. Others of another's session may be out of sight. */
export function isAloneInSession(): boolean {
  const processes = allProcesses();
  const own = processes.find(({ pid }) => pid === process.pid)?.session;
  return own === process.pid && processes.filter(({ session }) => session === own).length === 1;
}

/** Whether a path is another, or below it. */
const isAt = (path: string, directory: string) =>
  path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);

/** Devices that do nothing to anybody. */
const HARMLESS = new Set(['/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom']);

/** Terminals, by the names that devfs(4) has for them: who asks about another process can only go by these. */
const TERMINAL = /^\/dev\/(pts\/\d+|tty\w*|cua\w+|console)$/;

/** Returns why a program in a capsule is not to have a descriptor from outside; undefined for one that it may have. */
export function whyNotInside({ kind, path }: Pick<DescriptorInfo, 'kind' | 'path'>): string | undefined {
  switch (kind) {
    case 'directory':
    case 'jail':
      return `is a ${kind}'s descriptor, which leads out of the capsule`;
    case 'process':
      return "is a process's descriptor, which reaches out of the capsule";
    case 'device':
      return path !== undefined && HARMLESS.has(path)
        ? undefined
        : `is a device (${path ?? 'of unknown path'}), and what its driver does knows no jail`;
    case 'inotify':
    case 'kqueue':
    case 'unknown':
      return `is of kind '${kind}', which no capsule is given`;
    default:
      return undefined;
  }
}

/**
 * Looks at what the processes of a jail have that may reach beyond it: a directory, a device or a terminal that is not
 * under the jail's root, the descriptor of a process that is not in it, and that of a jail. Attaching refuses directories
 * and jails; a UNIX socket can bring more.
 *
 * @returns the terminals, which a seal grades
 * @throws for everything else
 */
export function reachOf(jid: number, root: string, processes: readonly number[]): string[] {
  const isUnder = (path: string) => root !== '/' && path.startsWith(`${root}/`);
  const terminals: string[] = [];
  for (const pid of processes) {
    for (const way of waysOf(pid)) {
      const { fd, path } = way;
      const kind = kindOf({ ...way, tty: TERMINAL.test(path) });
      const where = fd < 0 ? 'works in' : `has, as descriptor ${fd},`;
      if (kind === 'directory') {
        if (isAt(path, root)) continue;
        throw leadsOut(`${where} the directory ${path === '' ? 'of unknown path' : path}`, pid, jid);
      }
      if (kind === 'tty') {
        if (!isUnder(path)) terminals.push(`process ${pid}: ${path === '' ? `descriptor ${fd}` : path}`);
      } else if (kind === 'process') {
        if (!processes.includes(way.pid)) throw leadsOut(`${where} process ${way.pid}`, pid, jid);
      } else if (kind === 'jail') {
        throw leadsOut(`${where} jail ${way.jid}`, pid, jid);
      } else if (!isUnder(path) && !HARMLESS.has(path)) {
        throw leadsOut(`${where} the device ${path === '' ? 'of unknown path' : path}`, pid, jid);
      }
    }
  }
  return terminals;
}

function leadsOut(what: string, pid: number, jid: number): Error {
  return invalidState(`Process ${pid} ${what}, which leads out of jail ${jid}`);
}

function waysOf(pid: number): ReturnType<ReturnType<typeof native>['processReach']> {
  try {
    return native('sysctl').processReach(pid);
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return [];
    throw error;
  }
}

const OTHERS_SEARCH = 0o011;

/** The nearest directory, from a jail's root upwards, that nobody but root may search, and its mode. */
function closedDirectoryAbove(root: string): readonly [path: string, mode: number] | undefined {
  for (let path = root; ; path = dirname(path)) {
    const { uid, mode } = statSync(path);
    if (uid === 0 && (mode & OTHERS_SEARCH) === 0) return [path, mode & 0o777];
    if (path === dirname(path)) return undefined;
  }
}

/** File systems that show the files of a directory which has a path of its own; of unionfs one side is named. */
const SHOWS_ANOTHER = new Set(['nullfs', 'unionfs']);

/** File systems that are not local to the kernel, and have no files of anybody's. */
const WITHOUT_FILES = new Set(['devfs', 'fdescfs']);

/**
 * Where else files under a jail's root have names: what is mounted there from elsewhere, and what shows it elsewhere.
 */
function placesBesides(root: string): string[] {
  if (isJailed()) return ['what is mounted outside of the jail that this process is in'];
  const mounts = native('getfsstat').mounts();
  const depth = Math.max(...mounts.filter(({ on }) => isAt(root, on)).map(({ on }) => on.length));
  // What a directory is mounted over is out of sight, though listed.
  const gives = ({ on }: { on: string }) => isAt(on, root) || (isAt(root, on) && on.length === depth);
  const shows = (from: string) => isAt(root, from) || isAt(from, root);
  return mounts
    .filter((mount) => {
      const shown = SHOWS_ANOTHER.has(mount.type);
      const elsewhere = !mount.local && !WITHOUT_FILES.has(mount.type);
      return gives(mount) ? shown || elsewhere : shown && shows(mount.from.replace(/^<\w+>:/, ''));
    })
    .map(({ on, from, type }) => `${from} (${type} on ${on})`);
}

/** Whether a jail's /dev shows what devfs(4) shows outside: rulesets for jails hide /dev/mem first of all. */
function hasAllDevices(root: string): boolean {
  return statSync(join(root, 'dev/mem'), { throwIfNoEntry: false }) !== undefined;
}

/** The other jails whose processes begin behind a closed directory, on the way to a jail's root or in it. */
function jailsBehind(closed: string, root: string, own: number | undefined): string[] {
  return Jail.list()
    .filter(({ jid }) => jid !== own)
    .map((jail) => [jail.jid, jail.get('path').path] as const)
    .filter(([, path]) => isAt(path, closed) && (isAt(path, root) || isAt(root, path)))
    .map(([jid, path]) => `jail ${jid} (${path})`);
}

/**
 * What there is to know of the files of a jail.
 *
 * @param jid its number, once it has one
 */
export function fileFacts(root: string, jid?: number): Pick<Facts, 'closedDirectory' | 'allDevices' | 'alsoAt'> {
  const [path, mode] = closedDirectoryAbove(root) ?? [];
  return {
    closedDirectory: path === undefined ? undefined : `${path} (mode ${mode?.toString(8)}, root's)`,
    allDevices: hasAllDevices(root),
    alsoAt: [...placesBesides(root), ...(path === undefined ? [] : jailsBehind(path, root, jid))],
  };
}

/**
 * How a program in a jail with these parameters can come by TCP connections, besides the sockets that it is given. In
 * capability mode it makes none to an address.
 */
export function socketsOf(
  parameters: ReadonlyMap<string, unknown>,
  given: readonly string[],
  capabilityMode: boolean,
): readonly string[] {
  return capabilityMode ? given : [...addressesOf(parameters), ...given];
}

function addressesOf(parameters: ReadonlyMap<string, unknown>): string[] {
  const shown = (name: string) => `${name}=${String(parameters.get(name))}`;
  return [
    ...(parameters.get('vnet') === 'new' ? [shown('vnet')] : []),
    ...['ip4', 'ip6'].flatMap((name) => {
      const addresses = parameters.get(`${name}.addr`) ?? [];
      const some = Array.isArray(addresses) ? addresses.length > 0 : addresses !== '';
      return [...(parameters.get(name) === 'inherit' ? [shown(name)] : []), ...(some ? [shown(`${name}.addr`)] : [])];
    }),
  ];
}
