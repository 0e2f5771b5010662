/** Descriptors for tests to limit, and a look at which are open that does not go through the package. */

import assert from 'node:assert/strict';
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { eventually } from './processes.ts';

/** Far above what a test process has open. */
const HIGHEST_FD = 2048;

/** Returns the numbers of the open descriptors, lowest first. */
export function openDescriptors(): number[] {
  return Array.from({ length: HIGHEST_FD }, (_, fd) => fd).filter((fd) => {
    try {
      fstatSync(fd);
      return true;
    } catch (error) {
      // Without the right fstat it is open all the same.
      return (error as NodeJS.ErrnoException).code !== 'EBADF';
    }
  });
}

/** Returns the same once it stays so: what the test before has let go of may still be about to be closed. */
export async function settledDescriptors(): Promise<number[]> {
  let last = openDescriptors();
  for (let same = 0; same < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const now = openDescriptors();
    same = isDeepStrictEqual(now, last) ? same + 1 : 0;
    last = now;
  }
  return last;
}

/** Throws unless exactly these are open. Runtimes close what streams and children had a moment after their end. */
export async function onlyTheseAreOpen(expected: readonly number[]): Promise<void> {
  await eventually(() => isDeepStrictEqual(openDescriptors(), expected), 5000);
  assert.deepEqual(openDescriptors(), expected, 'descriptors are left, or gone');
}

/** Makes a directory for one file of tests, and says how to remove it. */
export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'freebsd-capsule-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Files to open again and again, each time under a descriptor with every right. */
export class ScratchFiles {
  readonly #directory = temporaryDirectory();
  readonly #open = new Set<number>();
  readonly file: string;

  constructor() {
    this.file = join(this.#directory.path, 'scratch');
    writeFileSync(this.file, 'content\n');
  }

  get directory(): string {
    return this.#directory.path;
  }

  /** Opens the file; closeAll() closes it unless the test does. */
  open(flags = 'r+'): number {
    const fd = openSync(this.file, flags);
    this.#open.add(fd);
    return fd;
  }

  /** Returns a number that was a descriptor's a moment ago. */
  closed(): number {
    const fd = openSync(this.file, 'r');
    closeSync(fd);
    return fd;
  }

  closeAll(): void {
    for (const fd of this.#open) {
      try {
        closeSync(fd);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
      }
    }
    this.#open.clear();
  }

  remove(): void {
    this.closeAll();
    this.#directory.remove();
  }
}
