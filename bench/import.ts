/** What does it cost to import the package, over an empty module? */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { report, sideBySide, times } from './row.ts';

// A package too, found by its name: what finding and reading a first file costs is not this package's.
const elsewhere = mkdtempSync(join(tmpdir(), 'bench-import-'));
const empty = join(elsewhere, 'node_modules/empty');
mkdirSync(empty, { recursive: true });
writeFileSync(join(empty, 'package.json'), JSON.stringify({ name: 'empty', type: 'module', exports: './index.js' }));
writeFileSync(join(empty, 'index.js'), '');

// From where the name leads to the package.
const PLACES = { 'freebsd-capsule': fileURLToPath(new URL('.', import.meta.url)), empty: elsewhere };

/** In a new process: the milliseconds, or the megabytes, of one import. */
function cost(name: keyof typeof PLACES, of: 'ms' | 'MB'): number {
  const program = `
    const memory = process.memoryUsage.rss();
    const started = performance.now();
    await import(${JSON.stringify(name)});
    const ms = performance.now() - started;
    console.log(JSON.stringify({ ms, MB: (process.memoryUsage.rss() - memory) / 2 ** 20 }));`;
  const args = process.versions.bun === undefined ? ['--input-type=module', '-e', program] : ['-e', program];
  const answer = execFileSync(process.execPath, args, { encoding: 'utf8', cwd: PLACES[name] });
  return (JSON.parse(answer) as Record<'ms' | 'MB', number>)[of];
}

const { ms, emptyMs, megabytes, emptyMegabytes } = await sideBySide(times(21), {
  ms: () => cost('freebsd-capsule', 'ms'),
  emptyMs: () => cost('empty', 'ms'),
  megabytes: () => cost('freebsd-capsule', 'MB'),
  emptyMegabytes: () => cost('empty', 'MB'),
});
rmSync(elsewhere, { recursive: true });
report({ question: 'import, beyond an empty module', ours: ms - emptyMs, unit: 'ms', target: { atMost: 10 } });
report({
  question: 'import, memory beyond an empty module',
  ours: megabytes - emptyMegabytes,
  unit: 'MB',
  target: { atMost: 3 },
});
