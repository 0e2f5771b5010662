import { inspect } from 'node:util';
import { native } from '../binding.ts';
import { type DescriptorLike, toFd } from '../descriptor.ts';
import { invalidArgType, invalidArgValue, withMore } from '../errors.ts';
import type { NativeBinding } from '../native.ts';
import { COMPOSITES, type Parts, PRIMITIVES, type Right, type Without } from './right-names.ts';

export type { Implied, Parts, Right } from './right-names.ts';

const PRIMITIVE_NAMES = Object.keys(PRIMITIVES) as (keyof typeof PRIMITIVES)[];

/** Each right as a set of single bits of our own numbering: position in PRIMITIVE_NAMES. */
const MASKS: ReadonlyMap<string, bigint> = (() => {
  const masks = new Map<string, bigint>();
  const composition: Record<string, readonly string[]> = { ...PRIMITIVES, ...COMPOSITES };
  const maskOf = (name: string): bigint => {
    let mask = masks.get(name);
    if (mask === undefined) {
      const own = PRIMITIVE_NAMES.indexOf(name as keyof typeof PRIMITIVES);
      mask = own < 0 ? 0n : 1n << BigInt(own);
      for (const member of composition[name] ?? []) mask |= maskOf(member);
      masks.set(name, mask);
    }
    return mask;
  };
  for (const name of Object.keys(composition)) maskOf(name);
  return masks;
})();

/**
 * The names of all rights, in the order of `sys/capsicum.h`, composites last.
 *
 * @see [rights(4)](https://man.freebsd.org/cgi/man.cgi?query=rights&sektion=4)
 * @since FreeBSD 14.0
 */
export const RIGHTS: readonly Right[] = Object.freeze([...MASKS.keys()]) as readonly Right[];

function maskOfNames(names: Iterable<unknown>): bigint {
  let mask = 0n;
  for (const name of names) {
    if (typeof name !== 'string') throw invalidArgType('right', 'of type string', name);
    const bits = MASKS.get(name);
    if (bits === undefined) throw invalidArgValue('right', name, 'is not the name of a right of rights(4)');
    mask |= bits;
  }
  return mask;
}

// For this module alone: a set's bits in our own numbering, and the set with given bits.
let maskOf: (rights: Rights) => bigint;
let ofMask: (mask: bigint) => Rights;

/**
 * An immutable set of capability rights, see
 * [rights(4)](https://man.freebsd.org/cgi/man.cgi?query=rights&sektion=4).
 *
 * A right is a name; composites are the kernel's: `pread` is `seek` and `read`, and a set that has both has `pread`.
 * Iterating gives each right once, without those that another one of the set brings along.
 *
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { Rights } from 'freebsd-capsule';
 * const rights = Rights.of('pread', 'fstat');
 * rights.has('read'); // true
 * [...rights]; // ['read', 'seek', 'fstat']
 * rights.has('write'); // false
 * ```
 */
export class Rights<out R extends Right = Right> implements Iterable<R> {
  readonly #mask: bigint;
  /** Keeps `R` in the type: a set of at most these rights. */
  declare protected readonly names: R;

  static {
    maskOf = (rights) => rights.#mask;
    ofMask = (mask) => new Rights(mask);
  }

  private constructor(mask: bigint) {
    this.#mask = mask;
    Object.freeze(this);
  }

  /** The set without any right. */
  static readonly NONE: Rights<never> = new Rights<never>(0n);

  /**
   * Makes the set of the named rights.
   *
   * @throws `ERR_INVALID_ARG_VALUE` for a name that rights(4) does not have, `ERR_INVALID_ARG_TYPE` for what is no name
   */
  static of<const N extends readonly Right[]>(...names: N): Rights<Parts<N[number]>> {
    return new Rights(maskOfNames(names));
  }

  /** Makes the set of the rights in `names`, which may be another `Rights`. */
  static from<R extends Right>(names: Rights<R> | Iterable<R>): Rights<Parts<R>> {
    if (names instanceof Rights) return names as Rights<Parts<R>>;
    if (typeof names !== 'object' || names === null || !(Symbol.iterator in names)) {
      throw invalidArgType('rights', 'an instance of Rights or an iterable of names of rights', names);
    }
    return new Rights(maskOfNames(names));
  }

  /** How many rights iterating gives. */
  get size(): number {
    return [...this].length;
  }

  /** Tells whether the set has all that `right` stands for. */
  has(right: Right): boolean {
    const mask = maskOfNames([right]);
    return (this.#mask & mask) === mask;
  }

  /** Returns this set with the named rights added. The kernel itself only ever narrows. */
  with<T extends Right, S extends Right>(this: Rights<T>, ...names: readonly S[]): Rights<T | Parts<S>> {
    return new Rights(this.#mask | maskOfNames(names));
  }

  /** Returns this set without anything that the named rights stand for, as `cap_rights_clear(3)` does. */
  without<T extends Right, S extends Right>(this: Rights<T>, ...names: readonly S[]): Rights<Without<T, S>> {
    return new Rights(this.#mask & ~maskOfNames(names));
  }

  /** Returns what either set has. */
  union<T extends Right, S extends Right>(this: Rights<T>, other: Rights<S>): Rights<T | S> {
    return new Rights(this.#mask | maskOfSet(other));
  }

  /** Returns what both sets have. */
  intersection<T extends Right, S extends Right>(this: Rights<T>, other: Rights<S>): Rights<Parts<T> & Parts<S>> {
    return new Rights(this.#mask & maskOfSet(other));
  }

  /** Returns what this set has and the other has not. */
  difference<T extends Right, S extends Right>(this: Rights<T>, other: Rights<S>): Rights<Without<T, S>> {
    return new Rights(this.#mask & ~maskOfSet(other));
  }

  /** Tells whether the other set has all of this one. */
  isSubsetOf(other: Rights): boolean {
    return (this.#mask & ~maskOfSet(other)) === 0n;
  }

  /** Tells whether this set has all of the other one. */
  isSupersetOf(other: Rights): boolean {
    return (maskOfSet(other) & ~this.#mask) === 0n;
  }

  /** Tells whether both sets have the same rights. */
  equals(other: Rights): boolean {
    return this.#mask === maskOfSet(other);
  }

  *[Symbol.iterator](): Generator<R> {
    const held = PRIMITIVE_NAMES.filter((_, index) => (this.#mask >> BigInt(index)) & 1n);
    const implied = new Set<string>(held.flatMap((name) => impliedBy(name)));
    for (const name of held) if (!implied.has(name)) yield name as unknown as R;
  }

  /** The names, in iteration order. */
  toJSON(): R[] {
    return [...this];
  }

  toString(): string {
    return [...this].join(' ');
  }

  [inspect.custom](): string {
    return `Rights { ${[...this].join(' | ')}${this.#mask === 0n ? '' : ' '}}`;
  }
}

function impliedBy(name: keyof typeof PRIMITIVES): string[] {
  return PRIMITIVES[name].flatMap((member) => [member, ...impliedBy(member)]);
}

function maskOfSet(value: unknown): bigint {
  if (!(value instanceof Rights)) throw invalidArgType('other', 'an instance of Rights', value);
  return maskOf(value);
}

/** The kernel's four words (see lib/native.ts) for each of our bits alone, and for the empty set. */
interface KernelWords {
  readonly empty: readonly number[];
  readonly ofBit: readonly (readonly number[])[];
}

let kernelWords: KernelWords | undefined;

function loadKernelWords(binding: NativeBinding): KernelWords {
  const table = new Map(binding.rightsTable().map(([name, ...words]) => [name, words]));
  const wordsOf = (name: string): readonly number[] => {
    const words = table.get(name);
    if (words === undefined) throw new Error(`The addon does not know the right ${name}: it is of another version`);
    return words;
  };
  // Without what a right brings along: a set may have lost that (`without`), and must not get it back here.
  const ofBit = PRIMITIVE_NAMES.map((name) => {
    const brought = impliedBy(name).map(wordsOf);
    return wordsOf(name).map((word, position) => brought.reduce((own, words) => own & ~(words[position] ?? 0), word));
  });
  // The index bits of cap_rights_t: bit 57 of the first 64-bit word, bit 58 of the second.
  return { empty: [0, 2 ** 25, 0, 2 ** 26], ofBit };
}

/** What was turned into words already, and back: programs use few sets, many times. The key of the second is a hash. */
const wordsOfMask = new Map<bigint, Uint32Array>();
const rightsOfWords = new Map<number, { readonly words: Uint32Array; readonly rights: Rights }>();
const REMEMBERED = 256;

function toWords(binding: NativeBinding, mask: bigint): Uint32Array {
  const known = wordsOfMask.get(mask);
  if (known !== undefined) return known;
  kernelWords ??= loadKernelWords(binding);
  const words = Uint32Array.from(kernelWords.empty);
  kernelWords.ofBit.forEach((bit, index) => {
    if (((mask >> BigInt(index)) & 1n) === 0n) return;
    bit.forEach((word, position) => {
      words[position] = (words[position] ?? 0) | word;
    });
  });
  if (wordsOfMask.size >= REMEMBERED) wordsOfMask.clear();
  wordsOfMask.set(mask, words);
  return words;
}

function fromWords(binding: NativeBinding, words: Uint32Array): Rights {
  const { 0: w0 = 0, 1: w1 = 0, 2: w2 = 0, 3: w3 = 0 } = words;
  const hash = (w0 ^ Math.imul(w1, 31) ^ Math.imul(w2, 961) ^ Math.imul(w3, 29791)) & (REMEMBERED - 1);
  const known = rightsOfWords.get(hash);
  if (known !== undefined) {
    const { words: own, rights } = known;
    if (own[0] === w0 && own[1] === w1 && own[2] === w2 && own[3] === w3) return rights;
  }
  kernelWords ??= loadKernelWords(binding);
  let mask = 0n;
  kernelWords.ofBit.forEach((bit, index) => {
    if (bit.every((word, position) => (word & ~(words[position] ?? 0)) === 0)) mask |= 1n << BigInt(index);
  });
  const rights = ofMask(mask);
  rightsOfWords.set(hash, { words: words.slice(), rights });
  return rights;
}

const scratch = new Uint32Array(4);

/**
 * Returns the rights of a descriptor.
 *
 * Rights that a newer kernel has and this package has no name for are not in the answer.
 *
 * @throws `EBADF` when the descriptor is not open; the argument errors of every descriptor argument
 * @see [cap_rights_get(3)](https://man.freebsd.org/cgi/man.cgi?query=cap_rights_get&sektion=3)
 * @since FreeBSD 14.0
 */
export function getRights(fd: DescriptorLike): Rights {
  const number = toFd(fd);
  const binding = native('cap_rights_get');
  binding.capRightsGet(number, scratch);
  return fromWords(binding, scratch);
}

/** Tells for the simulation whether a descriptor has a right; true also for one that is not open. */
export function hasRights(binding: NativeBinding, fd: number, right: string): boolean {
  try {
    binding.capRightsGet(fd, scratch);
  } catch {
    return true;
  }
  return fromWords(binding, scratch).has(right as Right);
}

/** Returns every right that the running kernel knows. */
export function knownRights(): Rights {
  const binding = native('cap_rights_get');
  binding.capRightsKnown(scratch);
  return fromWords(binding, scratch);
}

/**
 * Limits a descriptor to the given rights, for good: what it does not get back here it never gets back.
 *
 * The rights belong to the descriptor's number in this process, not to the open file: a copy made earlier keeps its
 * own. A connection accepted from a listening socket inherits the rights of that socket. Losing `ioctl` or `fcntl`
 * empties the list of ioctls or fcntls.
 *
 * @param rights a `Rights`, or the names of rights; none at all is allowed
 * @throws `ENOTCAPABLE` when the descriptor lacks one of them; `EBADF` when it is not open; `EINVAL`, naming the right,
 * when the running kernel does not know one; `ERR_INVALID_ARG_VALUE` for a name that rights(4) does not have. After an
 * error the descriptor is as it was.
 * @see [cap_rights_limit(2)](https://man.freebsd.org/cgi/man.cgi?query=cap_rights_limit&sektion=2)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { openSync, writeSync } from 'node:fs';
 * import { limitRights, Rights } from 'freebsd-capsule';
 * const fd = openSync('/tmp/audit.log', 'a+');
 * limitRights(fd, Rights.of('read', 'fstat'));
 * writeSync(fd, 'x'); // throws: errno -93, ENOTCAPABLE
 * ```
 */
export function limitRights(fd: DescriptorLike, rights: Rights | Iterable<Right>): void {
  const number = toFd(fd);
  const set = Rights.from(rights);
  const binding = native('cap_rights_limit');
  const { 0: w0 = 0, 1: w1 = 0, 2: w2 = 0, 3: w3 = 0 } = toWords(binding, maskOf(set));
  try {
    binding.capRightsLimit(number, w0, w1, w2, w3);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') nameUnknownRights(error as Error, set, binding);
    throw error;
  }
}

/** The kernel says only EINVAL to a right from a newer release. Says which one it was. */
function nameUnknownRights(error: Error, asked: Rights, binding: NativeBinding): void {
  const unknown = [...asked.difference(knownRights())];
  if (unknown.length === 0) return;
  const names = unknown.map((name) => `'${name}'`).join(', ');
  const noun = unknown.length === 1 ? 'right' : 'rights';
  withMore(error, `: FreeBSD ${binding.kernelRelease()} does not know the ${noun} ${names}`);
}
