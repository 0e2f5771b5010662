// Compiles lib/ to build/lib/ and makes dist/ of it, compiles what runs against it (examples, tests of the kernel) to build/.

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeDist } from './one-file.mjs';
import { compilePlanValidator } from './plan-validator.mjs';
import { inProject } from './project.mjs';
import { runQuietly } from './run-command.mjs';

// By path: it also works in an install that made no links in node_modules/.bin.
export const tsc = inProject('node_modules/typescript/bin/tsc');

// Output folder -> the folder its sources are in.
const OUTPUTS = {
  'build/lib': 'lib',
  dist: 'lib',
  'build/examples': 'examples',
  'build/test': 'test',
  'build/bench': 'bench',
};

// The compiler leaves the output of sources that are gone: a deleted test would go on running, a deleted module be
// published.
function removeOrphans(output, source) {
  if (!existsSync(output)) return;
  for (const entry of readdirSync(output, { withFileTypes: true })) {
    const path = join(output, entry.name);
    if (path === inProject('dist/freebsd-tests')) continue;
    if (entry.isDirectory()) removeOrphans(path, join(source, entry.name));
    else if (!existsSync(join(source, entry.name.replace(/(\.d\.ts|\.js)$/, '.ts')))) rmSync(path);
  }
}

function compile(project, ...options) {
  runQuietly('Compiling TypeScript', process.execPath, [tsc, '-p', inProject(project), ...options]);
}

export async function compileTypeScript() {
  for (const [output, source] of Object.entries(OUTPUTS)) removeOrphans(inProject(output), inProject(source));
  compile('tsconfig.json');
  // Comments are for who reads the sources and the declarations; the runtime would read through them at each start.
  compile('tsconfig.json', '--declaration', 'false', '--removeComments', '--noCheck');
  await makeDist();
  compilePlanValidator();
  // Against the package's declarations, as a user's program would be.
  compile('tsconfig.build.json');
}
