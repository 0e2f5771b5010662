// Builds the addon for this machine with node-gyp, only when something it is made of has changed.

import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { nodeHeaders } from './node-headers.mjs';
import { inProject } from './project.mjs';
import { Failure, runQuietly, versionOf } from './run-command.mjs';

const ADDON = 'build/Release/freebsd_capsule.node';

// When the last of what is in a folder was changed.
export function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  // The folder's own time counts too: it moves when a file is removed.
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isUpToDate() {
  const built = statSync(inProject(ADDON), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return ['native', 'binding.gyp', 'sources.json'].every((path) => newest(inProject(path)) < built);
}

const howToInstall = (freebsd, debian) =>
  process.platform === 'freebsd' ? `pkg install ${freebsd}` : `Debian, Ubuntu: apt-get install ${debian}`;

function checkTools() {
  const missing = [];
  if (['python3', 'python'].every((name) => versionOf(name) === undefined) && !process.env.PYTHON) {
    missing.push(`python3 was not found; node-gyp needs it (${howToInstall('python3', 'python3')}).`);
  }
  const compiler = process.env.CXX?.split(' ')[0];
  if ((compiler ? [compiler] : ['c++', 'g++', 'clang++']).every((name) => versionOf(name) === undefined)) {
    missing.push(
      `No C++ compiler was found${compiler ? ` (CXX is ${compiler})` : ''}; the addon is C++20 ` +
        `(${process.platform === 'freebsd' ? "it is in FreeBSD's base system" : howToInstall('', 'g++')}).`,
    );
  }
  // node-gyp writes makefiles for GNU make. FreeBSD's npm package depends on it, so `pkg install npm` brings it.
  const make = process.env.MAKE ?? (process.platform === 'freebsd' ? 'gmake' : 'make');
  if (versionOf(make) === undefined) {
    missing.push(`${make} was not found; node-gyp needs GNU make (${howToInstall('gmake', 'make')}).`);
  }
  if (missing.length > 0) throw new Failure(`The addon cannot be built here:\n  ${missing.join('\n  ')}`);
}

function nodeGypEnvironment(modules) {
  // npm hands its own settings down as npm_config_*, and node-gyp lets them outrank its command line: a `nodedir` or
  // `target` in somebody's .npmrc would send it to other headers.
  const { npm_config_nodedir, npm_config_target, npm_config_disturl, npm_config_dist_url, ...rest } = process.env;
  // binding.gyp asks for node-addon-api by name.
  return { ...rest, NODE_PATH: modules };
}

// `modules`: the node_modules with node-gyp and the headers.
export function buildNative(modules) {
  if (isUpToDate()) return;
  checkTools();
  const gyp = (...args) =>
    runQuietly('Building the addon', process.execPath, [join(modules, 'node-gyp/bin/node-gyp.js'), ...args], {
      env: nodeGypEnvironment(modules),
    });
  gyp('configure', `--nodedir=${nodeHeaders(modules)}`);
  gyp('build', `--jobs=${availableParallelism()}`);
}
