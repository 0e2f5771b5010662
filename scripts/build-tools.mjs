// What builds the addon in an installed package, which has no development dependencies: node-gyp and the headers, in
// build/tools.

import { inProject } from './project.mjs';
import { installTools } from './tools.mjs';

const NEEDED = ['node-gyp', 'node-addon-api', 'node-api-headers'];

// Returns the node_modules they are in.
export function buildTools() {
  const folder = inProject('build/tools/addon');
  const modules = `${folder}/node_modules`;
  const manifests = NEEDED.map((name) => `${modules}/${name}/package.json`);
  installTools('addon-tools', folder, manifests, `npm installed no ${NEEDED.join(', ')} in ${modules}`);
  return modules;
}
