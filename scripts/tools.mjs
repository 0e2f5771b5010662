// Programs of some of the scripts alone, each set in a folder of its own in build/ with a lockfile in scripts/<set>-tools:
// too large for everybody's node_modules, in need of other versions than are there, or for the installed package.

import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { runNpm } from './npm.mjs';
import { inProject } from './project.mjs';
import { Failure } from './run-command.mjs';

const isSame = (a, b) => existsSync(b) && readFileSync(a).equals(readFileSync(b));

// Installs what scripts/<set> names into `folder`, unless it is there; `programs`: files that there must be then.
export function installTools(set, folder, programs, otherwise) {
  const lockfile = inProject('scripts', set, 'package-lock.json');
  const isInstalled = () => programs.every((path) => existsSync(path));
  // Written last, so that an interrupted install is done again.
  const installed = `${folder}/installed-from.json`;
  if (isInstalled() && isSame(lockfile, installed)) return;

  mkdirSync(folder, { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) {
    copyFileSync(inProject('scripts', set, name), `${folder}/${name}`);
  }
  runNpm(`Installing the ${set.replace('-', ' ')}`, ['ci', '--ignore-scripts'], { cwd: folder });
  if (!isInstalled()) throw new Failure(otherwise);
  copyFileSync(lockfile, installed);
}
