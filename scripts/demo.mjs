// Runs the example server that seals itself, over the kernel that this machine has.

import { spawnSync } from 'node:child_process';
import { kernelEnvironment } from './kernel-in-use.mjs';
import { inProject } from './project.mjs';

const { status, signal } = spawnSync(process.execPath, [inProject('build/examples/sealed-http-server.js')], {
  env: kernelEnvironment,
  stdio: 'inherit',
});
if (signal) console.error(`The demo was killed by ${signal}.`);
process.exitCode = status ?? 1;
