/**
 * What each verb of a `Directory` does: its arguments checked at once, its calls made when it is run. Messages name the
 * calls as `node:fs` does.
 */

import { type BigIntStats, constants, type Dirent, type Stats } from 'node:fs';
import { abortError } from '../abort-error.ts';
import { native } from '../binding.ts';
import type { Right } from '../capsicum/rights.ts';
import { checkInteger, invalidArgType, invalidArgValue, notSupported } from '../errors.ts';
import type { NativePath } from '../native.ts';
import {
  checkEncoding,
  checkFlags,
  checkLength,
  checkMode,
  checkName,
  checkOptions,
  checkPath,
  checkSignal,
  checkText,
  checkTime,
  pathText,
} from './arguments.ts';
import { bytesOf, copyBytes, readAll, stat as statDescriptor, sync, truncate, writeBytes } from './descriptor-calls.ts';
import { kernelCall, type Operation, step } from './operation.ts';
import { removeTree, retried } from './removal.ts';
import { closeHeld } from './shared-descriptor.ts';
import { DT, makeDirent, makeStats, parseEntries, typeOfMode } from './stats.ts';

/** A verb with its arguments: what it does to a directory, and what is known about it should it fail. */
export interface Verb<Result> {
  readonly syscall: string;
  /** The rights it takes, for explaining an error; not checked. */
  readonly needs: readonly Right[];
  readonly signal?: AbortSignal | undefined;
  run(fd: number): Operation<Result>;
}

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_SYNC, O_TRUNC, O_WRONLY } = constants;
// Not among the constants of every platform.
const { O_DSYNC = 0 } = constants as { O_DSYNC?: number };
const O_ACCMODE = 3;
const NEW_FILE_MODE = 0o666;
/** Bytes up to this many are worth a copy for the calls that it saves. Should be what the addon takes for small. */
const LARGEST_COPIED = 64 * 1024;
/** A file of at most this size is read in one go: longer would hold a thread of the pool for too long. */
const LARGEST_READ = 16 * 1024 * 1024;
const UNCHANGED_ID = 2 ** 32 - 1;

/** The rights that openat(2) takes for its flags. */
function rightsForFlags(flags: number): Right[] {
  const access = flags & O_ACCMODE;
  const rights: Right[] = ['lookup'];
  if (access !== O_WRONLY) rights.push('read');
  if (access !== O_RDONLY) {
    rights.push('write');
    if ((flags & (O_APPEND | O_TRUNC)) === 0) rights.push('seek');
  }
  if ((flags & O_CREAT) !== 0) rights.push('create');
  if ((flags & O_TRUNC) !== 0) rights.push('ftruncate');
  if ((flags & (O_SYNC | O_DSYNC)) !== 0) rights.push('fsync');
  return rights;
}

export function openVerb(path: unknown, flags: unknown, mode: unknown): Verb<number> {
  return opening(path, flags, mode).verb;
}

/** The verb that opens a file, and its arguments once checked. */
function opening(path: unknown, flags: unknown, mode: unknown) {
  const checked = {
    path: checkPath(path, 'open'),
    flags: checkFlags(flags, 'r'),
    mode: checkMode(mode, NEW_FILE_MODE),
  };
  const verb: Verb<number> = {
    syscall: 'open',
    get needs() {
      return rightsForFlags(checked.flags);
    },
    run: (fd) => kernelCall('openAt', fd, checked.path, checked.flags, checked.mode),
  };
  return { ...checked, verb };
}

export function openDirectoryVerb(path: unknown): Verb<number> {
  return openVerb(path, O_RDONLY | O_DIRECTORY, 0);
}

/** Opens a file for as long as the work on it takes. */
function* withFile<Result>(
  fd: number,
  path: NativePath,
  flags: number,
  mode: number,
  work: (file: number) => Operation<Result>,
): Operation<Result> {
  return yield* closing(yield* kernelCall('openAt', fd, path, flags, mode), work);
}

/** Does the work on a file and closes it. */
function* closing<Result>(file: number, work: (file: number) => Operation<Result>): Operation<Result> {
  try {
    return yield* work(file);
  } finally {
    closeHeld(file);
  }
}

export function readFileVerb(path: unknown, options: unknown): Verb<Buffer | string> {
  const { encoding, flag, signal } = checkOptions<{ flag?: unknown; signal?: unknown }>(options);
  const checked = checkPath(path, 'open');
  const name = checkEncoding(encoding ?? 'buffer');
  const flags = checkFlags(flag, 'r');
  const abort = checkSignal(signal);
  return {
    syscall: 'open',
    get needs() {
      return [...rightsForFlags(flags), 'fstat'] as Right[];
    },
    signal: abort,
    *run(fd) {
      const binding = native('open');
      const read = yield* step(
        () => binding.readFileAt(fd, checked, flags, NEW_FILE_MODE, LARGEST_COPIED),
        () => binding.readFileAtAsync(fd, checked, flags, NEW_FILE_MODE, LARGEST_READ),
      );
      if (typeof read === 'number') {
        return yield* closing(read, (file) => readAll(file, name === 'buffer' ? null : name));
      }
      if (abort?.aborted) throw abortError(abort);
      return name === 'buffer' ? read : read.toString(name);
    },
  };
}

/** Opens a file to write it, and says how: for data that comes in pieces. */
export function openToWrite(path: unknown, options: unknown, byDefault: 'w' | 'a') {
  const { encoding, flag, mode, flush, signal } = checkOptions<{
    flag?: unknown;
    mode?: unknown;
    flush?: unknown;
    signal?: unknown;
  }>(options);
  if (flush !== undefined && flush !== null && typeof flush !== 'boolean') {
    throw invalidArgType('flush', 'of type boolean', flush);
  }
  const abort = checkSignal(signal);
  return {
    ...opening(path, flag ?? byDefault, mode),
    encoding: checkEncoding(encoding) as BufferEncoding,
    flush: flush === true,
    signal: abort,
  };
}

export function writeFileVerb(path: unknown, data: unknown, options: unknown, byDefault: 'w' | 'a'): Verb<void> {
  const { verb, encoding, flush, signal, path: checked, flags, mode } = openToWrite(path, options, byDefault);
  const bytes = bytesOf(data, encoding);
  const size = bytes.length;
  return {
    syscall: verb.syscall,
    get needs() {
      return verb.needs;
    },
    signal,
    *run(fd) {
      if (size <= LARGEST_COPIED) {
        return yield* kernelCall('writeFileAt', fd, checked, flags, mode, bytes, flush ? 1 : 0);
      }
      yield* withFile(fd, checked, flags, mode, function* (file) {
        yield* writeBytes(file, bytes, size);
        if (flush) yield* sync(file);
      });
    },
  };
}

export function copyFileVerb(from: unknown, to: unknown, mode: unknown, target: () => number): Verb<void> {
  const source = checkPath(from, 'copyfile', 'src');
  const destination = checkPath(to, 'copyfile', 'dest');
  const how = mode ?? 0;
  checkInteger('mode', how, 0, 7);
  if ((how & constants.COPYFILE_FICLONE_FORCE) !== 0) {
    // As libuv answers on FreeBSD.
    throw notSupported('copyfile', 'No file system of FreeBSD can be told to clone a file.');
  }
  const exclusive = (how & constants.COPYFILE_EXCL) !== 0 ? O_EXCL : 0;
  return {
    syscall: 'copyfile',
    needs: ['lookup', 'read', 'fstat', 'write', 'seek', 'create', 'ftruncate'],
    *run(fd) {
      const copying = withFile(fd, source, O_RDONLY, 0, function* (file) {
        const { mode: permissions, dev, ino } = yield* statDescriptor(file);
        // Not emptied at once: it may be the same file.
        const flags = O_WRONLY | O_CREAT | exclusive;
        yield* withFile(target(), destination, flags, Number(permissions) & 0o777, function* (copy) {
          const there = yield* statDescriptor(copy);
          if (there.dev === dev && there.ino === ino) return;
          yield* truncate(copy, 0);
          yield* copyBytes(file, copy);
        });
      });
      try {
        yield* copying;
      } catch (error) {
        throw asOneCall(error, 'copyfile', pathText(source), pathText(destination));
      }
    },
  };
}

/** Names the whole in the error of a part: to `node:fs` copying a file is one call, with two paths. */
function asOneCall(error: unknown, syscall: string, path: string, dest: string): unknown {
  const { code, errno, message } = error as NodeJS.ErrnoException;
  const reason = /^(E[A-Z0-9]+: [^,]*), \w+( '.*')?$/s.exec(message)?.[1];
  if (reason === undefined) return error;
  return Object.assign(new Error(`${reason}, ${syscall} '${path}' -> '${dest}'`), { errno, code, syscall, path, dest });
}

export function statVerb(path: unknown, options: unknown, follow: boolean): Verb<Stats | BigIntStats> {
  const syscall = follow ? 'stat' : 'lstat';
  const { bigint } = checkOptions<{ bigint?: unknown }>(options);
  const checked = checkPath(path, syscall);
  return {
    syscall,
    needs: ['fstatat'],
    *run(fd) {
      return makeStats(yield* kernelCall('statAt', fd, checked, follow ? 1 : 0), bigint === true);
    },
  };
}

export function accessVerb(path: unknown, mode: unknown): Verb<void> {
  const checked = checkPath(path, 'access');
  const number = mode ?? constants.F_OK;
  checkInteger('mode', number, 0, 7);
  return { syscall: 'access', needs: ['fstatat'], run: (fd) => kernelCall('accessAt', fd, checked, number) };
}

/** Options of `readdir`. */
interface ReadDirectoryOptions {
  withFileTypes?: unknown;
  recursive?: unknown;
}

export function readDirectoryVerb(path: unknown, options: unknown): Verb<(string | Buffer | Dirent)[]> {
  const { encoding, withFileTypes, recursive } = checkOptions<ReadDirectoryOptions>(options);
  const start = checkPath(path, 'scandir');
  const name = checkEncoding(encoding);
  const decode = (bytes: Buffer): string | Buffer => (name === 'buffer' ? Buffer.from(bytes) : bytes.toString(name));
  return {
    syscall: 'scandir',
    needs: ['lookup', 'read'],
    *run(fd) {
      const found: (string | Buffer | Dirent)[] = [];
      const waiting: { path: NativePath; prefix: Buffer }[] = [{ path: start, prefix: Buffer.alloc(0) }];
      // It grows meanwhile.
      for (const { path, prefix } of waiting) {
        for (const entry of parseEntries(yield* kernelCall('readDirectoryAt', fd, path))) {
          const below = join(path, entry.name);
          let { type } = entry;
          if (type === DT.UNKNOWN && (withFileTypes || recursive)) {
            const raw = yield* kernelCall('statAt', fd, below, 0);
            type = typeOfMode(Number(raw[1]));
          }
          const shown = prefix.length === 0 ? entry.name : join(prefix, entry.name);
          found.push(withFileTypes ? makeDirent(decode(entry.name), type, pathText(path)) : decode(shown));
          if (recursive && type === DT.DIR) waiting.push({ path: below, prefix: shown });
        }
      }
      return found;
    },
  };
}

function join(path: NativePath, name: Buffer): Buffer {
  const parent = Buffer.from(path);
  if (parent.length === 0 || pathText(path) === '.') return name;
  return Buffer.concat(parent.at(-1) === 0x2f ? [parent, name] : [parent, Buffer.from('/'), name]);
}

export function makeDirectoryVerb(path: unknown, options: unknown): Verb<string | undefined> {
  const given =
    typeof options === 'number' || typeof options === 'string'
      ? { mode: options }
      : checkOptions<{ mode?: unknown; recursive?: unknown }>(options);
  const { mode, recursive = false } = given as { mode?: unknown; recursive?: unknown };
  if (typeof recursive !== 'boolean') throw invalidArgType('options.recursive', 'of type boolean', recursive);
  const checked = checkName(path, 'mkdir');
  const permissions = checkMode(mode, 0o777);
  const make = (fd: number, name: NativePath) => kernelCall('makeDirectoryAt', fd, name, permissions);
  return {
    syscall: 'mkdir',
    needs: ['mkdirat'],
    *run(fd) {
      if (!recursive) {
        yield* make(fd, checked);
        return undefined;
      }
      let first: string | undefined;
      const prefixes = prefixesOf(checked);
      for (const [index, prefix] of prefixes.entries()) {
        try {
          yield* make(fd, prefix);
          first ??= pathText(prefix);
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          if (code !== 'EEXIST') throw error;
          // What is there may be no directory. On the way down the next call tells.
          if (index < prefixes.length - 1) continue;
          const raw = yield* kernelCall('statAt', fd, prefix, 1);
          if (typeOfMode(Number(raw[1])) !== DT.DIR) throw error;
        }
      }
      return first;
    },
  };
}

/** The paths of each directory on the way to a path, itself last, without those that name none to make. */
function prefixesOf(path: NativePath): NativePath[] {
  const bytes = Buffer.from(path);
  const prefixes: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const slash = bytes.indexOf(0x2f, start);
    const end = slash === -1 ? bytes.length : slash;
    const name = bytes.subarray(start, end).toString();
    // An absolute path is the kernel's to refuse.
    if (start === 0 && slash === 0) return [path];
    if (name !== '' && name !== '.' && name !== '..') prefixes.push(bytes.subarray(0, end));
    start = end + 1;
  }
  // With only dots in it, the path itself: it may lead outside.
  return prefixes.length === 0 || /(^|\/)\.\.\/*$/.test(bytes.toString()) ? [...prefixes, path] : prefixes;
}

export function unlinkVerb(path: unknown): Verb<void> {
  const checked = checkName(path, 'unlink');
  return { syscall: 'unlink', needs: ['unlinkat'], run: (fd) => kernelCall('unlinkAt', fd, checked, 0) };
}

export function removeDirectoryVerb(path: unknown): Verb<void> {
  const checked = checkName(path, 'rmdir');
  return { syscall: 'rmdir', needs: ['unlinkat'], run: (fd) => kernelCall('unlinkAt', fd, checked, 1) };
}

export function removeVerb(path: unknown, options: unknown): Verb<void> {
  const {
    recursive = false,
    force = false,
    maxRetries = 0,
    retryDelay = 100,
  } = checkOptions<{ recursive?: unknown; force?: unknown; maxRetries?: unknown; retryDelay?: unknown }>(options);
  if (typeof recursive !== 'boolean') throw invalidArgType('options.recursive', 'of type boolean', recursive);
  if (typeof force !== 'boolean') throw invalidArgType('options.force', 'of type boolean', force);
  checkInteger('options.maxRetries', maxRetries, 0, 2 ** 32 - 1);
  checkInteger('options.retryDelay', retryDelay, 0, 2 ** 31 - 1);
  const checked = checkName(path, 'rm');
  return {
    syscall: 'rm',
    needs: recursive ? ['unlinkat', 'read'] : ['unlinkat'],
    *run(fd) {
      try {
        if (recursive) yield* retried(maxRetries, retryDelay, () => removeTree(fd, checked));
        else yield* removeFile(fd, checked);
      } catch (error) {
        if (!(force && (error as NodeJS.ErrnoException).code === 'ENOENT')) throw error;
      }
    },
  };
}

/** Removes what is no directory; for one the error is Node's. */
function* removeFile(fd: number, path: NativePath): Operation<void> {
  try {
    yield* kernelCall('unlinkAt', fd, path, 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM' && code !== 'EISDIR') throw error;
    let type: number | undefined;
    try {
      const raw = yield* kernelCall('statAt', fd, path, 0);
      type = typeOfMode(Number(raw[1]));
    } catch {
      // Without the right to ask, what the kernel said has to do.
    }
    if (type !== DT.DIR) throw error;
    const text = pathText(path);
    const failure = new Error(`Path is a directory: rm returned EISDIR (is a directory) ${text}`);
    failure.name = 'SystemError';
    throw Object.assign(failure, { code: 'ERR_FS_EISDIR', errno: 21, syscall: 'rm', path: text });
  }
}

export function renameVerb(from: unknown, to: unknown, target: () => number): Verb<void> {
  const source = checkName(from, 'rename', 'oldPath');
  const destination = checkName(to, 'rename', 'newPath');
  return {
    syscall: 'rename',
    needs: ['renameat_source'],
    run: (fd) => kernelCall('renameAt', fd, source, target(), destination),
  };
}

export function linkVerb(from: unknown, to: unknown, target: () => number): Verb<void> {
  const source = checkName(from, 'link', 'existingPath');
  const destination = checkName(to, 'link', 'newPath');
  return {
    syscall: 'link',
    needs: ['linkat_source'],
    run: (fd) => kernelCall('linkAt', fd, source, target(), destination),
  };
}

export function symlinkVerb(target: unknown, path: unknown): Verb<void> {
  const text = checkText(target, 'symlink', 'target');
  const checked = checkName(path, 'symlink');
  return { syscall: 'symlink', needs: ['symlinkat'], run: (fd) => kernelCall('symlinkAt', text, fd, checked) };
}

export function readLinkVerb(path: unknown, options: unknown): Verb<string | Buffer> {
  const name = checkEncoding(checkOptions(options).encoding);
  const checked = checkName(path, 'readlink');
  return {
    syscall: 'readlink',
    needs: ['lookup'],
    *run(fd) {
      const target = yield* kernelCall('readLinkAt', fd, checked);
      return name === 'buffer' ? target : target.toString(name);
    },
  };
}

export function chmodVerb(path: unknown, mode: unknown): Verb<void> {
  const checked = checkPath(path, 'chmod');
  const permissions = checkMode(mode);
  return {
    syscall: 'chmod',
    needs: ['fchmodat'],
    run: (fd) => kernelCall('changeModeAt', fd, checked, permissions, 1),
  };
}

export function chownVerb(path: unknown, uid: unknown, gid: unknown, follow: boolean): Verb<void> {
  const syscall = follow ? 'chown' : 'lchown';
  const checked = checkPath(path, syscall);
  checkInteger('uid', uid, -1, UNCHANGED_ID);
  checkInteger('gid', gid, -1, UNCHANGED_ID);
  return {
    syscall,
    needs: ['fchownat'],
    run: (fd) => kernelCall('changeOwnerAt', fd, checked, uid >>> 0, gid >>> 0, follow ? 1 : 0),
  };
}

export function utimesVerb(path: unknown, atime: unknown, mtime: unknown, follow: boolean): Verb<void> {
  const syscall = follow ? 'utime' : 'lutime';
  const checked = checkPath(path, syscall);
  const accessed = checkTime(atime, 'atime');
  const modified = checkTime(mtime, 'mtime');
  return {
    syscall,
    needs: ['futimesat'],
    run: (fd) => kernelCall('setTimesAt', fd, checked, ...accessed, ...modified, follow ? 1 : 0),
  };
}

export function truncateVerb(path: unknown, length: unknown): Verb<void> {
  const checked = checkPath(path, 'open');
  const size = checkLength(length);
  return {
    syscall: 'open',
    needs: ['lookup', 'write', 'seek', 'ftruncate'],
    run: (fd) => withFile(fd, checked, O_WRONLY, 0, (file) => truncate(file, size)),
  };
}

export function socketVerb(path: unknown, name: 'bindAt' | 'connectAt'): Verb<number> {
  const syscall = name === 'bindAt' ? 'bindat' : 'connectat';
  const checked = checkPath(path, syscall);
  if (checked.length === 0) throw invalidArgValue('path', path, 'must not be empty');
  return { syscall, needs: [syscall], run: (fd) => kernelCall(name, fd, checked) };
}
