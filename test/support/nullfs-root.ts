/** A root directory for jails that has the programs of this system and is not its root: `/`, mounted once more. */

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class NullfsRoot implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'freebsd-capsule-root-'));
  readonly path = join(this.#directory, 'root');

  constructor() {
    chmodSync(this.#directory, 0o755);
    mkdirSync(this.path);
    execFileSync('/sbin/mount', ['-t', 'nullfs', '-o', 'ro', '/', this.path]);
  }

  /** Closes this way to the files, which have another. */
  set closed(closed: boolean) {
    chmodSync(this.#directory, closed ? 0o700 : 0o755);
  }

  [Symbol.dispose](): void {
    execFileSync('/sbin/umount', ['-f', this.path]);
    rmdirSync(this.path);
    rmdirSync(this.#directory);
  }
}
