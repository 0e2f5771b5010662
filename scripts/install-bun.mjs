// Puts a Bun into build/tools/bun, for the tests that also run there. From npm, of a fixed version and with fixed
// checksums; not among the dependencies, since a hundred megabytes are of no use to who only builds.

import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { runNpm } from './npm.mjs';
import { inProject } from './project.mjs';
import { Failure, runScript, versionOf } from './run-command.mjs';

const VERSION = '1.4.5';

// What `npm view @oven/bun-<name>@<version> dist.integrity` says: SHA-512 of the tarballs.
const INTEGRITY = {
  'darwin-aarch64': 'sha512-4MIFXHmctH2EhAxLXm2/qxNtv17dFtLJylvaOCsrgq6KSqHTs6eW5YSrJjRbJxYUJaR901fsN8JfZOa+CsWpWQ==',
  'darwin-x64': 'sha512-qkLPMGHZM9NI6CeHTWwVezzmlo6cC4Ta7yUAjYIWXS366qQcOlcp75t2uZyiuVRBMPS0h9qE0tCcvCHGaFqjJg==',
  'freebsd-aarch64': 'sha512-limWGUkd7wNKh9X/KJa4RyPMTdZsI+sqs7KmAWc/zFllRe5BSlN71ZfAVSYDDJMUJUQUvDdAMywH5zYkYrfUzQ==',
  'freebsd-x64': 'sha512-LahCo0mJJzscE0PUKO8FXdFiOc2vqt9zhf35gSFAVemeCn88idDWpp/rhNcnEsHWMhf5GMXxGJA5D9deTmzW1g==',
  'linux-aarch64': 'sha512-4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==',
  'linux-x64': 'sha512-IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==',
  'linux-x64-baseline':
    'sha512-s8yMwYcFnnrA178gji0gZbkE2WVDej/Ti1x770oPfihxyRxSMNhGhiAQNXV53aDeraZxksdvKV/RAdQBCd0qPA==',
};

// Bun's ordinary build for x64 dies of an illegal instruction on a processor without AVX2.
function hasAvx2() {
  return !existsSync('/proc/cpuinfo') || /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

// npm has held the tarball against what the registry says of it, and writes that down beside what it installed.
export function checkIntegrity(folder, name, expected) {
  const { packages } = JSON.parse(readFileSync(`${folder}/node_modules/.package-lock.json`, 'utf8'));
  const { integrity } = packages[`node_modules/${name}`];
  if (expected !== undefined && integrity === expected) return;
  throw new Failure(`${name} ${VERSION} is not the one expected.\n  expected ${expected}\n  received ${integrity}`);
}

// Returns the path of Bun's program for a platform, in a folder for each but this one.
export function installBun(platform = process.platform, arch = process.arch) {
  const isOurs = platform === process.platform && arch === process.arch;
  const folder = inProject(isOurs ? 'build/tools/bun' : `build/tools/bun-${platform}-${arch}`);
  const baseline = isOurs && arch === 'x64' && !hasAvx2() ? '-baseline' : '';
  const build = `${platform}-${arch === 'arm64' ? 'aarch64' : arch}${baseline}`;
  const name = `@oven/bun-${build}`;
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
  checkIntegrity(folder, name, INTEGRITY[build]);
  copyFileSync(`${source}/bin/bun`, program);
  chmodSync(program, 0o755);
  const found = installedVersion();
  if (found !== VERSION) throw new Failure(`${program} does not start, or is ${found} instead of ${VERSION}`);
  return program;
}

if (import.meta.filename === process.argv[1]) await runScript(() => installBun());
