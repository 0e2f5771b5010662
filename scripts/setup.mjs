// Brings a checkout to where its programs and tests can run: dependencies, addon, compiled TypeScript. In the package as
// npm installs it, where all but the addon is there already, it builds that.
//
// Needs Node, npm, python3 and a C++ compiler, and from the network the npm registry alone. What is up to date is left
// alone. Until the dependencies are there, only Node's own modules may be imported, here and in what this imports.

import { existsSync } from 'node:fs';
import { buildTools } from './build-tools.mjs';
import { kernelInUse } from './kernel-in-use.mjs';
import { buildNative } from './native-build.mjs';
import { inProject } from './project.mjs';
import { Failure, runScript } from './run-command.mjs';

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Failure(`Node >= 20.19 is needed; this is ${process.version} (${process.execPath}).`);
  }
}

async function setUpCheckout() {
  // What of this package does not ship is imported where it is there.
  const { installDependencies } = await import('./dependencies.mjs');
  const { buildHelper } = await import('./helper-build.mjs');
  const { buildQuestions } = await import('./questions-build.mjs');
  const { compileTypeScript } = await import('./typescript.mjs');
  installDependencies();
  buildNative(inProject('node_modules'));
  buildHelper();
  await buildQuestions();
  await compileTypeScript();
}

console.log(kernelInUse);
await runScript(async () => {
  checkNode();
  if (existsSync(inProject('lib'))) await setUpCheckout();
  else buildNative(buildTools());
});
