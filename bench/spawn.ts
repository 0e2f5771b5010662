/**
 * What does it cost to start a process and learn of its end: spawn() against child_process.spawn(), with a small parent
 * and with one of 1 GiB?
 *
 * Times are medians in milliseconds: of the call itself, during which nothing else of the program runs, and until the
 * exit is known, which has the program's own time in it. Memory is what this process's resident set grows by for each
 * child that runs.
 */

import childProcess from 'node:child_process';
import { once } from 'node:events';
import { spawn } from 'freebsd-capsule';
import { median, report, times } from './row.ts';

const ROUNDS = times(60);
const GIGABYTE = 2 ** 30;

const program = process.argv[2] ?? '/usr/bin/true';

interface Sample {
  readonly call: number;
  readonly whole: number;
}

async function ours(): Promise<Sample> {
  const start = performance.now();
  const child = spawn(program, [], { stdio: 'ignore' });
  const call = performance.now() - start;
  await child.exited;
  const whole = performance.now() - start;
  child.close();
  return { call, whole };
}

async function theirs(): Promise<Sample> {
  const start = performance.now();
  const child = childProcess.spawn(program, [], { stdio: 'ignore' });
  const call = performance.now() - start;
  await once(child, 'exit');
  return { call, whole: performance.now() - start };
}

async function compare(parent: string, atMost: number): Promise<void> {
  const samples: Record<'ours' | 'theirs', Sample[]> = { ours: [], theirs: [] };
  for (let round = 0; round < 5; round++) {
    await ours();
    await theirs();
  }
  // In turn, so that whatever else the machine does falls on both.
  for (let round = 0; round < ROUNDS; round++) {
    samples.ours.push(await ours());
    samples.theirs.push(await theirs());
  }
  for (const what of ['call', 'whole'] as const) {
    const [ours, theirs] = [samples.ours, samples.theirs].map((list) => median(list.map((sample) => sample[what])));
    report({
      question: `spawn() of ${program}, ${parent}, ${what === 'call' ? 'the call' : 'until it is known to have ended'}`,
      ours: ours as number,
      unit: 'ms',
      against: { name: 'child_process.spawn()', value: theirs as number },
      target: { atMost },
    });
  }
}

const CHILDREN = times(200);

/** What `CHILDREN` children that run cost this process, each in KiB. */
async function memoryOf(start: () => () => Promise<unknown>): Promise<number> {
  // What the first of them costs once.
  await start()();
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const ends = Array.from({ length: CHILDREN }, start);
  globalThis.gc?.();
  const grown = process.memoryUsage.rss() - before;
  await Promise.all(ends.map((end) => end()));
  return grown / 1024 / CHILDREN;
}

async function compareMemory(stdio: 'ignore' | 'pipe'): Promise<void> {
  const mine = await memoryOf(() => {
    const child = spawn('/bin/sleep', ['1000'], { stdio });
    return async () => {
      child.kill();
      await child.exited;
      child.close();
    };
  });
  const node = await memoryOf(() => {
    const child = childProcess.spawn('/bin/sleep', ['1000'], { stdio });
    return async () => {
      const end = once(child, 'close');
      child.kill();
      await end;
    };
  });
  report({
    question: `memory of this process for each child, stdio '${stdio}'`,
    ours: mine,
    unit: 'KiB',
    against: { name: 'child_process.spawn()', value: node },
  });
}

await compareMemory('ignore');
await compareMemory('pipe');
await compare('small parent', 0.7);
const memory = Buffer.alloc(GIGABYTE, 1);
await compare('parent of 1 GiB', 0.3);
// Kept to here.
if (memory[GIGABYTE - 1] !== 1) throw new Error('memory is gone');
