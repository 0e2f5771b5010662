// Cross-builds the addons that ship, on any Linux or macOS, and leaves prebuilds/ checked.

import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { checkPrebuilds } from './check-prebuild.mjs';
import { addonOf, crossCompile, whyNotCrossBuild } from './cross-build.mjs';
import { installDependencies } from './dependencies.mjs';
import { installPrebuildTools } from './prebuild-tools.mjs';
import { PREBUILDS, prebuildPath } from './prebuilds.mjs';
import { inProject } from './project.mjs';
import { Failure, runScript } from './run-command.mjs';

await runScript(() => {
  const obstacle = whyNotCrossBuild();
  if (obstacle !== undefined) throw new Failure(obstacle);
  installDependencies();
  const toolPaths = installPrebuildTools();
  for (const { name, target } of PREBUILDS) {
    crossCompile(['configure', 'build'], { name, target }, toolPaths);
    const built = addonOf(name);
    if (!existsSync(built)) throw new Failure(`cmake-js reported success, but there is no ${built}`);
    mkdirSync(dirname(inProject(prebuildPath(name))), { recursive: true });
    copyFileSync(built, inProject(prebuildPath(name)));
  }
  checkPrebuilds();
});
