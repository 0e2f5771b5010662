// Runs every tier of tests that this machine can run: vitest in Node, then the kernel tests in Bun where there is one. Ends
// with the first tier that fails, so that what failed is the last that is printed.

import { spawnSync } from 'node:child_process';
import { kernelEnvironment } from './kernel-in-use.mjs';
import { inProject } from './project.mjs';

function run(program, args) {
  const { status, signal, error } = spawnSync(program, args, {
    cwd: inProject(),
    env: kernelEnvironment,
    stdio: 'inherit',
  });
  if (error) console.error(error.message);
  if (signal) console.error(`${program} was killed by ${signal}.`);
  if (status !== 0) process.exit(1);
}

// What follows `npm test --` picks vitest's tests; the rest of the tiers is then not asked for.
const picked = process.argv.slice(2);
run(process.execPath, [inProject('node_modules/vitest/vitest.mjs'), 'run', ...picked]);

if (picked.length === 0) {
  // Compiled by now; plain JavaScript could not import it before.
  const { findBun, promisedTiers } = await import('../build/test/support/requirements.js');
  const bun = findBun();
  if (bun !== undefined) run(bun, [inProject('build/test/support/run-kernel-tests.js')]);
  else if (promisedTiers().includes('bun')) {
    console.error("CAPSULE_REQUIRE promises 'bun', but no bun was found ($BUN, build/tools/bun, PATH)");
    process.exitCode = 1;
  } else console.log('skipped: the kernel tests in Bun (no bun was found: $BUN, build/tools/bun, PATH)');
}
