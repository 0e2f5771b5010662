// Puts a Bun into build/tools/bun, for the tests that also run there. From npm and of a fixed version; not among the
// dependencies, since a hundred megabytes are of no use to who only builds.

import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { runNpm } from './npm.mjs';
import { inProject } from './project.mjs';
import { Failure, runScript, versionOf } from './run-command.mjs';

const VERSION = '1.4.5';

// Bun's ordinary build for x64 dies of an illegal instruction on a processor without AVX2.
function hasAvx2() {
  return !existsSync('/proc/cpuinfo') || /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

await runScript(() => {
  const folder = inProject('build/tools/bun');
  const program = `${folder}/bun`;
  if (versionOf(program) === VERSION) return;

  const baseline = process.arch === 'x64' && !hasAvx2() ? '-baseline' : '';
  const architecture = process.arch === 'arm64' ? 'aarch64' : process.arch;
  const name = `@oven/bun-${process.platform}-${architecture}${baseline}`;
  mkdirSync(folder, { recursive: true });
  runNpm('Installing Bun', ['install', '--prefix', folder, '--no-save', '--ignore-scripts', `${name}@${VERSION}`]);
  copyFileSync(`${folder}/node_modules/${name}/bin/bun`, program);
  const found = versionOf(program);
  if (found !== VERSION) throw new Failure(`${program} does not start, or is ${found} instead of ${VERSION}`);
});
