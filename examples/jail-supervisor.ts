/**
 * A supervisor: keeps N programs running, each in a jail of its own, and restarts those that end.
 *
 * Every start gets a fresh jail, which its descriptor owns. So whatever a worker leaves behind goes with its jail; and
 * when the supervisor itself ends, however it ends, SIGKILL included, the kernel closes the descriptors, and with them
 * removes the jails and kills all that is in them. There is no state on disk and nothing to clean up at the next start.
 *
 * Root on FreeBSD 15: node jail-supervisor.js [N [program [argument…]]]. It says what it does, a line each, and goes on
 * until SIGTERM or SIGINT.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { Jail, kernel } from 'freebsd-capsule';

/** Milliseconds until a worker is started again: doubled each time, and back to the first after a worker that lasted. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 10_000;

const [count = '2', program = '/bin/sleep', ...rest] = process.argv.slice(2);
const workers = Number(count);
if (!Number.isInteger(workers) || workers < 1) throw new Error(`How many workers? '${count}' is no number of them`);
const args = process.argv.length > 3 ? rest : ['3600'];

const stopping = new AbortController();
const { signal } = stopping;

const say = (name: string, what: string) => console.log(`${name}: ${what}`);

/** Runs the program in a new jail until it ends, and leaves nothing of either. */
async function runOnce(name: string): Promise<void> {
  // Nothing below `await using` can keep the jail: not an error, not the end of this process.
  await using jail = Jail.create({ name, path: '/', 'host.hostname': name, 'children.max': 0 }, { owned: true });
  using worker = jail.spawn(program, args, { env: { PATH: '/bin:/usr/bin' }, stdio: ['ignore', 'inherit', 'inherit'] });
  say(name, `jail ${jail.jid}, process ${worker.pid}`);
  const stop = () => worker.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  try {
    const status = await worker.exited;
    say(name, `ended with ${status.signal ?? status.code}`);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function keepRunning(name: string): Promise<void> {
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    const started = performance.now();
    try {
      await runOnce(name);
    } catch (error) {
      // A program that cannot be started is tried again as one that ended at once: what it lacks may come.
      say(name, String(error));
    }
    if (signal.aborted) break;
    if (performance.now() - started > LONGEST_PAUSE) pause = FIRST_PAUSE;
    say(name, `again in ${pause} ms`);
    await delay(pause, undefined, { signal }).catch(() => {});
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }
}

for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stopping.abort());
if (kernel.kind !== 'freebsd') console.log('This is the simulated kernel: the workers are not confined.');
await Promise.all(Array.from({ length: workers }, (_, index) => keepRunning(`worker-${process.pid}-${index}`)));
console.log('all workers are gone, and their jails');
