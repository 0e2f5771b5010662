// Runs clang-tidy over native/ as FreeBSD's compiler sees it: with FreeBSD's headers, which the cross compiler brings.
// Needs build/freebsd-x64/compile_commands.json, from `npm run prebuild`. What is checked: .clang-tidy.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findClangTool, isRecent } from './clang-tools.mjs';
import { runInParallel } from './in-parallel.mjs';
import { installPrebuildTools } from './prebuild-tools.mjs';
import { inProject, root } from './project.mjs';
import { Failure, runQuietly, runScript } from './run-command.mjs';

const CROSS_BUILD = inProject('build/freebsd-x64/compile_commands.json');
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

await runScript(async () => {
  if (!existsSync(CROSS_BUILD)) throw new Failure(`${CROSS_BUILD} was not found; run first: npm run prebuild`);
  const clangTidy = findClangTool('clang-tidy', 'CLANG_TIDY', isRecent, 'Debian: apt-get install clang-tidy-19');
  const { zig } = installPrebuildTools();
  const entries = JSON.parse(readFileSync(CROSS_BUILD, 'utf8'));
  const target = /--target=\S+/.exec(entries[0]?.command)?.[0];
  if (target === undefined) throw new Failure(`${CROSS_BUILD} names no target; run: npm run prebuild`);
  const added = addedByZig(zig, target);
  const commands = entries.map((entry) => translated(entry, added));
  mkdirSync(OUTPUT, { recursive: true });
  writeFileSync(join(OUTPUT, 'compile_commands.json'), JSON.stringify(commands, null, 2));
  await runInParallel(
    'clang-tidy',
    commands.map(({ file }) => [clangTidy, '--quiet', '-p', OUTPUT, file]),
  );
  console.log(`clang-tidy has nothing to say of ${commands.length} files`);
});
