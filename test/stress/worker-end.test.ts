/**
 * Worker threads that end while they wait: for a process, a jail, a directory, the thread pool. Nothing else goes down
 * with them, and nothing of theirs stays open.
 *
 * A round ends each of eight workers once. `CAPSULE_WORKER_ROUNDS` is how many there are (`npm run test:workers`: 1,000,
 * or as many as its argument says).
 */

import { expect, test } from 'vitest';
import { childOutcome } from '../support/in-child.ts';
import { runningChildren } from './running-children.ts';

const rounds = Number(process.env.CAPSULE_WORKER_ROUNDS ?? 40);
const WORKERS = 8;

/** Runs in a child, where a crash is an exit status. */
async function endWorkers(
  api: typeof import('freebsd-capsule'),
  { rounds, workers, binding, look }: { rounds: number; workers: number; binding: string; look: string },
) {
  const { Worker } = process.getBuiltinModule('node:worker_threads');
  const fs = process.getBuiltinModule('node:fs');
  const { join } = process.getBuiltinModule('node:path');
  const { tmpdir } = process.getBuiltinModule('node:os');
  const home = fs.mkdtempSync(join(tmpdir(), 'freebsd-capsule-test-'));
  fs.writeFileSync(join(home, 'large'), Buffer.alloc(8 << 20, 'x'));
  const jail = process.geteuid?.() === 0 ? api.Jail.create({}, { owned: true }) : undefined;

  // Says when it is loaded and waits: Node itself aborts when a thread ends inside of an import().
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    import('freebsd-capsule').then(async ({ Directory, Jail, listDescriptors, spawn }) => {
      const { home, jid, wait } = workerData;
      const { native } = await import(workerData.binding);
      const directory = Directory.open(home);
      // From here on it waits: what it has started is in the hands of those who close it.
      const waiting = () => parentPort.postMessage('waiting');
      const forEver = async (once) => { for (waiting();;) await once(); };
      const waits = {
        exit: async () => {
          const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
          waiting();
          await child.exited;
        },
        exits: () => forEver(async () => {
          const child = spawn('/bin/true', [], { stdio: 'ignore' });
          await child.exited;
          child.close();
        }),
        pipe: async () => {
          const child = spawn('/bin/sleep', ['1000']);
          waiting();
          for await (const _ of child.stdout);
        },
        jail: async () => {
          const events = jid === undefined ? new Promise(() => { setInterval(() => {}, 1000); }) : Jail.get(jid).watch();
          waiting();
          await (jid === undefined ? events : events.next());
        },
        read: () => forEver(() => Promise.all([1, 2, 3].map(() => directory.readFile('large')))),
        verbs: () => forEver(async () => {
          const name = 'own-' + workerData.round;
          await directory.writeFile(name, 'content');
          await Promise.all([directory.stat(name), directory.readdir('.'), directory.copyFile(name, name + '-copy')]);
          const handle = await directory.open(name);
          await handle.readFile();
          await handle.close();
          await directory.rm(name);
        }),
        stream: () => forEver(async () => { for await (const _ of directory.createReadStream('large')); }),
        inventory: () => forEver(async () => { listDescriptors(); await null; }),
        // A part of seal(), which as a whole is not for workers. It asks for no thread: while one is held, no worker ends.
        // Many at a time: what is looked for is the end of the worker inside of the call.
        holds: () => forEver(async () => {
          for (let holds = 0; holds < 50; holds++) native('test').poolHold(0, 1000);
          await new Promise(setImmediate);
        }),
      };
      await waits[wait]();
    });`;
  const waits = ['exit', 'exits', 'pipe', 'jail', 'read', 'verbs', 'stream', 'inventory', 'holds'];
  const errors: string[] = [];
  /** How many were ended while they waited for what. */
  const ended: Record<string, number> = {};

  const once = (round: number, index: number) =>
    new Promise<void>((resolve) => {
      const wait = waits[(round + index) % waits.length] as string;
      const worker = new Worker(program, {
        eval: true,
        workerData: { home, binding, jid: jail?.jid, wait, round: `${round}-${index}` },
      });
      worker.once('error', (error) => errors.push(`${wait}: ${String(error)}`));
      worker.once('exit', () => resolve());
      worker.once('message', () => {
        setTimeout(() => {
          ended[wait] = (ended[wait] ?? 0) + 1;
          void worker.terminate();
        }, Math.random() * 20);
      });
    });
  /** What a descriptor is, where the host tells. */
  const target = (fd: string) => {
    try {
      return fs.readlinkSync(`/dev/fd/${fd}`);
    } catch {
      return 'unknown';
    }
  };
  const descriptors = () => {
    // The simulated kernel looks whether an event queue was closed when there is an event.
    jail?.set({ 'host.hostname': 'any' });
    return fs.readdirSync('/dev/fd').map((fd) => `${fd}: ${target(fd)}`);
  };
  const allAtOnce = (round: number) => Promise.all(Array.from({ length: workers }, (_, index) => once(round, index)));

  // What a runtime opens once is not a leak.
  await allAtOnce(0);
  await allAtOnce(1);
  let before = descriptors();
  // What was closed for a thread that is gone may take a moment.
  for (let same = 0; same < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = descriptors();
    same = now.length === before.length ? same + 1 : 0;
    before = now;
  }
  const memory: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await allAtOnce(round);
    memory.push(process.memoryUsage.rss());
  }
  let after = descriptors();
  // What was closed for a thread that is gone may take a moment.
  for (let look = 0; look < 100 && after.length > before.length; look++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    after = descriptors();
  }
  jail?.close();
  fs.rmSync(home, { recursive: true });
  const children = await (new Function(`return (${look});`)() as typeof runningChildren)();
  return {
    errors,
    kinds: waits.length,
    ended,
    left: after.length - before.length,
    before,
    after,
    children,
    megabytes: memory.map((bytes) => Math.round(bytes / 2 ** 20)),
  };
}

test(`eight workers, each ended ${rounds} times at any moment`, { timeout: (rounds + 100) * 6000 }, async () => {
  const outcome = await childOutcome(endWorkers, {
    input: {
      ...{ rounds, workers: WORKERS, look: runningChildren.toString() },
      binding: new URL('../../dist/binding.js', import.meta.url).href,
    },
    timeoutMs: (rounds + 60) * 6000,
    // Of descriptors that Node has not opened and is told to close.
    execArgv: ['--no-warnings'],
  });
  expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '' });
  expect(outcome.error).toBeUndefined();
  const { errors, kinds, ended, left, before, after, children, megabytes } = outcome.result as Awaited<
    ReturnType<typeof endWorkers>
  >;
  console.log(`ended while waiting: ${JSON.stringify(ended)}; resident MB: ${megabytes[0]} to ${megabytes.at(-1)}`);
  expect(errors).toEqual([]);
  expect(Object.values(ended).reduce((sum, count) => sum + count, 0)).toBe((rounds + 2) * WORKERS);
  expect(Object.keys(ended)).toHaveLength(kinds);
  expect(left, `open before: ${before.join(', ')}; after: ${after.join(', ')}`).toBeLessThanOrEqual(0);
  // Processes end with the descriptors that held them.
  expect(children).toEqual([]);
});
