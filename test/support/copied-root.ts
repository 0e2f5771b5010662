/** A root directory for jails whose files have no other path: some programs of this system, copied with their libraries. */

import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const PROGRAMS = ['/bin/sh', '/bin/sleep'];

export class CopiedRoot implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'freebsd-capsule-root-'));
  readonly path = join(this.#directory, 'root');

  constructor() {
    chmodSync(this.#directory, 0o755);
    const libraries = execFileSync('/usr/bin/ldd', ['-f', '%p\\n', ...PROGRAMS], { encoding: 'utf8' });
    const files = new Set([
      '/libexec/ld-elf.so.1',
      ...PROGRAMS,
      ...libraries.split('\n').filter((line) => line[0] === '/'),
    ]);
    for (const file of files) {
      mkdirSync(dirname(join(this.path, file)), { recursive: true });
      cpSync(file, join(this.path, file));
    }
    // What spawn() opens for streams that are ignored, it opens outside; sh(1) looks for it inside.
    mkdirSync(join(this.path, 'dev'));
  }

  /** Closes or opens the way to it for all but root. */
  set closed(closed: boolean) {
    chmodSync(this.#directory, closed ? 0o700 : 0o755);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}
