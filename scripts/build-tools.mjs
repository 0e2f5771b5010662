// What builds the addon in an installed package, which has no development dependencies: node-gyp and the headers, of the
// versions that package.json names, in build/tools.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { runNpm } from './npm.mjs';
import { inProject } from './project.mjs';

const NEEDED = ['node-gyp', 'node-addon-api', 'node-api-headers'];

// Returns the node_modules they are in.
export function buildTools() {
  const folder = inProject('build/tools/addon');
  const modules = `${folder}/node_modules`;
  if (NEEDED.every((name) => existsSync(`${modules}/${name}/package.json`))) return modules;
  const { devDependencies } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
  const wanted = NEEDED.map((name) => `${name}@${devDependencies[name]}`);
  mkdirSync(folder, { recursive: true });
  runNpm(
    'Installing what builds the addon',
    ['install', '--prefix', folder, '--no-save', '--ignore-scripts', ...wanted],
    {
      cwd: folder,
    },
  );
  return modules;
}
