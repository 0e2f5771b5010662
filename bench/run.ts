/**
 * Runs the benchmarks, each in a process of its own, and prints one table.
 *
 * Arguments: names of benchmarks (default: all), `--json` (instead of the table), `--output FILE` (JSON there as well),
 * `--quick` (few rounds: shows that all of it works, and nothing else).
 */

import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { kernel } from 'freebsd-capsule';
import { columnsOf, figureOf, meetsTarget, type Row } from './row.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const NOT_ONE = ['run.js', 'row.js'];
const available = readdirSync(folder)
  .filter((file) => file.endsWith('.js') && !NOT_ONE.includes(file))
  .map((file) => basename(file, '.js'));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, output: { type: 'string' }, quick: { type: 'boolean' } },
});
const unknown = positionals.filter((name) => !available.includes(name));
if (unknown.length > 0)
  throw new Error(`There is no benchmark ${unknown.join(', ')}; there are ${available.join(', ')}`);

const rows: Row[] = [];
const failed: string[] = [];
for (const name of positionals.length > 0 ? positionals : available) {
  // They take minutes.
  console.error(`measuring ${name} …`);
  const { stdout, stderr, status } = spawnSync(process.execPath, [`${folder}${name}.js`], {
    encoding: 'utf8',
    env: { ...process.env, BENCH_JSON: '1', ...(values.quick ? { BENCH_QUICK: '1' } : {}) },
    maxBuffer: 64 << 20,
  });
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  rows.push(...lines.map((line) => JSON.parse(line) as Row));
  if (status !== 0) {
    failed.push(name);
    console.error(`${name} failed (${status}):\n${stdout}${stderr}`);
  }
}

const runtime = process.versions.bun === undefined ? `Node ${process.versions.node}` : `Bun ${process.versions.bun}`;
const result = {
  kernel: { kind: kernel.kind, release: kernel.release },
  runtime,
  machine: `${process.arch}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? '?'}`,
  date: new Date().toISOString().slice(0, 10),
  rows: rows.map((row) => ({ ...row, figure: figureOf(row), met: meetsTarget(row) ?? null })),
};
const json = `${JSON.stringify(result, null, 2)}\n`;
if (values.output !== undefined) writeFileSync(values.output, json);
if (values.json) process.stdout.write(json);
else {
  console.log(`${kernel.kind} kernel ${kernel.release}, ${runtime}, ${result.machine}, ${result.date}\n`);
  const lines = [['question', 'freebsd-capsule', 'against', 'ratio', 'target'], ...rows.map(columnsOf)];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const written = lines.map(
    (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`,
  );
  written.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  console.log(written.join('\n'));
}
process.exitCode = failed.length > 0 ? 1 : 0;
