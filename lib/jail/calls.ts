/** jail_set(2) and jail_get(2) over encoded parameters: which jail, flags, errors. */

import { native } from '../binding.ts';
import { invalidArgType, invalidArgValue, notSupported, withMore } from '../errors.ts';
import { kernel } from '../kernel.ts';
import { type JailParameterInfo, jailParameters, parameterInfo, refreshParameterTable } from './parameter-table.ts';
import type { JailValue } from './parameter-types.ts';
import {
  decodeParameter,
  type EncodedParameter,
  encodeInt,
  encodeString,
  lengthOf,
  mayBeLonger,
  usualRoom,
} from './parameters.ts';

/** sys/jail.h */
export const JAIL = {
  CREATE: 0x01,
  UPDATE: 0x02,
  ATTACH: 0x04,
  DYING: 0x08,
  USE_DESC: 0x10,
  AT_DESC: 0x20,
  GET_DESC: 0x40,
  OWN_DESC: 0x80,
} as const;

/** Which jail a call is about. */
export type JailKey = { readonly jid: number } | { readonly name: string } | { readonly fd: number };

/** kern.osreldate of the first release with jail descriptors, jail events, `meta` and `env`. */
const FREEBSD_15 = 1500000;

/** @throws `ENOSYS` before FreeBSD 15.0 */
export function requireFreeBSD15(syscall: string, what: string): void {
  native(syscall);
  if (kernel.osreldate < FREEBSD_15) {
    throw notSupported(syscall, `${what} need FreeBSD 15.0; this kernel is ${kernel.release}`);
  }
}

export function hasFreeBSD15(): boolean {
  return kernel.osreldate >= FREEBSD_15;
}

/** Says in an error which jail it is about, and of a refusal what may be behind it. */
function aboutJail(error: unknown, jail: number | string | undefined): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error;
  if (jail !== undefined) Object.assign(error, { jail });
  if ((error as NodeJS.ErrnoException).code !== 'EPERM') return error;
  const user = process.geteuid?.();
  if (user !== 0) return withMore(error, `\nJails are root's to make and change; this process has user ${user}`);
  if (native('sysctl').isJailed()) {
    return withMore(error, '\nThis process is in a jail itself: the jail may lack children.max, or what was asked for');
  }
  return error;
}

/** Calls, and names the jail in what is thrown. */
export function inJail<Result>(jail: number | string | undefined, call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw aboutJail(error, jail);
  }
}

function keyParts(key: JailKey): { names: string[]; values: Uint8Array[]; fd: number; flags: number } {
  if ('fd' in key) return { names: [], values: [], fd: key.fd, flags: JAIL.USE_DESC };
  if ('jid' in key) return { names: ['jid'], values: [encodeInt(key.jid)], fd: -1, flags: 0 };
  return { names: ['name'], values: [encodeString(key.name)], fd: -1, flags: 0 };
}

/** A kernel that is not asked by name takes a new name to be one of a direct child, and misplaces any other. */
export function checkNewName(key: JailKey, name: unknown): void {
  if (name === undefined) return;
  const values = readJail(key, ['parent', 'name']);
  const now = values.get('name') as string;
  const dot = now.lastIndexOf('.');
  if (values.get('parent') !== 0 || dot >= 0) {
    throw invalidArgValue("parameters['name']", name, `cannot be changed: only '${now.slice(0, dot)}' can rename it`);
  }
  if ((name as string).includes('.')) {
    throw invalidArgValue("parameters['name']", name, 'must not have dots: a jail cannot move to another parent');
  }
}

/** Changes a jail that exists. */
export function updateJail(key: JailKey, parameters: readonly EncodedParameter[]): void {
  const { names, values, fd, flags } = keyParts(key);
  native('jail_set').jailSet(
    [...names, ...parameters.map(({ name }) => name)],
    [...values, ...parameters.map(({ value }) => value)],
    fd,
    flags | JAIL.UPDATE,
  );
}

/** Attaches this process by a descriptor, with the privilege of whoever opened that. */
export function attachByDescriptor(fd: number): void {
  native('jail_set').jailSet([], [], fd, JAIL.UPDATE | JAIL.ATTACH | JAIL.USE_DESC);
}

/** How often a read is tried again whose values grew under it. */
const ATTEMPTS = 6;

/** Of the 64 KiB that the names and values of one call may have together, what one value can be sure of. */
const MOST_ROOM = 60_000;

/** The kernel names no reason when the room for a value does not do, nor when that of all is too much. */
function isTooSmall(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'EINVAL' && message.endsWith(', jail_get');
}

/** Reads values of one jail, all in one call; `rooms` has the bytes for those that need more than usual. */
function readOnce(
  key: JailKey,
  asked: readonly string[],
  dying: boolean,
  rooms: ReadonlyMap<string, number>,
): ReadonlyMap<string, Uint8Array> {
  const { names, values, fd, flags } = keyParts(key);
  for (const name of asked) {
    if (names.includes(name)) continue;
    names.push(name);
    values.push(new Uint8Array(rooms.get(name) ?? usualRoom(parameterInfo(name))));
  }
  const { lengths } = native('jail_get').jailGet(names, values, fd, flags | (dying ? JAIL.DYING : 0));
  return new Map(names.map((name, i) => [name, (values[i] as Uint8Array).subarray(0, lengths[i])]));
}

/** Measures a value, by more and more room: of metadata the kernel does not tell the length. */
function measure(key: JailKey, name: string, dying: boolean): number {
  const info = parameterInfo(name);
  for (let room = usualRoom(info); ; room = Math.min(room * 2, MOST_ROOM)) {
    try {
      const value = readOnce(key, [name], dying, new Map([[name, room]])).get(name) as Uint8Array;
      return lengthOf(info, value);
    } catch (error) {
      if (!isTooSmall(error) || room === MOST_ROOM) throw error;
    }
  }
}

/** A key of `meta` is read with the whole of it: asked for alone, it comes back cut off when others follow it. */
function askedFor({ name, type }: JailParameterInfo): string {
  return type === 'entry' ? name.slice(0, name.indexOf('.')) : name;
}

/** Reads parameters of one jail: `names`, or all that this package can decode. */
export function readJail(key: JailKey, names: readonly string[], dying = false): Map<string, JailValue> {
  for (const name of names as readonly unknown[]) {
    if (typeof name !== 'string') throw invalidArgType('name', 'of type string', name);
  }
  const infos =
    names.length > 0
      ? [...new Set(names)].map((name) => parameterInfo(name))
      : jailParameters().filter(({ type }) => type !== undefined);
  for (const { name, type, format } of infos) {
    if (type === undefined) {
      throw invalidArgValue('name', name, `has the kernel type '${format}', which this package cannot read`);
    }
  }
  const asked = [...new Set(infos.map(askedFor))];
  let rooms: ReadonlyMap<string, number> = new Map();
  for (let attempt = 0; ; attempt++) {
    try {
      const values = readOnce(key, asked, dying, rooms);
      const decoded = (info: JailParameterInfo) => decodeParameter(info, values.get(askedFor(info)) as Uint8Array);
      return new Map(infos.map((info) => [info.name, decoded(info)]));
    } catch (error) {
      if (!isTooSmall(error) || attempt === ATTEMPTS) throw error;
      // What was long enough a moment ago is not: the value grew, or its limit did.
      refreshParameterTable();
      const long = asked.filter((name) => mayBeLonger(parameterInfo(name)));
      rooms = new Map(long.map((name) => [name, measure(key, name, dying)]));
    }
  }
}

/** Gives up with the path in the error where the kernel refuses that and says no more. */
export function aboutPath(error: unknown, path: unknown): unknown {
  if (!(error instanceof Error) || typeof path !== 'string' || !error.message.endsWith(', jail_set')) return error;
  const codes = ['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG'];
  if (!codes.includes((error as NodeJS.ErrnoException).code ?? '')) return error;
  return Object.assign(withMore(error, ` '${path}'`), { path });
}

/** Tells whether a descriptor is one of a jail, also of a jail that is gone. */
export function isJailDescriptor(fd: number): boolean {
  if (!hasFreeBSD15()) return false;
  try {
    native('jail_get').jailGet([], [], fd, JAIL.USE_DESC);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EINVAL') return false;
    if (code === 'ENOENT') return true;
    throw error;
  }
}

/** Finds the first jail with a greater number; undefined after the last. */
export function nextJail(lastJid: number, dying: boolean): { jid: number; name: string } | undefined {
  const name = new Uint8Array(usualRoom(parameterInfo('name')));
  try {
    const { jid, lengths } = native('jail_get').jailGet(
      ['lastjid', 'name'],
      [encodeInt(lastJid), name],
      -1,
      dying ? JAIL.DYING : 0,
    );
    return { jid, name: decodeParameter(parameterInfo('name'), name.subarray(0, lengths[1])) as string };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Opens a descriptor of a jail. */
export function openJail(key: JailKey, owned: boolean): { jid: number; fd: number } {
  const { names, values, flags } = keyParts(key);
  return native('jail_get').jailGet(names, values, -1, flags | (owned ? JAIL.OWN_DESC : JAIL.GET_DESC));
}
