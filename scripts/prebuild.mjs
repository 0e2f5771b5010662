// Cross-builds the addon for FreeBSD x64 and arm64 on any Linux or macOS: cmake-js drives cmake, zig is the compiler and
// brings FreeBSD's headers. Leaves prebuilds/ checked, and compile_commands.json in build/freebsd-<arch>/ for editors and
// clang-tidy.

import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkPrebuilds, PREBUILT_ARCHITECTURES, prebuildPath } from './check-prebuild.mjs';
import { installDependencies } from './dependencies.mjs';
import { installPrebuildTools, tools } from './prebuild-tools.mjs';
import { inProject } from './project.mjs';
import { Failure, runQuietly, runScript, versionOf } from './run-command.mjs';

// The oldest kernel that is supported: what is linked there loads on every newer one.
const TARGETS = { x64: 'x86_64-freebsd.14.0', arm64: 'aarch64-freebsd.14.0' };

function checkCmake() {
  if (versionOf('cmake') === undefined) {
    throw new Failure(
      'cmake was not found; the cross-build needs cmake >= 3.22 and ninja or make ' +
        '(Debian, Ubuntu: apt-get install cmake ninja-build; macOS: brew install cmake ninja).',
    );
  }
}

function crossBuild(arch, { zig, cmakeJs }) {
  const directory = inProject(`build/freebsd-${arch}`);
  const cmake = (command) =>
    runQuietly(
      `Cross-building for FreeBSD ${arch}`,
      process.execPath,
      [
        cmakeJs,
        command,
        `--out=${directory}`,
        '--config=MinSizeRel',
        `--CDCMAKE_TOOLCHAIN_FILE=${inProject('native/zig-freebsd.cmake')}`,
        `--CDZIG=${zig}`,
        `--CDZIG_TARGET=${TARGETS[arch]}`,
      ],
      // zig's own place would be the home directory.
      { env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: tools('zig-cache'), ZIG_LOCAL_CACHE_DIR: tools('zig-cache') } },
    );
  cmake('configure');
  cmake('build');
  const built = join(directory, 'MinSizeRel/freebsd-capsule.node');
  if (!existsSync(built)) throw new Failure(`cmake-js reported success, but there is no ${built}`);
  mkdirSync(dirname(inProject(prebuildPath(arch))), { recursive: true });
  copyFileSync(built, inProject(prebuildPath(arch)));
}

await runScript(() => {
  checkCmake();
  installDependencies();
  const toolPaths = installPrebuildTools();
  for (const arch of PREBUILT_ARCHITECTURES) crossBuild(arch, toolPaths);
  checkPrebuilds();
});
