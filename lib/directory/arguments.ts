/**
 * The arguments that `node:fs` has too, checked and converted as it does.
 */

import { constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkInteger, invalidArgType, invalidArgValue } from '../errors.ts';
import type { NativePath } from '../native.ts';

/** A path relative to a directory. A Buffer names a file whose name is not UTF-8. */
export type RelativePath = string | Uint8Array;

/** Makes the error of a path that leads outside of its directory. */
function leadsOutside(syscall: string, path: string): NodeJS.ErrnoException {
  const shown = path.replaceAll('\0', '\\0');
  const error: NodeJS.ErrnoException = new Error(
    `ENOTCAPABLE: capabilities insufficient, ${syscall} '${shown}': the path leads outside of the directory`,
  );
  return Object.assign(error, { errno: -93, code: 'ENOTCAPABLE', syscall, path });
}

/** Returns bytes or text as the kernel takes it. A null byte would cut it short, and so is refused like any way out. */
export function checkText(value: unknown, syscall: string, name = 'path'): NativePath {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw invalidArgType(name, 'of type string or an instance of Buffer', value);
  }
  // A copy, and that is what is checked: the call may run later, when the caller's bytes may be others.
  const text = typeof value === 'string' ? value : Uint8Array.from(value);
  if (typeof text === 'string' ? text.includes('\0') : text.includes(0)) throw leadsOutside(syscall, pathText(text));
  return text;
}

/** Returns a path relative to the directory. An absolute one is refused at once, as the kernel would. */
export function checkPath(value: unknown, syscall: string, name = 'path'): NativePath {
  const path = checkText(value, syscall, name);
  if (typeof path === 'string' ? path.startsWith('/') : path[0] === 0x2f) throw leadsOutside(syscall, pathText(path));
  return path;
}

/**
 * Returns a path whose last name is to be made or removed. To the name `..` itself the kernel says different things that
 * all mean no (EPERM, EINVAL, EEXIST …), and not where it leads: beyond the directory that is said here.
 */
export function checkName(value: unknown, syscall: string, name = 'path'): NativePath {
  const path = checkPath(value, syscall, name);
  if (/(^|\/)\.\.\/*$/.test(pathText(path)) && leadsOutsideByName(path)) throw leadsOutside(syscall, pathText(path));
  return path;
}

/** A path as text, for messages. */
export function pathText(path: RelativePath): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString();
}

/** Tells whether a path leads outside whatever is in the directory: it is absolute, or `..` goes beyond its start. */
export function leadsOutsideByName(path: RelativePath): boolean {
  const text = pathText(path);
  if (text.startsWith('/')) return true;
  let depth = 0;
  for (const part of text.split('/')) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}

/** Returns an ambient path, for the one call that takes it. */
export function checkAmbientPath(value: unknown, name = 'path'): string | Buffer {
  const path = value instanceof URL ? fileURLToPath(value) : value;
  if (typeof path === 'string' || path instanceof Uint8Array) {
    // Here a way out means nothing: it is Node's own error for such a path.
    if (typeof path === 'string' ? path.includes('\0') : path.includes(0)) {
      throw invalidArgValue(name, path, 'must be a string, Uint8Array, or URL without null bytes');
    }
    return typeof path === 'string' ? path : Buffer.from(path);
  }
  throw invalidArgType(name, 'of type string or an instance of Buffer or URL', value);
}

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } = constants;

const FLAGS: ReadonlyMap<string, number> = new Map([
  ['r', O_RDONLY],
  ['rs', O_RDONLY | O_SYNC],
  ['sr', O_RDONLY | O_SYNC],
  ['r+', O_RDWR],
  ['rs+', O_RDWR | O_SYNC],
  ['sr+', O_RDWR | O_SYNC],
  ['w', O_TRUNC | O_CREAT | O_WRONLY],
  ['wx', O_TRUNC | O_CREAT | O_WRONLY | O_EXCL],
  ['xw', O_TRUNC | O_CREAT | O_WRONLY | O_EXCL],
  ['w+', O_TRUNC | O_CREAT | O_RDWR],
  ['wx+', O_TRUNC | O_CREAT | O_RDWR | O_EXCL],
  ['xw+', O_TRUNC | O_CREAT | O_RDWR | O_EXCL],
  ['a', O_APPEND | O_CREAT | O_WRONLY],
  ['ax', O_APPEND | O_CREAT | O_WRONLY | O_EXCL],
  ['xa', O_APPEND | O_CREAT | O_WRONLY | O_EXCL],
  ['as', O_APPEND | O_CREAT | O_WRONLY | O_SYNC],
  ['sa', O_APPEND | O_CREAT | O_WRONLY | O_SYNC],
  ['a+', O_APPEND | O_CREAT | O_RDWR],
  ['ax+', O_APPEND | O_CREAT | O_RDWR | O_EXCL],
  ['xa+', O_APPEND | O_CREAT | O_RDWR | O_EXCL],
  ['as+', O_APPEND | O_CREAT | O_RDWR | O_SYNC],
  ['sa+', O_APPEND | O_CREAT | O_RDWR | O_SYNC],
]);

/** Returns the number of open(2) flags, given as a number or as `node:fs` spells them. */
export function checkFlags(value: unknown, byDefault: string): number {
  const flags = value ?? byDefault;
  if (typeof flags === 'number') {
    checkInteger('flags', flags, -(2 ** 31), 2 ** 31 - 1);
    return flags;
  }
  const number = typeof flags === 'string' ? FLAGS.get(flags) : undefined;
  if (number === undefined) throw invalidArgValue('flags', flags, 'is invalid');
  return number;
}

/** Returns a file mode, given as a number or as octal digits; without a default there has to be one. */
export function checkMode(value: unknown, byDefault?: number): number {
  const given = value ?? byDefault ?? value;
  if (typeof given === 'string' && !/^[0-7]+$/.test(given)) {
    throw invalidArgValue('mode', given, 'must be a 32-bit unsigned integer or an octal string');
  }
  const mode = typeof given === 'string' ? Number.parseInt(given, 8) : given;
  checkInteger('mode', mode, 0, 2 ** 32 - 1);
  return mode;
}

/** Returns what stands for options: an object, an encoding alone, or nothing. */
export function checkOptions<Options extends object>(value: unknown): Options & { encoding?: unknown } {
  if (value === undefined || value === null) return {} as Options;
  if (typeof value === 'string') return { encoding: value } as Options & { encoding: string };
  if (typeof value !== 'object') throw invalidArgType('options', 'of type string or an instance of Object', value);
  return value as Options;
}

/** Options that the runtime's streams of files document for a handle. */
const STREAM_OPTIONS = [
  'autoClose',
  'emitClose',
  'encoding',
  'end',
  'flush',
  'highWaterMark',
  'signal',
  'start',
] as const;

/**
 * Returns the options of a stream that may be passed to the runtime, each read once: those of a handle's, and those named
 * here. By one that is not documented the runtime would have another source than ours, or fail with the file open.
 */
export function streamOptions(value: unknown, ...more: readonly string[]): Record<string, unknown> {
  const given = checkOptions<Record<string, unknown>>(value);
  return Object.fromEntries(
    [...STREAM_OPTIONS, ...more].flatMap((name) => {
      const option = given[name];
      return option === undefined ? [] : [[name, option]];
    }),
  );
}

/** Checks the encoding of names: a BufferEncoding, or 'buffer' for bytes. Default: UTF-8. */
export function checkEncoding(value: unknown): BufferEncoding | 'buffer' {
  if (value === undefined || value === null) return 'utf8';
  if (value === 'buffer' || (typeof value === 'string' && Buffer.isEncoding(value))) return value;
  throw invalidArgValue('encoding', value, 'is invalid encoding');
}

/** Checks an optional signal. */
export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || !('aborted' in value)) {
    throw invalidArgType('options.signal', 'an instance of AbortSignal', value);
  }
  return value as AbortSignal;
}

/** Returns the length to cut a file to. */
export function checkLength(value: unknown): number {
  const length = value === undefined ? 0 : value;
  checkInteger('len', length, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  return Math.max(0, length);
}

/** A time as `node:fs` takes it: seconds, digits of seconds, or a Date. */
export type TimeLike = number | string | Date;

/** Returns seconds and nanoseconds since 1970. */
export function checkTime(value: unknown, name: string): readonly [seconds: number, nanoseconds: number] {
  const seconds =
    value instanceof Date ? value.getTime() / 1000 : typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) {
    throw invalidArgType(name, 'of type number or string or an instance of Date', value);
  }
  const whole = Math.floor(seconds);
  // In microseconds: a double of today's seconds is no more exact than that.
  const micros = Math.round((seconds - whole) * 1e6);
  return micros === 1e6 ? [whole + 1, 0] : [whole, micros * 1000];
}
