// Brings a checkout to where its programs and tests can run: dependencies, addon, compiled TypeScript.
//
// Needs Node, npm, python3 and a C++ compiler, and from the network the npm registry alone. What is up to date is left
// alone. Until the dependencies are there, only Node's own modules may be imported, here and in what this imports.

import { installDependencies } from './dependencies.mjs';
import { buildHelper } from './helper-build.mjs';
import { kernelInUse } from './kernel-in-use.mjs';
import { buildNative } from './native-build.mjs';
import { buildQuestions } from './questions-build.mjs';
import { Failure, runScript } from './run-command.mjs';
import { compileTypeScript } from './typescript.mjs';

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Failure(`Node >= 20.19 is needed; this is ${process.version} (${process.execPath}).`);
  }
}

console.log(kernelInUse);
await runScript(async () => {
  checkNode();
  installDependencies();
  buildNative();
  buildHelper();
  await buildQuestions();
  compileTypeScript();
});
