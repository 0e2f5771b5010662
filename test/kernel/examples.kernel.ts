/** The programs in examples/ as a user runs them. Each shows refusals and exits with 0 only if all of them came. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { compiled } from '../support/compiled.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { findHelper, requireHelper } from '../support/requirements.ts';

function run(example: string, ...args: string[]): void {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [compiled(example), ...args], {
    encoding: 'utf8',
    timeout: 100_000,
    killSignal: 'SIGKILL',
  });
  assert.equal(signal, null, `killed by ${signal}\n${stdout}${stderr}`);
  assert.equal(status, 0, `exit status ${status}\n${stdout}${stderr}`);
}

kernelTest('examples/sealed-http-server.ts seals itself, keeps serving and is refused everything else', () => {
  run('examples/sealed-http-server.js');
});

kernelTest('examples/worker-pool.ts starts its helpers from inside capability mode', { needs: [requireHelper] }, () => {
  run('examples/worker-pool.js', findHelper() as string);
});

kernelTest('examples/static-file-server.ts serves its directory, ranges and lists, and nothing outside of it', () => {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [compiled('examples/static-file-server.js')], {
    encoding: 'utf8',
    timeout: 100_000,
    killSignal: 'SIGKILL',
  });
  assert.equal(signal, null, `killed by ${signal}\n${stdout}${stderr}`);
  assert.equal(status, 0, `exit status ${status}\n${stdout}${stderr}`);
});
