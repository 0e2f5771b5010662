/** The descriptors of a child: which it gets, under which numbers, with which rights. */

import fs from 'node:fs';
import type { Socket } from 'node:net';
import { native } from '../binding.ts';
import { type FcntlCommand, fcntlMask } from '../capsicum/fcntls.ts';
import { type IoctlCommand, ioctlNumbers, limitIoctls } from '../capsicum/ioctls.ts';
import { isSandboxed } from '../capsicum/mode.ts';
import { limitRights, type Right, Rights } from '../capsicum/rights.ts';
import { type DescriptorLike, toFd } from '../descriptor.ts';
import { checkInteger, checkObject, invalidArgType, invalidArgValue, notInCapabilityMode } from '../errors.ts';
import { streamOf } from './streams.ts';

/** A descriptor for a child, with what the child may do with it. This process's own is not limited by it. */
export interface ChildDescriptor {
  /** The descriptor of this process that the child gets a copy of. */
  readonly fd: DescriptorLike;
  /** Default: those that it has here. */
  readonly rights?: Rights | Iterable<Right>;
  /** Where `rights` are given: default none. */
  readonly ioctls?: 'all' | Iterable<IoctlCommand>;
  /** Where `rights` are given: default none. */
  readonly fcntls?: Iterable<FcntlCommand>;
}

/**
 * A standard stream of a child: `'pipe'` (a stream of the `ProcessDescriptor`), `'inherit'` (this process's own),
 * `'ignore'` (/dev/null, which capability mode cannot open: pass a descriptor of it there), or a descriptor.
 */
export type Stdio = 'pipe' | 'inherit' | 'ignore' | DescriptorLike | ChildDescriptor;

/** A descriptor that is checked: its number here, and what it is limited to. */
export interface CheckedDescriptor {
  readonly fd: number;
  readonly limits?: {
    readonly rights: Rights;
    readonly ioctls: readonly number[] | null;
    readonly fcntls: number;
  };
}

/** Every descriptor of a child by its number there; the first three may still have to be made. */
export type CheckedDescriptors = ReadonlyMap<number, 'pipe' | 'ignore' | CheckedDescriptor>;

/** Far above any that a program expects; the kernel's own limit decides below it. */
const HIGHEST_TARGET = 65_535;

const KEYS: ReadonlySet<string> = new Set<keyof ChildDescriptor>(['fd', 'rights', 'ioctls', 'fcntls']);

const isLimited = (value: unknown): value is ChildDescriptor =>
  typeof value === 'object' &&
  value !== null &&
  ['rights', 'ioctls', 'fcntls'].some((key) => Object.hasOwn(value, key));

function checkDescriptor(name: string, value: unknown): CheckedDescriptor {
  if (!isLimited(value)) return { fd: toFd(value, name) };
  for (const key of Object.keys(value)) {
    if (!KEYS.has(key)) throw invalidArgValue(name, value, `has no property '${key}'`);
  }
  const { rights, ioctls = [], fcntls = [] } = value;
  if (rights === undefined) throw invalidArgType(`${name}.rights`, 'an instance of Rights or names of rights', rights);
  const limits = {
    rights: Rights.from(rights),
    ioctls: ioctlNumbers(ioctls, `${name}.ioctls`),
    fcntls: fcntlMask(fcntls, `${name}.fcntls`),
  };
  if ((limits.ioctls === null || limits.ioctls.length > 0) && !limits.rights.has('ioctl')) {
    throw invalidArgValue(`${name}.ioctls`, ioctls, "needs the right 'ioctl' too");
  }
  if (limits.fcntls !== 0 && !limits.rights.has('fcntl')) {
    throw invalidArgValue(`${name}.fcntls`, fcntls, "needs the right 'fcntl' too");
  }
  return { fd: toFd(value.fd, `${name}.fd`), limits };
}

function checkStdio(name: string, value: unknown, index: number): 'pipe' | 'ignore' | CheckedDescriptor {
  if (value === undefined || value === 'pipe') return 'pipe';
  if (value === 'ignore') return 'ignore';
  if (value === 'inherit') return { fd: index };
  if (typeof value === 'string') {
    throw invalidArgValue(name, value, "must be one of: 'pipe', 'inherit', 'ignore', or a descriptor");
  }
  return checkDescriptor(name, value);
}

function entriesOf(descriptors: unknown): [number, unknown][] {
  if (descriptors === undefined) return [];
  if (descriptors instanceof Map) return [...descriptors];
  checkObject('options.descriptors', descriptors);
  return Object.entries(descriptors).map(([key, value]) => {
    // '03' would be a second name of 3.
    if (!/^(0|[1-9]\d*)$/.test(key))
      throw invalidArgValue('options.descriptors', descriptors, `has no property '${key}'`);
    return [Number(key), value];
  });
}

/** Checks `options.stdio` and `options.descriptors`; opens nothing. */
export function checkDescriptors(stdio: unknown, descriptors: unknown): CheckedDescriptors {
  const checked = new Map<number, 'pipe' | 'ignore' | CheckedDescriptor>();
  if (Array.isArray(stdio) && stdio.length > 3) {
    throw invalidArgValue('options.stdio', stdio, 'has more than 3 streams; others belong into options.descriptors');
  }
  for (const index of [0, 1, 2]) {
    const [name, value] = Array.isArray(stdio)
      ? [`options.stdio[${index}]`, stdio[index] as unknown]
      : ['options.stdio', stdio];
    checked.set(index, checkStdio(name, value, index));
  }
  for (const [target, value] of entriesOf(descriptors)) {
    checkInteger('options.descriptors', target, 0, HIGHEST_TARGET);
    if (target < 3) {
      throw invalidArgValue('options.descriptors', descriptors, `has ${target}, which is for options.stdio`);
    }
    checked.set(target, checkDescriptor(`options.descriptors[${target}]`, value));
  }
  return checked;
}

/** Closes all of them, also after one that somebody else has closed. */
function closeAll(fds: readonly number[]): void {
  const errors: unknown[] = [];
  for (const fd of fds) {
    try {
      fs.closeSync(fd);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** What was opened for a child; whoever made it disposes of it, whether the child started or not. */
export class OpenedDescriptors implements Disposable {
  /** Number in the child, number here; and again. */
  readonly pairs: number[] = [];
  /** This process's ends of the pipes, by stream; -1 where there is none, and once it is a stream's. */
  readonly #ends: [number, number, number] = [-1, -1, -1];
  readonly #streams: (Socket | null)[] = [];
  /** What only the child needs. */
  readonly #childs: number[] = [];
  /** /dev/null, once for all streams that are ignored. */
  #nothing: number | undefined;

  /**
   * Opens the pipes, and duplicates what is to be limited: the duplicate is limited, the caller's descriptor stays as it
   * is, and the child has its rights before it exists.
   */
  constructor(checked: CheckedDescriptors) {
    try {
      for (const [target, descriptor] of checked) this.pairs.push(target, this.#open(target, descriptor));
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  #open(target: number, descriptor: 'pipe' | 'ignore' | CheckedDescriptor): number {
    if (descriptor === 'pipe') {
      const [here, there] = native('socketpair').socketPair();
      this.#ends[target as 0 | 1 | 2] = here;
      this.#childs.push(there);
      return there;
    }
    if (descriptor === 'ignore') {
      if (this.#nothing === undefined) {
        if (isSandboxed()) {
          throw notInCapabilityMode('open', "'ignore' is /dev/null: open it before, and give its descriptor instead.");
        }
        this.#nothing = fs.openSync('/dev/null', 'r+');
        this.#childs.push(this.#nothing);
      }
      return this.#nothing;
    }
    const { fd, limits } = descriptor;
    if (limits === undefined) return fd;
    const duplicate = native('fcntl').duplicateDescriptor(fd);
    this.#childs.push(duplicate);
    try {
      // The lists first, because losing the right empties them.
      if (limits.rights.has('ioctl') && limits.ioctls !== null) limitIoctls(duplicate, limits.ioctls);
      if (limits.rights.has('fcntl')) native('cap_fcntls_limit').capFcntlsLimit(duplicate, limits.fcntls);
      limitRights(duplicate, limits.rights);
    } catch (error) {
      // The number that the caller knows.
      throw Object.assign(error as Error, { fd });
    }
    return duplicate;
  }

  /** Makes streams of this process's ends; null where there is none. */
  takeStreams(): readonly (Socket | null)[] {
    for (const [index, fd] of this.#ends.entries()) {
      this.#streams.push(fd === -1 ? null : streamOf(fd, index === 0 ? 'write' : 'read'));
      this.#ends[index] = -1;
    }
    return this.#streams;
  }

  /** Closes this process's ends too: there is no child. */
  abandon(): void {
    for (const stream of this.#streams) stream?.destroy();
    closeAll([...this.#ends.splice(0).filter((fd) => fd !== -1), ...this.#childs.splice(0)]);
  }

  [Symbol.dispose](): void {
    closeAll(this.#childs.splice(0));
  }
}
