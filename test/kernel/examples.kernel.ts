/** The programs in examples/ as a user runs them. Each shows refusals and exits with 0 only if all of them came. */

import assert from 'node:assert/strict';
import childProcess, { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Jail, kernel } from 'freebsd-capsule';
import { compiled } from '../support/compiled.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { findHelper, requireHelper, requireJails, requireRelease } from '../support/requirements.ts';

function run(example: string, ...args: string[]): void {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [compiled(example), ...args], {
    encoding: 'utf8',
    timeout: 100_000,
    killSignal: 'SIGKILL',
  });
  assert.equal(signal, null, `killed by ${signal}\n${stdout}${stderr}`);
  assert.equal(status, 0, `exit status ${status}\n${stdout}${stderr}`);
}

kernelTest('examples/sealed-http-server.ts seals itself, keeps serving and is refused everything else', () => {
  run('examples/sealed-http-server.js');
});

kernelTest('examples/worker-pool.ts starts its helpers from inside capability mode', { needs: [requireHelper] }, () => {
  run('examples/worker-pool.js', findHelper() as string);
});

kernelTest('examples/static-file-server.ts serves its directory, ranges and lists, and nothing outside of it', () => {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [compiled('examples/static-file-server.js')], {
    encoding: 'utf8',
    timeout: 100_000,
    killSignal: 'SIGKILL',
  });
  assert.equal(signal, null, `killed by ${signal}\n${stdout}${stderr}`);
  assert.equal(status, 0, `exit status ${status}\n${stdout}${stderr}`);
});

kernelTest(
  'examples/capsule-daemon.ts starts its daemon sealed, is refused and told what its report says, and leaves nothing',
  { needs: [requireJails, requireRelease(15.0)] },
  () => {
    const before = Jail.list({ dying: true }).map(({ jid }) => jid);
    run('examples/capsule-daemon.js');
    assert.deepEqual(
      Jail.list({ dying: true }).map(({ jid }) => jid),
      before,
    );
  },
);

/** A running supervisor of two workers: what it said, and what it is about to say. */
class Supervisor implements Disposable {
  readonly child = childProcess.spawn(process.execPath, [compiled('examples/jail-supervisor.js'), '2'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  readonly ended = once(this.child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  readonly #lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  readonly #said: string[] = [];

  /** Reads on until `count` lines have matched. */
  async heard(pattern: RegExp, count: number): Promise<RegExpMatchArray[]> {
    const found: RegExpMatchArray[] = [];
    while (found.length < count) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`only ${found.length} of ${count} ${pattern}:\n${this.#said.join('\n')}`);
      this.#said.push(value);
      const match = value.match(pattern);
      if (match !== null) found.push(match);
    }
    return found;
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}

const STARTED = /^(worker-\d+-\d): jail (\d+), process (\d+)$/;

const isRunning = (pid: number) => {
  try {
    process.kill(pid, 0);
    // Where nobody waits for orphans (containers of Linux), what has ended keeps its number.
    return !(existsSync(`/proc/${pid}/stat`) && readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
};

/** Waits for the processes to end; the test's own time limit is the deadline. */
async function ends(pids: readonly number[]): Promise<void> {
  while (pids.some(isRunning)) await delay(20);
}

kernelTest(
  'examples/jail-supervisor.ts restarts workers, in new jails, and leaves nothing when it is killed',
  { needs: [requireJails, requireRelease(15.0)] },
  async () => {
    using supervisor = new Supervisor();
    const first = await supervisor.heard(STARTED, 2);
    const pids = first.map(([, , , pid]) => Number(pid));
    const jids = first.map(([, , jid]) => Number(jid));
    // Jails of the simulated kernel are seen by their own process alone.
    const visible = kernel.kind === 'freebsd';
    const jailed = () => Jail.list({ dying: true }).filter(({ name }) => name.startsWith('worker-'));
    if (visible)
      assert.deepEqual(
        jailed()
          .map(({ jid }) => jid)
          .sort(),
        [...jids].sort(),
      );

    process.kill(pids[0] as number, 'SIGKILL');
    await supervisor.heard(/ended with SIGKILL$/, 1);
    await supervisor.heard(/again in 100 ms$/, 1);
    const [[, name, jid, pid] = []] = await supervisor.heard(STARTED, 1);
    assert.equal(name, first[0]?.[1]);
    assert.notEqual(jid, first[0]?.[2]);
    const all = [...pids, Number(pid)];
    assert.deepEqual(all.map(isRunning), [false, true, true]);
    if (visible) {
      // Somebody else's jail -r ends a worker too.
      Jail.get(Number(jid)).remove();
      await supervisor.heard(/again in 200 ms$/, 1);
      all.push(Number((await supervisor.heard(STARTED, 1))[0]?.[3]));
    }

    supervisor.child.kill('SIGKILL');
    assert.deepEqual(await supervisor.ended, [null, 'SIGKILL']);
    await ends(all);
    while (visible && jailed().length > 0) await delay(20);
  },
);

kernelTest(
  'examples/jail-supervisor.ts ends its workers when it is told to end',
  { needs: [requireJails, requireRelease(15.0)] },
  async () => {
    using supervisor = new Supervisor();
    const pids = (await supervisor.heard(STARTED, 2)).map(([, , , pid]) => Number(pid));
    supervisor.child.kill('SIGTERM');
    await supervisor.heard(/^all workers are gone, and their jails$/, 1);
    assert.deepEqual(await supervisor.ended, [0, null]);
    assert.deepEqual(pids.map(isRunning), [false, false]);
    assert.deepEqual(
      Jail.list({ dying: true }).filter(({ name }) => name.startsWith('worker-')),
      [],
    );
  },
);
