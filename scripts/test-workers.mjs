// Starts eight worker threads and ends them while they work, a thousand times or as often as the argument says.

import { spawnSync } from 'node:child_process';
import { kernelEnvironment } from './kernel-in-use.mjs';
import { inProject } from './project.mjs';

const [rounds = '1000'] = process.argv.slice(2);
const vitest = inProject('node_modules/vitest/vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', '--typecheck.enabled=false', 'test/stress'], {
  cwd: inProject(),
  env: { ...kernelEnvironment, CAPSULE_WORKER_ROUNDS: rounds },
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
