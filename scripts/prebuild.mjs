// Cross-builds the addons that ship on any Linux or macOS: cmake-js drives cmake, zig is the compiler and brings the
// headers of each C library. Leaves prebuilds/ checked, and compile_commands.json in build/<platform>-<arch>/ for editors
// and clang-tidy.

import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkPrebuilds } from './check-prebuild.mjs';
import { installDependencies } from './dependencies.mjs';
import { installPrebuildTools, tools } from './prebuild-tools.mjs';
import { PREBUILDS, prebuildPath } from './prebuilds.mjs';
import { inProject } from './project.mjs';
import { Failure, runQuietly, runScript, versionOf } from './run-command.mjs';

function checkCmake() {
  if (versionOf('cmake') === undefined) {
    throw new Failure(
      'cmake was not found; the cross-build needs cmake >= 3.22 and ninja or make ' +
        '(Debian, Ubuntu: apt-get install cmake ninja-build; macOS: brew install cmake ninja).',
    );
  }
}

function crossBuild({ name, target }, { zig, cmakeJs }) {
  const directory = inProject(`build/${name}`);
  const cmake = (command) =>
    runQuietly(
      `Cross-building for ${name}`,
      process.execPath,
      [
        cmakeJs,
        command,
        `--out=${directory}`,
        '--config=MinSizeRel',
        `--CDCMAKE_TOOLCHAIN_FILE=${inProject('native/zig.cmake')}`,
        `--CDZIG=${zig}`,
        `--CDZIG_TARGET=${target}`,
      ],
      // zig's own place would be the home directory.
      { env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: tools('zig-cache'), ZIG_LOCAL_CACHE_DIR: tools('zig-cache') } },
    );
  cmake('configure');
  cmake('build');
  const built = join(directory, 'MinSizeRel/freebsd-capsule.node');
  if (!existsSync(built)) throw new Failure(`cmake-js reported success, but there is no ${built}`);
  mkdirSync(dirname(inProject(prebuildPath(name))), { recursive: true });
  copyFileSync(built, inProject(prebuildPath(name)));
}

await runScript(() => {
  checkCmake();
  installDependencies();
  const toolPaths = installPrebuildTools();
  for (const prebuild of PREBUILDS) crossBuild(prebuild, toolPaths);
  checkPrebuilds();
});
