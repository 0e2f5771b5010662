// Builds what is missing and runs the benchmarks; arguments are those of bench/run.ts.

import { spawnSync } from 'node:child_process';
import { buildBenchHelper } from './bench-helper.mjs';
import { installDependencies } from './dependencies.mjs';
import { kernelEnvironment } from './kernel-in-use.mjs';
import { buildNative } from './native-build.mjs';
import { inProject } from './project.mjs';
import { runScript } from './run-command.mjs';
import { compileTypeScript } from './typescript.mjs';

await runScript(async () => {
  installDependencies();
  buildNative();
  await compileTypeScript();
  buildBenchHelper();
  const { status } = spawnSync(process.execPath, [inProject('build/bench/run.js'), ...process.argv.slice(2)], {
    env: kernelEnvironment,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
});
