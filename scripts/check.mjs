// Format, lint, types, packaging: everything that can be said about the project without running it. A line per check,
// the output of those that fail; all of them run, whatever fails.

import { clangFormat } from './clang-format.mjs';
import { installDependencies } from './dependencies.mjs';
import { inProject } from './project.mjs';
import { Failure, runQuietly, runScript } from './run-command.mjs';
import { compileTypeScript, tsc } from './typescript.mjs';

const node = (purpose, script, ...args) => runQuietly(purpose, process.execPath, [inProject(script), ...args]);

const checks = {
  'format and lint (biome)': () =>
    node('biome', 'node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '--max-diagnostics=100', '.'),
  'format of native/ (clang-format)': () => clangFormat({ write: false }),
  // First, since everything else of a user's view is in what it makes.
  'types of lib/ and of what is compiled against it': () => compileTypeScript(),
  'types of tests': () => runQuietly('tsc', process.execPath, [tsc, '-p', inProject('tsconfig.test.json')]),
  'package, as publint sees it': () => node('publint', 'node_modules/publint/src/cli.js', '--strict'),
  'package, as importers resolve it (attw)': () =>
    node('attw', 'node_modules/@arethetypeswrong/cli/dist/index.js', '--pack', '.', '--profile', 'esm-only'),
};

await runScript(() => {
  installDependencies();
  const failed = [];
  for (const [name, check] of Object.entries(checks)) {
    try {
      check();
      console.log(`ok      ${name}`);
    } catch (error) {
      console.log(`FAILED  ${name}\n\n${error instanceof Failure ? error.message : error.stack}\n`);
      failed.push(name);
    }
  }
  if (failed.length > 0)
    throw new Failure(`${failed.length} of ${Object.keys(checks).length} checks failed: ${failed.join(', ')}`);
});
