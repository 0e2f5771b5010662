/** The event thread without events: what it refuses, and that it is in nobody's way. Its events are in test/process. */

import { Worker } from 'node:worker_threads';
import { listDescriptors } from 'freebsd-capsule';
import { describe, expect, test } from 'vitest';
import { native } from '../lib/binding.ts';
import { caught } from './support/caught.ts';
import { openDescriptors, ScratchFiles } from './support/descriptors.ts';
import { childOutcome } from './support/in-child.ts';

const binding = native('test');
const nothing = () => {};

describe('the event thread', () => {
  test('passes on what the kernel refuses', () => {
    // Its own queue first: that would take the number which is to be closed.
    caught(() => binding.watchEvent('procdesc', 2 ** 31 - 1, nothing));
    const files = new ScratchFiles();
    const fd = files.open();
    const closed = files.closed();
    const refusal = (filter: 'procdesc' | 'jaildesc', ident: number) => ({
      ...caught(() => binding.watchEvent(filter, ident, nothing)),
    });
    expect(refusal('procdesc', closed)).toEqual({ errno: -9, code: 'EBADF', syscall: 'kevent', fd: closed });
    expect(refusal('procdesc', fd)).toEqual({ errno: -22, code: 'EINVAL', syscall: 'kevent', fd });
    expect(refusal('jaildesc', fd)).toMatchObject({ errno: -22, code: 'EINVAL', fd });
    expect(caught(() => binding.watchEvent('user', 0, nothing)).code).toBe('EINVAL');
    binding.capRightsLimit(fd, 0, 2 ** 25, 0, 2 ** 26);
    expect(refusal('procdesc', fd)).toMatchObject({ errno: -93, code: 'ENOTCAPABLE' });
    files.remove();
  });

  test('ends and forgets watches that never were', () => {
    binding.unwatchEvent(4_000_000_000);
    binding.refEvent(4_000_000_000, true);
  });

  test("has a queue that the inventory calls the runtime's, and only one", () => {
    const before = openDescriptors();
    for (let round = 0; round < 10; round++) caught(() => binding.watchEvent('procdesc', 2 ** 31 - 1, nothing));
    expect(openDescriptors()).toEqual(before);
    const queues = listDescriptors().filter(({ kind }) => kind === 'kqueue');
    expect(queues.length).toBeGreaterThan(0);
    expect(new Set(queues.map(({ owner }) => owner))).toEqual(new Set(['runtime']));
  });

  test('does not keep a program that has nothing to wait for, nor a worker that is told to end', async () => {
    const started = `
      const { createRequire } = require('node:module');
      const load = createRequire(${JSON.stringify(import.meta.url)});
      import(${JSON.stringify(new URL('../dist/binding.js', import.meta.url).href)}).then(({ native }) => {
        try { native('test').watchEvent('procdesc', 2 ** 31 - 1, () => {}); } catch {}
        require('node:worker_threads').parentPort.postMessage('loaded');
      });`;
    const worker = new Worker(started, { eval: true });
    expect(await new Promise((resolve) => worker.once('exit', resolve))).toBe(0);
    const outcome = await childOutcome(
      async (_, source) => {
        const { Worker: ChildWorker } = process.getBuiltinModule('node:worker_threads');
        const before = process.getBuiltinModule('node:fs').readdirSync('/dev/fd').length;
        for (let round = 0; round < 20; round++) {
          const child = new ChildWorker(`${source} setInterval(() => {}, 1000);`, { eval: true });
          // Node itself aborts when a thread ends while it loads a module.
          await new Promise((resolve) => child.once('message', resolve));
          await new Promise((resolve) => setTimeout(resolve, round * 5));
          await child.terminate();
        }
        return process.getBuiltinModule('node:fs').readdirSync('/dev/fd').length - before;
      },
      { input: started },
    );
    expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '' });
  });

  // In a process of its own: LeakSanitizer looks at its end whether the memory of these events was lost.
  test('calls nobody for events that are on their way when the environment ends', async () => {
    const source = `
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(new URL('../dist/binding.js', import.meta.url).href)}).then(({ native }) => {
        // More than Node hands on in one turn: the rest finds no environment.
        for (let ident = 1; ident <= 5000; ident++) {
          native('test').watchEvent('user', ident, () => parentPort.postMessage('called'));
        }
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
        process.exit(7);
      });`;
    const outcome = await childOutcome(
      async (_, input) => {
        const { Worker: ChildWorker } = process.getBuiltinModule('node:worker_threads');
        const worker = new ChildWorker(input, { eval: true });
        const told: unknown[] = [];
        worker.on('message', (message) => told.push(message));
        told.push(await new Promise((resolve) => worker.once('exit', resolve)));
        return told;
      },
      { input: source },
    );
    expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '', result: [7] });
  });
});
