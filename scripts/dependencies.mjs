// Brings node_modules in line with package-lock.json, without running anybody's install script.

import { statSync } from 'node:fs';
import { runNpm } from './npm.mjs';
import { inProject } from './project.mjs';

const timeOf = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

export function installDependencies() {
  // npm writes this file last, so an interrupted install is done again.
  const installed = timeOf(inProject('node_modules/.package-lock.json'));
  if (installed > 0 && installed >= timeOf(inProject('package-lock.json'))) return;
  runNpm('Installing the development dependencies', ['ci', '--ignore-scripts']);
}
