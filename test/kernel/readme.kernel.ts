/** The programs in README.md as a reader runs them: what each prints is what the comment behind the call says. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compiled } from '../support/compiled.ts';
import { temporaryDirectory } from '../support/descriptors.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { runtime } from '../support/requirements.ts';

// The bundle's own folder, or the project's around build/.
const root = existsSync(compiled('README.md')) ? compiled('.') : compiled('..');
const readme: {
  blocksOf(language: string): string[];
  runnable(source: string): string;
  broken(source: string, output: string): string | undefined;
} = await import(pathToFileURL(join(root, 'scripts/readme.mjs')).href);

for (const [index, source] of readme.blocksOf('js').entries()) {
  kernelTest(`README.md, program ${index + 1} prints what it says`, () => {
    const temporary = temporaryDirectory();
    // Not in /tmp itself: what root leaves there, the next user cannot write.
    const program = readme.runnable(source).replaceAll('/tmp/', `${temporary.path}/`);
    const evaluate = runtime === 'bun' ? ['-e'] : ['--input-type=module', '-e'];
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...evaluate, program], {
      cwd: root,
      encoding: 'utf8',
      timeout: 100_000,
      killSignal: 'SIGKILL',
    });
    temporary.remove();
    assert.equal(signal, null, `killed by ${signal}\n${stdout}${stderr}`);
    assert.equal(status, 0, `exit status ${status}\n${stdout}${stderr}`);
    assert.equal(stderr, '');
    assert.equal(readme.broken(source, stdout), undefined);
  });
}
