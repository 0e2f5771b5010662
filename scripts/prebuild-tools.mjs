// The cross compiler and its driver, in build/tools: far too large for everybody's node_modules.

import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { runNpm } from './npm.mjs';
import { inProject } from './project.mjs';
import { Failure } from './run-command.mjs';

export const tools = (...path) => inProject('build/tools', ...path);

const isSame = (a, b) => existsSync(b) && readFileSync(a).equals(readFileSync(b));

// Returns the paths of the programs.
export function installPrebuildTools() {
  const zigPackage = `@zigc/${process.platform}-${process.arch}`;
  const paths = {
    zig: tools('node_modules', zigPackage, process.platform === 'win32' ? 'bin/zig.exe' : 'bin/zig'),
    cmakeJs: tools('node_modules/cmake-js/bin/cmake-js'),
  };
  const lockfile = inProject('scripts/prebuild-tools/package-lock.json');
  const isInstalled = () => Object.values(paths).every((path) => existsSync(path));
  // Written last, so that an interrupted install is done again.
  const installed = tools('installed-from.json');
  if (isInstalled() && isSame(lockfile, installed)) return paths;

  mkdirSync(tools(), { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) {
    copyFileSync(inProject('scripts/prebuild-tools', name), tools(name));
  }
  runNpm('Installing the cross compiler', ['ci', '--ignore-scripts'], { cwd: tools() });
  if (!isInstalled()) {
    throw new Failure(`zig comes for Linux, macOS and Windows; there is no ${zigPackage}. Run this on one of those.`);
  }
  copyFileSync(lockfile, installed);
  return paths;
}
