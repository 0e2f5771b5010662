/** Is reading through a Directory as fast as node:fs by path: 4 KiB and 16 MiB, on this thread and off it? */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Directory } from 'freebsd-capsule';
import { report, sideBySide, times } from './row.ts';

const ROUNDS = times(15);

async function perCall(count: number, work: () => unknown): Promise<number> {
  const started = performance.now();
  for (let call = 0; call < count; call++) await work();
  return ((performance.now() - started) * 1000) / count;
}

const home = fs.mkdtempSync(join(tmpdir(), 'bench-directory-'));
const directory = Directory.open(home, { rights: Directory.READ });
try {
  for (const [name, size, count] of [
    ['4 KiB', 4096, 1000],
    ['16 MiB', 16 * 1024 * 1024, 10],
  ] as const) {
    fs.writeFileSync(join(home, 'file'), Buffer.alloc(size, 'x'));
    const path = join(home, 'file');
    const figures = await sideBySide(ROUNDS, {
      readFile: () => perCall(count, () => directory.readFile('file')),
      theirReadFile: () => perCall(count, () => fs.promises.readFile(path)),
      readFileSync: () => perCall(count, () => directory.readFileSync('file')),
      theirReadFileSync: () => perCall(count, () => fs.readFileSync(path)),
    });
    for (const [verb, ours, value, against] of [
      ['readFile', figures.readFile, figures.theirReadFile, 'fs.promises.readFile'],
      ['readFileSync', figures.readFileSync, figures.theirReadFileSync, 'fs.readFileSync'],
    ] as const) {
      report({
        question: `Directory#${verb}, ${name}`,
        ours,
        unit: 'µs',
        against: { name: against, value },
        target: { atMost: 1 },
      });
    }
  }
} finally {
  directory.close();
  fs.rmSync(home, { recursive: true });
}
