/** Worker threads that start and end children at once: a number that one thread has just closed is the next one's child. */

import { expect, test } from 'vitest';
import { childOutcome } from '../support/in-child.ts';
import { runningChildren } from './running-children.ts';

const rounds = 50;

/** Runs in a child, which has no other worker threads. */
async function startAndEnd(_api: typeof import('freebsd-capsule'), { rounds, look }: { rounds: number; look: string }) {
  const { Worker } = process.getBuiltinModule('node:worker_threads');
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    import('freebsd-capsule').then(async ({ spawn }) => {
      const ends = {};
      const noteEnd = (end) => { ends[end] = (ends[end] ?? 0) + 1; };
      for (let round = 0; round < workerData; round++) {
        const waited = spawn('/bin/sh', ['-c', 'exit 3'], { stdio: 'ignore' });
        const closed = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
        closed.close();
        // Whoever is not told of the end by then will not be.
        const late = new Promise((resolve) => setTimeout(resolve, 20_000, { late: true }).unref());
        const { code, signal, late: never } = await Promise.race([waited.exited, late]).catch((error) => error);
        noteEnd(never ? 'never' : signal ?? code);
        waited.close();
      }
      parentPort.postMessage(ends);
    });`;
  const one = () =>
    new Promise<unknown>((resolve, reject) => {
      const worker = new Worker(program, { eval: true, workerData: rounds });
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  const ends = await Promise.all(Array.from({ length: 8 }, one));
  return { ends, running: await (new Function(`return (${look});`)() as typeof runningChildren)() };
}

test('eight workers at once: nobody closes, or ends, the child of another', { timeout: 300_000 }, async () => {
  const outcome = await childOutcome(startAndEnd, {
    input: { rounds, look: runningChildren.toString() },
    timeoutMs: 280_000,
    // Of descriptors that Node has not opened and is told to close.
    execArgv: ['--no-warnings'],
  });
  expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '' });
  expect(outcome.error).toBeUndefined();
  expect(outcome.result).toEqual({ ends: Array.from({ length: 8 }, () => ({ 3: rounds })), running: [] });
});
