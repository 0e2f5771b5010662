/**
 * Worker threads that end while they wait: for a process, a jail, a directory, the thread pool. Nothing else goes down
 * with them, and nothing of theirs stays open.
 *
 * `CAPSULE_WORKER_ROUNDS` is how often each of eight workers is ended (`npm run test:workers`: a thousand rounds in all).
 */

import { expect, test } from 'vitest';
import { childOutcome } from '../support/in-child.ts';

const rounds = Number(process.env.CAPSULE_WORKER_ROUNDS ?? 40);
const WORKERS = 8;

/** Runs in a child, where a crash is an exit status. */
async function endWorkers(
  api: typeof import('freebsd-capsule'),
  { rounds, workers }: { rounds: number; workers: number },
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
      };
      await waits[wait]();
    });`;
  const waits = ['exit', 'exits', 'pipe', 'jail', 'read', 'verbs', 'stream', 'inventory'];
  const errors: string[] = [];
  /** How many were ended while they waited for what. */
  const ended: Record<string, number> = {};

  const once = (round: number, index: number) =>
    new Promise<void>((resolve) => {
      const wait = waits[(round + index) % waits.length] as string;
      const worker = new Worker(program, {
        eval: true,
        workerData: { home, jid: jail?.jid, wait, round: `${round}-${index}` },
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
  const descriptors = () => {
    // The simulated kernel looks whether an event queue was closed when there is an event.
    jail?.set({ 'host.hostname': 'any' });
    return fs.readdirSync('/dev/fd').length;
  };
  const allAtOnce = (round: number) => Promise.all(Array.from({ length: workers }, (_, index) => once(round, index)));

  // What a runtime opens once is not a leak.
  await allAtOnce(0);
  const before = descriptors();
  const memory: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await allAtOnce(round);
    memory.push(process.memoryUsage.rss());
  }
  let after = descriptors();
  // What was closed for a thread that is gone may take a moment.
  for (let look = 0; look < 100 && after > before; look++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    after = descriptors();
  }
  jail?.close();
  fs.rmSync(home, { recursive: true });
  // Those that run: the host keeps what has ended until the simulated kernel looks at it.
  const running = (pid: string) => {
    try {
      return !/\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  };
  const childrenNow = () =>
    fs.existsSync('/proc/self/task')
      ? fs
          .readdirSync('/proc/self/task')
          .flatMap((task) => fs.readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' '))
          .filter((pid) => pid !== '' && running(pid))
      : [];
  let children = childrenNow();
  // One that is killed may take a moment too.
  for (let look = 0; look < 100 && children.length > 0; look++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    children = childrenNow();
  }
  return {
    errors,
    ended,
    left: after - before,
    children,
    megabytes: memory.map((bytes) => Math.round(bytes / 2 ** 20)),
  };
}

test(`eight workers, ended ${rounds} times at any moment`, { timeout: (rounds + 100) * 6000 }, async () => {
  const outcome = await childOutcome(endWorkers, {
    input: { rounds, workers: WORKERS },
    timeoutMs: (rounds + 60) * 6000,
    // Of descriptors that Node has not opened and is told to close.
    execArgv: ['--no-warnings'],
  });
  expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '' });
  expect(outcome.error).toBeUndefined();
  const { errors, ended, left, children, megabytes } = outcome.result as Awaited<ReturnType<typeof endWorkers>>;
  console.log(`ended while waiting: ${JSON.stringify(ended)}; resident MB: ${megabytes[0]} to ${megabytes.at(-1)}`);
  expect(errors).toEqual([]);
  expect(Object.values(ended).reduce((sum, count) => sum + count, 0)).toBe((rounds + 1) * WORKERS);
  expect(left).toBe(0);
  // Processes end with the descriptors that held them.
  expect(children).toEqual([]);
});
