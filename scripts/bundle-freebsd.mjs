// Writes dist/freebsd-tests/: the package with its prebuilt addons, the compiled tests that run on FreeBSD, the examples,
// and run.sh. Needs nothing there but `node` or `bun`, and nowhere to write.

import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { installDependencies } from './dependencies.mjs';
import { crossBuildHelper } from './helper-build.mjs';
import { installPrebuildTools } from './prebuild-tools.mjs';
import { FREEBSD_PREBUILDS, prebuildPath } from './prebuilds.mjs';
import { inProject } from './project.mjs';
import { crossBuildQuestions } from './questions-build.mjs';
import { Failure, runScript } from './run-command.mjs';
import { compileTypeScript } from './typescript.mjs';

const bundle = (...path) => inProject('dist/freebsd-tests', ...path);

const RUN_SH = `#!/bin/sh
# Runs the kernel and privileged tests with $RUNTIME, else node, else bun. An argument picks tests by their name.
#   sh run.sh --record DIR   asks the kernel instead, and writes its answers to DIR; needs root
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

if [ "$1" = --record ]; then
  exec "$runtime" test/conformance/ask.js "$@"
fi

# The first lines say which runtime and which kernel, the last one how it went.
exec "$runtime" test/support/run-kernel-tests.js "$@"
`;

// Files of vitest are of no use without it.
const withoutVitest = { recursive: true, filter: (path) => !/\.test(-d)?\.[jt]s$/.test(path) };
const withoutTypeScript = { recursive: true, filter: (path) => !path.endsWith('.ts') };

await runScript(() => {
  const missing = FREEBSD_PREBUILDS.map(({ name }) => prebuildPath(name)).filter(
    (path) => !existsSync(inProject(path)),
  );
  if (missing.length > 0) throw new Failure(`${missing.join(' and ')} not found; run first: npm run prebuild`);

  installDependencies();
  compileTypeScript();
  rmSync(bundle(), { recursive: true, force: true });

  const itself = (...path) => bundle('node_modules/freebsd-capsule', ...path);
  // Entry by entry: the bundle is in the very folder that is copied.
  for (const entry of readdirSync(inProject('dist')).filter((name) => inProject('dist', name) !== bundle())) {
    cpSync(inProject('dist', entry), itself('dist', entry), withoutTypeScript);
  }
  cpSync(inProject('package.json'), itself('package.json'));
  for (const { name } of FREEBSD_PREBUILDS) cpSync(inProject(prebuildPath(name)), itself(prebuildPath(name)));

  // As in build/, so that compiled files find each other by the same paths.
  for (const folder of ['examples', 'test/kernel', 'test/support', 'test/conformance']) {
    if (existsSync(inProject('build', folder))) cpSync(inProject('build', folder), bundle(folder), withoutVitest);
  }
  const { zig } = installPrebuildTools();
  for (const { arch } of FREEBSD_PREBUILDS) {
    crossBuildHelper(arch, zig, bundle('helpers', `measure-${arch}`));
    crossBuildQuestions(arch, zig, bundle('helpers', `questions-${arch}`));
  }
  // Recordings are data: the compiler does not carry them along.
  const recordings = inProject('test/conformance');
  if (existsSync(recordings)) cpSync(recordings, bundle('test/conformance'), withoutTypeScript);

  const { version } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
  const manifest = { name: 'freebsd-capsule-tests', version, private: true, type: 'module' };
  writeFileSync(bundle('package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(bundle('run.sh'), RUN_SH, { mode: 0o755 });
  console.log('dist/freebsd-tests is ready; on FreeBSD: sh run.sh');
});
