/** The sets of rights that operations are asked with: each right alone, every right but one, each role. */

import type { DescriptorInfo, Limits, Right } from 'freebsd-capsule';
import { Directory, type Rights } from 'freebsd-capsule';

/** `cr_rights` of `cap_rights_t`, index bits included. */
export type Words = readonly [bigint, bigint];

interface RightNames {
  readonly PRIMITIVES: Readonly<Record<string, readonly string[]>>;
  readonly COMPOSITES: Readonly<Record<string, readonly string[]>>;
}

interface Binding {
  readonly kernelKind: 'freebsd' | 'simulated';
  rightsTable(): readonly (readonly [string, number, number, number, number])[];
  capRightsKnown(into: Uint32Array): void;
  capRightsLimit(fd: number, w0: number, w1: number, w2: number, w3: number): void;
}

/** What is not exported: the package's own files, wherever it is. */
const internal = async <Module>(path: string) =>
  (await import(new URL(path, import.meta.resolve('freebsd-capsule')).href)) as Module;

const { native } = await internal<{ native: (syscall: string) => Binding }>('binding.js');
const { PRIMITIVES, COMPOSITES } = await internal<RightNames>('capsicum/right-names.js');
const { leastLimits } = await internal<{ leastLimits: (descriptor: DescriptorInfo) => Limits }>('capsule/roles.js');

const binding = native('cap_rights_limit');

const INDEX: Words = [1n << 57n, 1n << 58n];
const none: Words = INDEX;

const wordsOf = (w0: number, w1: number, w2: number, w3: number): Words => [
  (BigInt(w1 >>> 0) << 32n) | BigInt(w0 >>> 0),
  (BigInt(w3 >>> 0) << 32n) | BigInt(w2 >>> 0),
];
const table = new Map(binding.rightsTable().map(([name, ...words]) => [name, wordsOf(...words)]));
const bitsOf = (name: string): Words => table.get(name) ?? [0n, 0n];
const union = (a: Words, b: Words): Words => [a[0] | b[0], a[1] | b[1]];
/** Takes rights away, and leaves the index bits, without which it is no set of rights. */
const without = (a: Words, b: Words): Words => [(a[0] & ~b[0]) | INDEX[0], (a[1] & ~b[1]) | INDEX[1]];

function knownRights(): Words {
  const words = new Uint32Array(4);
  binding.capRightsKnown(words);
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = words;
  return wordsOf(w0, w1, w2, w3);
}

const known = knownRights();
/** The bit of a right that no other right has. */
function ownBit(name: string): Words {
  const [a, b] = (PRIMITIVES[name] ?? []).reduce((bits, part) => without(bits, bitsOf(part)), bitsOf(name));
  return [a & ~INDEX[0], b & ~INDEX[1]];
}
const isKnown = (name: string) => {
  const [a, b] = bitsOf(name);
  return (a & ~known[0]) === 0n && (b & ~known[1]) === 0n;
};

/** Limits a descriptor. */
export function limitTo(fd: number, [a, b]: Words): void {
  const low = (word: bigint) => Number(word & 0xffffffffn);
  binding.capRightsLimit(fd, low(a), low(a >> 32n), low(b), low(b >> 32n));
}

/** Writes the two words as names, for people: `all`, `none`, or the rights with a bit of their own. */
export function describeWords([a, b]: Words): string {
  if (a === known[0] && b === known[1]) return 'all';
  if (a === none[0] && b === none[1]) return 'none';
  const names = Object.keys(PRIMITIVES).filter((name) => {
    const [x, y] = ownBit(name);
    return isKnown(name) && (a & x) === x && (b & y) === y;
  });
  return names.join(' ');
}

/** The descriptors that `seal` has a role for; those with the same rights are one. */
function shippedRoles(): Map<string, Rights> {
  const roles = new Map<string, Rights>([
    ['Directory.READ', Directory.READ],
    ['Directory.APPEND_ONLY', Directory.APPEND_ONLY],
    ['Directory.SCRATCH', Directory.SCRATCH],
  ]);
  const kinds = ['tcp', 'udp', 'unix', 'socket', 'pipe', 'fifo', 'kqueue', 'event', 'timer', 'inotify', 'file'];
  const others = ['directory', 'tty', 'device', 'process', 'jail', 'shm', 'mqueue', 'semaphore', 'unknown'];
  const add = (name: string, descriptor: object) =>
    roles.set(name, leastLimits({ path: '', ...descriptor } as unknown as DescriptorInfo).rights);
  for (const kind of [...kinds, ...others]) {
    for (const access of ['read', 'write', 'read-write']) {
      add(`${kind} ${access}`, { fd: 9, owner: 'caller', kind, access });
      for (const fd of [0, 1]) add(`${kind} ${access} as descriptor ${fd}`, { fd, owner: 'stdio', kind, access });
    }
  }
  for (const kind of ['tcp', 'unix']) {
    add(`${kind} listening`, { fd: 9, owner: 'caller', kind, access: 'read-write', listening: true });
  }
  return roles;
}

/** Every set by its name. What several roles have is named for the first of them. */
export function rightsSets(): Map<string, Words> {
  const sets = new Map<string, Words>([
    ['all', known],
    ['none', none],
  ]);
  const primitives = Object.keys(PRIMITIVES).filter(isKnown);
  for (const name of primitives) sets.set(name, union(none, bitsOf(name)));
  for (const name of primitives) sets.set(`all but ${name}`, without(known, ownBit(name)));
  for (const name of Object.keys(COMPOSITES)) sets.set(name, union(none, bitsOf(name)));
  const seen = new Set<string>();
  for (const [role, rights] of shippedRoles()) {
    const words = [...rights].map((right: Right) => bitsOf(right)).reduce(union, none);
    if (seen.has(words.join())) continue;
    seen.add(words.join());
    sets.set(`role: ${role}`, words);
  }
  return sets;
}
