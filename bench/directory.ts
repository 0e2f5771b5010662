/**
 * Is reading through a Directory as fast as fs.readFile by path? Medians of several rounds, in microseconds per read, for
 * 4 KiB and for 16 MiB, on this thread and off it.
 *
 * Run it with `node build/bench/directory.js` after `npm run build`.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Directory, kernel } from 'freebsd-capsule';

const ROUNDS = 7;

async function perCall(count: number, work: () => unknown): Promise<number> {
  const started = performance.now();
  for (let call = 0; call < count; call++) await work();
  return ((performance.now() - started) * 1000) / count;
}

const home = fs.mkdtempSync(join(tmpdir(), 'bench-directory-'));
const directory = Directory.open(home, { rights: Directory.READ });
console.log(`${kernel.kind} ${kernel.release}, node ${process.versions.node}, bun ${process.versions.bun ?? '-'}`);
try {
  for (const [name, size, count] of [
    ['4 KiB', 4096, 1000],
    ['16 MiB', 16 * 1024 * 1024, 10],
  ] as const) {
    fs.writeFileSync(join(home, 'file'), Buffer.alloc(size, 'x'));
    const path = join(home, 'file');
    const contestants: readonly [string, () => unknown][] = [
      ['fs.promises.readFile', () => fs.promises.readFile(path)],
      ['Directory#readFile', () => directory.readFile('file')],
      ['fs.readFileSync', () => fs.readFileSync(path)],
      ['Directory#readFileSync', () => directory.readFileSync('file')],
    ];
    const times = contestants.map((): number[] => []);
    // In turn, so that what else the machine does falls on all of them.
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, [, work]] of contestants.entries()) times[index]?.push(await perCall(count, work));
    }
    for (const [index, [contestant]] of contestants.entries()) {
      const sorted = (times[index] ?? []).sort((a, b) => a - b);
      console.log(`${name}  ${contestant.padEnd(24)} ${sorted[Math.floor(ROUNDS / 2)]?.toFixed(1)} µs`);
    }
  }
} finally {
  directory.close();
  fs.rmSync(home, { recursive: true });
}
