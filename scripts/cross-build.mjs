// The cross-build of one addon: cmake-js drives cmake, zig is the compiler and brings the headers of each C library.
// Configuring leaves compile_commands.json in build/<platform>-<arch>/, for editors and clang-tidy.

import { join } from 'node:path';
import { tools } from './prebuild-tools.mjs';
import { inProject } from './project.mjs';
import { runQuietly, versionOf } from './run-command.mjs';

const folderOf = (name) => inProject('build', name);

export const addonOf = (name) => join(folderOf(name), 'MinSizeRel/freebsd-capsule.node');
export const compileCommandsOf = (name) => join(folderOf(name), 'compile_commands.json');

// What this machine lacks; undefined when nothing.
export function whyNotCrossBuild() {
  if (versionOf('cmake') !== undefined) return undefined;
  return (
    'cmake was not found; the cross-build needs cmake >= 3.22 and ninja or make ' +
    '(Debian, Ubuntu: apt-get install cmake ninja-build; macOS: brew install cmake ninja).'
  );
}

// `steps`: cmake-js's commands, configure and build.
export function crossCompile(steps, { name, target }, { zig, cmakeJs }) {
  for (const step of steps) {
    runQuietly(
      `Cross-building for ${name}`,
      process.execPath,
      [
        cmakeJs,
        step,
        `--out=${folderOf(name)}`,
        '--config=MinSizeRel',
        `--CDCMAKE_TOOLCHAIN_FILE=${inProject('native/zig.cmake')}`,
        `--CDZIG=${zig}`,
        `--CDZIG_TARGET=${target}`,
      ],
      // zig's own place would be the home directory.
      { env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: tools('zig-cache'), ZIG_LOCAL_CACHE_DIR: tools('zig-cache') } },
    );
  }
}
