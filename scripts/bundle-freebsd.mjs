// Writes dist/freebsd-tests/: the package with its prebuilt addons, the compiled tests that run on FreeBSD, the examples,
// and run.sh. Needs nothing there but `node` or `bun`, and nowhere to write.

import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { crossBuildBenchHelper } from './bench-helper.mjs';
import { installDependencies } from './dependencies.mjs';
import { crossBuildHelper, crossBuildProgram } from './helper-build.mjs';
import { installPrebuildTools } from './prebuild-tools.mjs';
import { FREEBSD_PREBUILDS, prebuildPath } from './prebuilds.mjs';
import { inProject } from './project.mjs';
import { crossBuildQuestions } from './questions-build.mjs';
import { Failure, runScript } from './run-command.mjs';
import { compileTypeScript } from './typescript.mjs';

const bundle = (...path) => inProject('dist/freebsd-tests', ...path);

const withRuntime = (what, program, first = '') => `#!/bin/sh
# ${what} with $RUNTIME, else node, else bun.
cd "$(dirname "$0")" || exit 1

for candidate in \${RUNTIME:-node bun}; do
  if command -v "$candidate" >/dev/null 2>&1; then
    runtime=$candidate
    break
  fi
done
if [ -z "$runtime" ]; then
  echo "\${RUNTIME:-node or bun} was not found in PATH; set RUNTIME to one of them." >&2
  exit 1
fi

${first}exec "$runtime" ${program} "$@"
`;

const RUN_SH = withRuntime(
  'Runs the kernel and privileged tests (an argument picks them by their name; the last line says how it went), or, as root\n# with --record DIR, asks the kernel instead and writes its answers to DIR,',
  'test/support/run-kernel-tests.js',
  'if [ "$1" = --record ]; then\n  exec "$runtime" test/conformance/ask.js "$@"\nfi\n\n',
);
const BENCH_SH = withRuntime('Runs the benchmarks (an argument picks one; --json, --output FILE)', 'bench/run.js');

// Files of vitest are of no use without it.
const withoutVitest = { recursive: true, filter: (path) => !/\.test(-d)?\.[jt]s$/.test(path) };
const withoutTypeScript = { recursive: true, filter: (path) => !path.endsWith('.ts') };

await runScript(async () => {
  const missing = FREEBSD_PREBUILDS.map(({ name }) => prebuildPath(name)).filter(
    (path) => !existsSync(inProject(path)),
  );
  if (missing.length > 0) throw new Failure(`${missing.join(' and ')} not found; run first: npm run prebuild`);

  installDependencies();
  await compileTypeScript();
  rmSync(bundle(), { recursive: true, force: true });

  const itself = (...path) => bundle('node_modules/freebsd-capsule', ...path);
  // Entry by entry: the bundle is in the very folder that is copied.
  for (const entry of readdirSync(inProject('dist')).filter((name) => inProject('dist', name) !== bundle())) {
    cpSync(inProject('dist', entry), itself('dist', entry), withoutTypeScript);
  }
  cpSync(inProject('package.json'), itself('package.json'));
  for (const { name } of FREEBSD_PREBUILDS) cpSync(inProject(prebuildPath(name)), itself(prebuildPath(name)));

  // As in build/, so that compiled files find each other by the same paths.
  for (const folder of ['bench', 'examples', 'test/kernel', 'test/support', 'test/conformance']) {
    if (existsSync(inProject('build', folder))) cpSync(inProject('build', folder), bundle(folder), withoutVitest);
  }
  const { zig } = installPrebuildTools();
  for (const { arch } of FREEBSD_PREBUILDS) {
    crossBuildHelper(arch, zig, bundle('helpers', `measure-${arch}`));
    crossBuildHelper(arch, zig, bundle('helpers', `attempts-${arch}`), inProject('test/support/helpers/attempts.c'));
    crossBuildProgram(arch, zig, 'test/support/helpers/hold-copy.c', bundle('helpers', `hold-copy-${arch}`));
    crossBuildQuestions(arch, zig, bundle('helpers', `questions-${arch}`));
    crossBuildBenchHelper(arch, zig, bundle('helpers', `rights-${arch}`));
  }
  // The programs in it are tests, and these two find them.
  for (const path of ['README.md', 'scripts/readme.mjs', 'scripts/project.mjs']) cpSync(inProject(path), bundle(path));
  // Recordings are data: the compiler does not carry them along.
  const recordings = inProject('test/conformance');
  if (existsSync(recordings)) cpSync(recordings, bundle('test/conformance'), withoutTypeScript);

  const { version } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
  const manifest = { name: 'freebsd-capsule-tests', version, private: true, type: 'module' };
  writeFileSync(bundle('package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(bundle('run.sh'), RUN_SH, { mode: 0o755 });
  writeFileSync(bundle('bench.sh'), BENCH_SH, { mode: 0o755 });
  console.log('dist/freebsd-tests is ready; on FreeBSD: sh run.sh');
});
