/**
 * Removing a tree: down by descriptors, never by joined paths. Whatever another process puts in place of an entry
 * meanwhile, what is removed is an entry of a directory that was reached without following a link.
 */

import { constants } from 'node:fs';
import type { NativePath } from '../native.ts';
import { pathText } from './arguments.ts';
import { kernelCall, type Operation, step } from './operation.ts';
import { closeHeld } from './shared-descriptor.ts';
import { DT, parseEntries } from './stats.ts';

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** How long to go on with a directory that others fill while it is emptied. */
const ATTEMPTS = 100;

/** What `node:fs` tries once more. */
const TRANSIENT: readonly (string | undefined)[] = ['EBUSY', 'EMFILE', 'ENFILE', 'ENOTEMPTY', 'EPERM'];

/** Does work again that failed for what may pass: each time after `delay` ms more than the last. */
export function* retried<Result>(retries: number, delay: number, work: () => Operation<Result>): Operation<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return yield* work();
    } catch (error) {
      if (attempt > retries || !TRANSIENT.includes(codeOf(error))) throw error;
    }
    const ms = Math.min(attempt * delay, 2 ** 31 - 1);
    yield* step(
      () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
      () => new Promise<void>((resolve) => setTimeout(resolve, ms)),
    );
  }
}

/** Splits off the last name of a path. */
function splitPath(path: NativePath): { parent: NativePath; name: NativePath } {
  const bytes = typeof path === 'string' ? Buffer.from(path) : Buffer.from(path);
  let end = bytes.length;
  while (end > 1 && bytes[end - 1] === 0x2f) end--;
  const slash = bytes.subarray(0, end).lastIndexOf(0x2f);
  return {
    parent: slash === -1 ? '.' : bytes.subarray(0, slash + 1),
    name: bytes.subarray(slash + 1, end),
  };
}

/** Removes a file or a whole directory. */
export function* removeTree(directory: number, path: NativePath): Operation<void> {
  const { parent, name } = splitPath(path);
  const text = pathText(name);
  if (text === '' || text === '.' || text === '..') {
    // These are names of the directory itself or of one above: the kernel says what it thinks of that.
    yield* kernelCall('unlinkAt', directory, path, 1);
    return;
  }
  const fd = yield* kernelCall('openAt', directory, parent, constants.O_RDONLY | constants.O_DIRECTORY, 0);
  try {
    yield* removeEntry(fd, name, DT.UNKNOWN, false);
  } catch (error) {
    // Names below are not what the caller knows.
    throw Object.assign(error as object, { path: pathText(path) });
  } finally {
    closeHeld(fd);
  }
}

/** Removes one entry, whatever it has become since it was listed. `gone` tells whether it may be missing. */
function* removeEntry(parent: number, name: NativePath, type: number, gone: boolean): Operation<void> {
  let directory = type === DT.DIR;
  for (let attempt = 0; ; attempt++) {
    try {
      if (!directory) {
        yield* kernelCall('unlinkAt', parent, name, 0);
        return;
      }
      yield* emptyDirectory(parent, name);
      yield* kernelCall('unlinkAt', parent, name, 1);
      return;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT' && (gone || attempt > 0)) return;
      if (attempt >= ATTEMPTS) throw error;
      // EPERM: unlink(2) of a directory, but also of what one may not unlink; opening it tells.
      if (!directory && (code === 'EPERM' || code === 'EISDIR')) {
        directory = true;
      } else if (directory && (code === 'ENOTDIR' || code === 'EMLINK' || code === 'ELOOP')) {
        // A link or a file in place of the directory.
        directory = false;
      } else if (!(directory && (code === 'ENOTEMPTY' || code === 'EEXIST'))) {
        throw error;
      }
    }
  }
}

function* emptyDirectory(parent: number, name: NativePath): Operation<void> {
  const fd = yield* kernelCall('openAt', parent, name, DIRECTORY, 0);
  try {
    for (const entry of parseEntries(yield* kernelCall('readDirectoryAt', fd, '.'))) {
      yield* removeEntry(fd, entry.name, entry.type, true);
    }
  } finally {
    closeHeld(fd);
  }
}
