// Runs clang-tidy over native/ as FreeBSD's compiler sees it: by the commands of the cross-build, with FreeBSD's headers,
// which the cross compiler brings. What is checked: .clang-tidy.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findClangTool, isRecent } from './clang-tools.mjs';
import { compileCommandsOf, crossCompile, whyNotCrossBuild } from './cross-build.mjs';
import { installDependencies } from './dependencies.mjs';
import { runInParallel } from './in-parallel.mjs';
import { installPrebuildTools } from './prebuild-tools.mjs';
import { FREEBSD_PREBUILDS } from './prebuilds.mjs';
import { inProject, root } from './project.mjs';
import { Failure, runQuietly, runScript } from './run-command.mjs';

const [CHECKED] = FREEBSD_PREBUILDS;
const OUTPUT = inProject('build/tidy');

// The folders of headers and the macros that zig adds to the command line of a target on its own.
function addedByZig(zig, target) {
  const output = runQuietly('Asking zig', zig, ['c++', target, '-E', '-v', '-xc++', '/dev/null']);
  const words = output
    .split('\n')
    .find((line) => line.includes(' -cc1 '))
    ?.trim()
    .split(' ');
  if (words === undefined) throw new Failure(`zig does not say what it runs:\n${output}`);
  const after = (option) => words.filter((_, index) => words[index - 1] === option);
  // Not the compiler's own headers: clang-tidy is a compiler of another version, and has its own.
  const folders = after('-isystem').filter((folder) => !folder.endsWith('/lib/include'));
  return { folders, macros: after('-D') };
}

function translated({ command, file }, { folders, macros }) {
  const [, , target, ...rest] = command.split(' ');
  const libcxx = folders.filter((folder) => folder.includes('libcxx'));
  const libc = folders.filter((folder) => !libcxx.includes(folder));
  return {
    directory: root,
    file,
    // In FreeBSD's order: the C++ library, the compiler's own headers, the C library.
    arguments: [
      ...['clang++', target, '-nostdinc++', '-nostdlibinc', ...macros.map((macro) => `-D${macro}`)],
      ...libcxx.flatMap((folder) => ['-isystem', folder]),
      ...libc.flatMap((folder) => ['-idirafter', folder]),
      ...rest,
    ],
  };
}

// Returns { notRun: why } where there is no clang-tidy, or nothing to configure the cross-build with.
export async function tidy() {
  const obstacle = whyNotCrossBuild();
  if (obstacle !== undefined) return { notRun: obstacle };
  let clangTidy;
  try {
    clangTidy = findClangTool('clang-tidy', 'CLANG_TIDY', isRecent, 'Debian: apt-get install clang-tidy-19');
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { notRun: error.message };
  }
  const toolPaths = installPrebuildTools();
  crossCompile(['configure'], CHECKED, toolPaths);
  const added = addedByZig(toolPaths.zig, `--target=${CHECKED.target}`);
  const entries = JSON.parse(readFileSync(compileCommandsOf(CHECKED.name), 'utf8'));
  const commands = entries.map((entry) => translated(entry, added));
  mkdirSync(OUTPUT, { recursive: true });
  writeFileSync(join(OUTPUT, 'compile_commands.json'), JSON.stringify(commands, null, 2));
  await runInParallel(
    'clang-tidy',
    commands.map(({ file }) => [clangTidy, '--quiet', '-p', OUTPUT, file]),
  );
  return {};
}

if (process.argv[1] === import.meta.filename) {
  await runScript(async () => {
    installDependencies();
    const { notRun } = await tidy();
    if (notRun !== undefined) throw new Failure(notRun);
    console.log('clang-tidy has nothing to say');
  });
}
