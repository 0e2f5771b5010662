/** What does it cost to import the package, over an empty module? */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { report, sideBySide, times } from './row.ts';

const EMPTY = 'data:text/javascript,';

/** In a new process: the milliseconds, or the megabytes, of one import. */
function cost(specifier: string, of: 'ms' | 'MB'): number {
  const program = `
    const memory = process.memoryUsage.rss();
    const started = performance.now();
    await import(${JSON.stringify(specifier)});
    const ms = performance.now() - started;
    console.log(JSON.stringify({ ms, MB: (process.memoryUsage.rss() - memory) / 2 ** 20 }));`;
  const args = process.versions.bun === undefined ? ['--input-type=module', '-e', program] : ['-e', program];
  // From here, so that the package's own name leads to it.
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  const answer = execFileSync(process.execPath, args, { encoding: 'utf8', cwd });
  return (JSON.parse(answer) as Record<'ms' | 'MB', number>)[of];
}

const { ms, emptyMs, megabytes, emptyMegabytes } = await sideBySide(times(21), {
  ms: () => cost('freebsd-capsule', 'ms'),
  emptyMs: () => cost(EMPTY, 'ms'),
  megabytes: () => cost('freebsd-capsule', 'MB'),
  emptyMegabytes: () => cost(EMPTY, 'MB'),
});
report({ question: 'import, beyond an empty module', ours: ms - emptyMs, unit: 'ms', target: { atMost: 10 } });
report({
  question: 'import, memory beyond an empty module',
  ours: megabytes - emptyMegabytes,
  unit: 'MB',
  target: { atMost: 3 },
});
