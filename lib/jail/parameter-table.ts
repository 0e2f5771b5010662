/** What the running kernel says its jail parameters are. */

import { native } from '../binding.ts';
import { invalidArgValue } from '../errors.ts';
import type { NativeJailParameter } from '../native.ts';
import { nearestName } from './nearest.ts';

/** How a parameter is encoded. `'metadata'` is a whole map, `'entry'` one key of it. */
export type JailParameterType =
  | 'boolean'
  | 'system'
  | 'int'
  | 'uint'
  | 'long'
  | 'ulong'
  | 'string'
  | 'ipv4'
  | 'ipv6'
  | 'metadata'
  | 'entry';

/** One jail parameter of the running kernel. */
export interface JailParameterInfo {
  /** The kernel's own name. */
  readonly name: string;
  /** undefined: a type this package has no form for. */
  readonly type: JailParameterType | undefined;
  /** Whether it can be set: at any time, at creation, never. */
  readonly access: 'any time' | 'creation' | 'never';
  /** The kernel's own name of the type: a sysctl format. */
  readonly format: string;
  /** Of a string, in bytes with the null that ends it; else 0. */
  readonly maxLength: number;
}

// sys/sysctl.h
const CTLTYPE = 0xf;
const CTLFLAG_WR = 0x40000000;
const CTLFLAG_TUN = 0x00080000;

const TYPE_OF_FORMAT: Readonly<Record<string, JailParameterType>> = {
  B: 'boolean',
  'E,jailsys': 'system',
  'A,keyvalue': 'metadata',
  'S,in_addr,a': 'ipv4',
  'S,in6_addr,a': 'ipv6',
};

/** CTLTYPE_*, for the formats that say no more than it does. */
const TYPE_OF_KIND: ReadonlyMap<number, JailParameterType> = new Map([
  [2, 'int'],
  [3, 'string'],
  [4, 'long'],
  [6, 'uint'],
  [7, 'long'],
  [8, 'ulong'],
  [9, 'ulong'],
  [14, 'int'],
  [15, 'uint'],
]);

function infoOf({ name, kind, format, maxLength }: NativeJailParameter): JailParameterInfo {
  const type = TYPE_OF_FORMAT[format] ?? TYPE_OF_KIND.get(kind & CTLTYPE);
  const access = (kind & CTLFLAG_WR) !== 0 ? 'any time' : (kind & CTLFLAG_TUN) !== 0 ? 'creation' : 'never';
  return { name, type, access, format, maxLength };
}

let table: ReadonlyMap<string, JailParameterInfo> | undefined;

/** Reads the table anew: a module may have brought parameters, an administrator other lengths. */
export function refreshParameterTable(): ReadonlyMap<string, JailParameterInfo> {
  const infos = native('sysctl').jailParameters().map(infoOf);
  table = new Map(infos.map((info) => [info.name, info]));
  return table;
}

/**
 * Lists the jail parameters of the running kernel, in its order.
 *
 * @throws `ENOSYS` when there is no FreeBSD kernel
 * @see [jail(8)](https://man.freebsd.org/cgi/man.cgi?query=jail&sektion=8), the sysctls `security.jail.param`
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { jailParameters } from 'freebsd-capsule';
 * const permissions = jailParameters().filter(({ name }) => name.startsWith('allow.'));
 * ```
 */
export function jailParameters(): JailParameterInfo[] {
  return [...refreshParameterTable().values()];
}

/** `meta.key` is described by `meta`. */
function entryOf(name: string, known: ReadonlyMap<string, JailParameterInfo>): JailParameterInfo | undefined {
  const dot = name.indexOf('.');
  if (dot <= 0 || dot === name.length - 1) return undefined;
  const whole = known.get(name.slice(0, dot));
  return whole?.type === 'metadata' ? { ...whole, name, type: 'entry' } : undefined;
}

function infoIn(known: ReadonlyMap<string, JailParameterInfo>, name: string): JailParameterInfo | undefined {
  return known.get(name) ?? entryOf(name, known);
}

/** Returns the greatest length of a string as it is now: an administrator may have changed it. */
export function maxLengthNow({ name, maxLength }: JailParameterInfo): number {
  return infoIn(refreshParameterTable(), name)?.maxLength ?? maxLength;
}

/** `persist` for `nopersist`, `allow.mount` for `allow.nomount`: the kernel's way to write false. */
function affirmative(name: string): string {
  return name.replace(/(^|\.)no([^.]*)$/, '$1$2');
}

/** Why a name that libjail and jail(8) use is none here. */
const NOT_PARAMETERS: Readonly<Record<string, string>> = {
  desc: 'is how the kernel is told a descriptor; use Jail#open() or { owned: true }',
  lastjid: 'is how the kernel is asked for the next jail; use Jail.list()',
  errmsg: "is how the kernel says why; its text is in an error's message",
  command: 'is of jail(8), not of the kernel',
  depend: 'is of jail(8), not of the kernel',
  interface: 'is of jail(8), not of the kernel',
  ip_hostname: 'is of jail(8), not of the kernel',
  mount: 'is of jail(8), not of the kernel; mount before you create the jail',
};
const JAIL8_FAMILIES = /^(exec\.|mount\.|stop\.|vnet\.interface$|zfs\.dataset$)/;

/**
 * Returns what the running kernel says of a parameter.
 *
 * @param called what the caller's argument is called and holds, for the error
 * @throws `ERR_INVALID_ARG_VALUE` for a name that the kernel does not have, with the nearest one that it has
 */
export function parameterInfo(name: string, called = { argument: 'name', value: name as unknown }): JailParameterInfo {
  const info = infoIn(table ?? refreshParameterTable(), name) ?? infoIn(refreshParameterTable(), name);
  if (info !== undefined) return info;
  const { argument, value } = called;
  throw invalidArgValue(argument, value, whyUnknown(name, table ?? refreshParameterTable()));
}

function whyUnknown(name: string, known: ReadonlyMap<string, JailParameterInfo>): string {
  const plain = affirmative(name);
  if (plain !== name && known.get(plain)?.type === 'boolean') return `is not a jail parameter; write '${plain}': false`;
  const reason = Object.hasOwn(NOT_PARAMETERS, name) ? NOT_PARAMETERS[name] : undefined;
  if (reason !== undefined) return `is not a jail parameter: it ${reason}`;
  if (JAIL8_FAMILIES.test(name)) return 'is not a jail parameter of the kernel: jail(8) alone has ones of that name';
  const nearest = nearestName(name, known.keys());
  return `is not a jail parameter of this kernel${nearest === undefined ? '' : `; the nearest is '${nearest}'`}`;
}
