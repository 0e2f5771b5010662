// Puts a Bun into build/tools/bun, for the tests that also run there. From npm and of a fixed version; not among the
// dependencies, since a hundred megabytes are of no use to who only builds.

import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { runNpm } from './npm.mjs';
import { inProject } from './project.mjs';
import { Failure, runScript, versionOf } from './run-command.mjs';

const VERSION = '1.4.5';

// Bun's ordinary build for x64 dies of an illegal instruction on a processor without AVX2.
function hasAvx2() {
  return !existsSync('/proc/cpuinfo') || /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

// Returns the path of Bun's program for a platform, in a folder for each but this one.
export function installBun(platform = process.platform, arch = process.arch) {
  const isOurs = platform === process.platform && arch === process.arch;
  const folder = inProject(isOurs ? 'build/tools/bun' : `build/tools/bun-${platform}-${arch}`);
  const baseline = isOurs && arch === 'x64' && !hasAvx2() ? '-baseline' : '';
  const name = `@oven/bun-${platform}-${arch === 'arm64' ? 'aarch64' : arch}${baseline}`;
  const program = `${folder}/bun`;
  const source = `${folder}/node_modules/${name}`;
  const installedVersion = () => {
    if (isOurs) return versionOf(program);
    return existsSync(program) ? JSON.parse(readFileSync(`${source}/package.json`, 'utf8')).version : undefined;
  };
  if (installedVersion() === VERSION) return program;

  mkdirSync(folder, { recursive: true });
  // npm refuses programs of other systems unless it is forced.
  const wanted = ['--no-save', '--ignore-scripts', ...(isOurs ? [] : ['--force']), `${name}@${VERSION}`];
  runNpm('Installing Bun', ['install', '--prefix', folder, ...wanted]);
  copyFileSync(`${source}/bin/bun`, program);
  chmodSync(program, 0o755);
  const found = installedVersion();
  if (found !== VERSION) throw new Failure(`${program} does not start, or is ${found} instead of ${VERSION}`);
  return program;
}

if (import.meta.filename === process.argv[1]) await runScript(() => installBun());
