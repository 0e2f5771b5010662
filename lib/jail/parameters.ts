/** Jail parameters to bytes and back. The kernel's type decides the bytes, never JavaScript's. */

import { endianness } from 'node:os';
import { checkObject, invalidArgType, invalidArgValue, outOfRange } from '../errors.ts';
import { formatIPv4, formatIPv6, IPV4_LENGTH, IPV6_LENGTH, packIPv4, packIPv6 } from './addresses.ts';
import { type JailParameterInfo, maxLengthNow, parameterInfo } from './parameter-table.ts';
import type { JailMetadata, JailSystem, JailValue } from './parameter-types.ts';

/** One pair for jail_set(2). */
export interface EncodedParameter {
  readonly name: string;
  readonly value: Uint8Array | null;
}

const littleEndian = endianness() === 'LE';

/** In the kernel's numbering. */
const SYSTEMS: readonly JailSystem[] = ['disable', 'new', 'inherit'];

/** security.jail.jail_max_af_ips, unless an administrator chose another. */
const USUAL_ADDRESSES = 255;

/** security.jail.meta_maxbufsize, likewise. */
const USUAL_METADATA = 4096;

export function encodeInt(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, littleEndian);
  return bytes;
}

export function encodeString(text: string): Uint8Array {
  return Buffer.from(`${text}\0`);
}

/** `allow.mount` to `allow.nomount`: false has a name of its own, for the kernel looks at no boolean's value. */
export function negatedName(name: string): string {
  const last = name.lastIndexOf('.') + 1;
  return `${name.slice(0, last)}no${name.slice(last)}`;
}

const INTEGERS = {
  int: { bytes: 4, minimum: -(2n ** 31n), maximum: 2n ** 31n - 1n },
  uint: { bytes: 4, minimum: 0n, maximum: 2n ** 32n - 1n },
  long: { bytes: 8, minimum: -(2n ** 63n), maximum: 2n ** 63n - 1n },
  ulong: { bytes: 8, minimum: 0n, maximum: 2n ** 64n - 1n },
} as const;

type IntegerType = keyof typeof INTEGERS;

function encodeInteger(type: IntegerType, argument: string, value: unknown): Uint8Array {
  const { bytes, minimum, maximum } = INTEGERS[type];
  const wide = bytes === 8;
  if (typeof value !== 'number' && !(wide && typeof value === 'bigint')) {
    throw invalidArgType(argument, wide ? 'of type bigint or number' : 'of type number', value);
  }
  if (typeof value === 'number' && !(wide ? Number.isSafeInteger(value) : Number.isInteger(value))) {
    throw outOfRange(argument, wide ? 'a safe integer, or a bigint' : 'an integer', value);
  }
  const exact = BigInt(value);
  if (exact < minimum || exact > maximum) {
    throw outOfRange(argument, `>= ${minimum} && <= ${maximum}`, value as number);
  }
  const view = new DataView(new ArrayBuffer(bytes));
  if (wide) view.setBigUint64(0, BigInt.asUintN(64, exact), littleEndian);
  else view.setUint32(0, Number(BigInt.asUintN(32, exact)), littleEndian);
  return new Uint8Array(view.buffer);
}

function encodeText(info: JailParameterInfo, argument: string, value: unknown): Uint8Array {
  if (typeof value !== 'string') throw invalidArgType(argument, 'of type string', value);
  if (value.includes('\0')) throw invalidArgValue(argument, value, 'must be a string without null bytes');
  const bytes = encodeString(value);
  if (info.maxLength > 0 && bytes.length > info.maxLength) {
    const most = maxLengthNow(info);
    if (bytes.length > most) {
      throw invalidArgValue(argument, value, `must have at most ${most - 1} bytes; it has ${bytes.length - 1}`);
    }
  }
  return bytes;
}

function encodeAddresses(info: JailParameterInfo, argument: string, value: unknown): Uint8Array {
  const [label, pack] = info.type === 'ipv4' ? (['IPv4', packIPv4] as const) : (['IPv6', packIPv6] as const);
  if (!Array.isArray(value)) throw invalidArgType(argument, `an array of ${label} addresses`, value);
  const seen = new Set<string>();
  // Not value.map(), which passes over holes.
  const packed = Array.from(value, (address: unknown, index) => {
    const element = `${argument}[${index}]`;
    if (typeof address !== 'string') throw invalidArgType(element, 'of type string', address);
    const bytes = pack(address);
    if (bytes === undefined) {
      const why = /[/|]/.test(address) ? `; interface and prefix are of jail(8), not of the kernel` : '';
      throw invalidArgValue(element, address, `must be an ${label} address${why}`);
    }
    const key = bytes.join();
    if (seen.has(key)) throw invalidArgValue(element, address, 'is in the list already');
    seen.add(key);
    return bytes;
  });
  return Buffer.concat(packed);
}

function checkEntry(argument: string, key: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw invalidArgType(argument, 'of type string', value);
  if (key === '' || /[=\n\0]/.test(key)) {
    throw invalidArgValue(argument, value, "must have a key that is not empty and has no '=', newline or null byte");
  }
  if (/[\n\0]/.test(value)) throw invalidArgValue(argument, value, 'must be a string without newlines and null bytes');
}

function encodeMetadata(info: JailParameterInfo, argument: string, value: unknown): Uint8Array {
  checkObject(argument, value, 'an object of strings');
  const lines = Object.entries(value).map(([key, text]) => {
    checkEntry(`${argument}.${key}`, key, text);
    return `${key}=${text}`;
  });
  return encodeText(info, argument, lines.join('\n'));
}

function checkAccess({ name, access }: JailParameterInfo, argument: string, value: unknown, creating: boolean): void {
  if (access === 'never') throw invalidArgValue(argument, value, 'is read-only');
  if (access === 'creation' && !creating) {
    throw invalidArgValue(argument, value, `can be given to a new jail only; '${name}' of an existing one is fixed`);
  }
}

/** Encodes one parameter; `argument` is what its error calls it. */
export function encodeParameter(info: JailParameterInfo, argument: string, value: unknown): EncodedParameter {
  const { name, type } = info;
  switch (type) {
    case 'boolean':
      if (typeof value !== 'boolean') throw invalidArgType(argument, 'of type boolean', value);
      return { name: value ? name : negatedName(name), value: null };
    case 'system': {
      const number = SYSTEMS.indexOf(value as JailSystem);
      if (number >= 0) return { name, value: encodeInt(number) };
      const expected = "one of 'disable', 'new', 'inherit'";
      if (typeof value !== 'string') throw invalidArgType(argument, expected, value);
      throw invalidArgValue(argument, value, `must be ${expected}`);
    }
    case 'int':
    case 'uint':
    case 'long':
    case 'ulong':
      return { name, value: encodeInteger(type, argument, value) };
    case 'string':
      return { name, value: encodeText(info, argument, value) };
    case 'ipv4':
    case 'ipv6':
      return { name, value: encodeAddresses(info, argument, value) };
    case 'metadata':
      return { name, value: encodeMetadata(info, argument, value) };
    case 'entry':
      // No value at all removes the key; an empty string is a value.
      if (value === null) return { name, value: null };
      checkEntry(argument, name.slice(name.indexOf('.') + 1), value);
      return { name, value: encodeText(info, argument, value) };
    default:
      throw invalidArgValue(argument, value, `has the kernel type '${info.format}', which this package cannot write`);
  }
}

/** Checks and encodes parameters; an undefined one is left out. */
export function encodeParameters(parameters: object, argument: string, creating: boolean): EncodedParameter[] {
  const given = Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      const called = `${argument}['${name}']`;
      return { called, value: value as unknown, info: parameterInfo(name, { argument: called, value }) };
    });
  const encoded = given.map(({ info, called, value }) => {
    checkAccess(info, called, value, creating);
    return encodeParameter(info, called, value);
  });
  if (creating) for (const { info, called, value } of given) checkWhole(info, called, value, encoded);
  return encoded;
}

/**
 * Refuses more metadata than a jail may have, its parts together: jail_set(2) notices when the new jail is half made, fails
 * with EFBIG, and then neither completes nor removes it.
 */
function checkWhole(info: JailParameterInfo, argument: string, value: unknown, all: readonly EncodedParameter[]): void {
  if (info.type !== 'metadata' && info.type !== 'entry') return;
  const [whole = ''] = info.name.split('.', 1);
  let length = 0;
  for (const part of all) {
    const bytes = part.value?.length ?? 0;
    if (part.name === whole && bytes > 1) length += bytes;
    // A line: the key, '=' and the value.
    if (part.name.startsWith(`${whole}.`) && bytes > 0) length += Buffer.byteLength(part.name) - whole.length + bytes;
  }
  const most = maxLengthNow(info);
  if (length <= most) return;
  throw invalidArgValue(argument, value, `makes '${whole}' longer than ${most - 1} bytes: ${length - 1}`);
}

/** Tells whether a value may be longer than the room that is usually made for it. */
export function mayBeLonger({ type }: JailParameterInfo): boolean {
  return type === 'ipv4' || type === 'ipv6' || type === 'metadata';
}

/** Returns the bytes that a value is usually read into; exact where the kernel wants that. */
export function usualRoom({ type, maxLength }: JailParameterInfo): number {
  switch (type) {
    case 'boolean':
    case 'system':
    case 'int':
    case 'uint':
      return 4;
    case 'long':
    case 'ulong':
      return 8;
    case 'ipv4':
      return USUAL_ADDRESSES * IPV4_LENGTH;
    case 'ipv6':
      return USUAL_ADDRESSES * IPV6_LENGTH;
    case 'metadata':
      // Not what an administrator allows: the rooms of one call have 64 KiB together.
      return Math.min(Math.max(maxLength, 1), USUAL_METADATA);
    default:
      return Math.max(maxLength, 1);
  }
}

/** Returns how many of the bytes that jail_get(2) wrote are the value: of text it tells the room instead. */
export function lengthOf({ type }: JailParameterInfo, bytes: Uint8Array): number {
  return type === 'ipv4' || type === 'ipv6' ? bytes.length : bytes.indexOf(0) + 1;
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.length : end).toString();
}

function decodeAddresses(bytes: Uint8Array, length: number, format: (bytes: Uint8Array) => string): string[] {
  return Array.from({ length: Math.floor(bytes.length / length) }, (_, i) =>
    format(bytes.subarray(i * length, (i + 1) * length)),
  );
}

function decodeMetadata(bytes: Uint8Array): JailMetadata {
  const lines = text(bytes)
    .split('\n')
    .filter((line) => line !== '');
  const entries = lines.map((line): [string, string] => {
    const equals = line.indexOf('=');
    return equals < 0 ? [line, ''] : [line.slice(0, equals), line.slice(equals + 1)];
  });
  // Own properties whatever they are called: a jail's `__proto__` is a key like any other.
  return Object.fromEntries(entries);
}

/** Decodes what jail_get(2) wrote. A key of `meta` or `env` is decoded from the whole of it. */
export function decodeParameter(info: JailParameterInfo, bytes: Uint8Array): JailValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (info.type) {
    case 'boolean':
      return view.getInt32(0, littleEndian) !== 0;
    case 'system': {
      const number = view.getInt32(0, littleEndian);
      // A kernel with more than three would say something new.
      return SYSTEMS[number] ?? number;
    }
    case 'int':
      return view.getInt32(0, littleEndian);
    case 'uint':
      return view.getUint32(0, littleEndian);
    case 'long':
      return view.getBigInt64(0, littleEndian);
    case 'ulong':
      return view.getBigUint64(0, littleEndian);
    case 'ipv4':
      return decodeAddresses(bytes, IPV4_LENGTH, formatIPv4);
    case 'ipv6':
      return decodeAddresses(bytes, IPV6_LENGTH, formatIPv6);
    case 'metadata':
      return decodeMetadata(bytes);
    case 'entry': {
      const metadata = decodeMetadata(bytes);
      const key = info.name.slice(info.name.indexOf('.') + 1);
      return Object.hasOwn(metadata, key) ? (metadata[key] ?? null) : null;
    }
    default:
      return text(bytes);
  }
}
