// Run by npm before it packs: a package without its addons, or with those of other sources, must not come into being.

import { statSync } from 'node:fs';
import { checkPrebuilds } from './check-prebuild.mjs';
import { installDependencies } from './dependencies.mjs';
import { newest } from './native-build.mjs';
import { PREBUILDS, prebuildPath } from './prebuilds.mjs';
import { inProject } from './project.mjs';
import { Failure, runScript } from './run-command.mjs';
import { compileTypeScript } from './typescript.mjs';

const SOURCES = ['native', 'sources.json', 'CMakeLists.txt'];

await runScript(async () => {
  checkPrebuilds();
  const changed = Math.max(...SOURCES.map((path) => newest(inProject(path))));
  const stale = PREBUILDS.map(({ name }) => prebuildPath(name)).filter(
    (path) => statSync(inProject(path)).mtimeMs < changed,
  );
  if (stale.length > 0) {
    throw new Failure(`${stale.join(', ')}: older than ${SOURCES.join(', ')}; run: npm run prebuild`);
  }
  installDependencies();
  await compileTypeScript();
});
