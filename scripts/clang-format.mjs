// Formats the C++ sources, or with no option checks that it is formatted.  --write: rewrite the files.

import { chmodSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { inProject } from './project.mjs';
import { Failure, outcomeOf, runQuietly, runScript } from './run-command.mjs';

export function clangFormat({ write }) {
  const require = createRequire(inProject('package.json'));
  let program;
  try {
    program = require('clang-format-node').clangFormatPath;
  } catch (error) {
    // It has no program for FreeBSD.
    throw new Failure(`clang-format is not available here: ${error.message}`);
  }
  // Its install script would have done this; ours runs none.
  chmodSync(program, 0o755);
  const sources = ['native', 'test/conformance/questions'].flatMap((folder) =>
    readdirSync(inProject(folder), { recursive: true })
      .filter((name) => /\.(cc|h)$/.test(name))
      .map((name) => join(folder, name)),
  );
  if (write) {
    runQuietly('clang-format', program, ['-i', ...sources]);
    return;
  }
  const { ok, output } = outcomeOf(program, ['--dry-run', '-Werror', ...sources]);
  if (ok) return;
  // It says of every place how wrong it is; where to look is enough, since a program puts it right.
  const places = output.split('\n').filter((line) => /^(native|test)/.test(line));
  const files = new Set(places.map((line) => line.split(':').slice(0, 2).join(':')));
  throw new Failure(`Not formatted:\n${[...files].join('\n') || output}\n\nnpm run format puts it right.`);
}

if (import.meta.filename === process.argv[1]) {
  await runScript(() => clangFormat({ write: process.argv.includes('--write') }));
}
