/** Tracers and files given to a capsule: what would let a program outlast its end, or get more than it was given. */

import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Capsule, getRights, Jail, type ProcessDescriptor, type Stdio, spawn } from 'freebsd-capsule';
import { temporaryDirectory } from '../support/descriptors.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { LineReader } from '../support/line-reader.ts';
import { removedByNow } from '../support/removed-by-now.ts';
import { attempts, requireAttempts, requireRelease, requireRoot, requireUnjailed } from '../support/requirements.ts';
import { runShell } from '../support/shell.ts';

const needs = [requireRoot, requireRelease(15.0), requireUnjailed, requireAttempts];

const EPERM = 1;
const ENOTCAPABLE = 93;

/** Has the helper try, and returns the errno; 0 is success. */
function asker(process: ProcessDescriptor): (line: string) => Promise<number> {
  const answers = new LineReader<number>(process, Number);
  return async (line) => {
    process.stdin?.write(`${line}\n`);
    const answer = await answers.next();
    assert.ok(answer !== undefined, line);
    return answer;
  };
}

const run = async (command: string) => (await runShell(spawn, command)).output.trim();

kernelTest(
  'capsule tracing: a program of Capsule.spawn is nobody it could have itself traced by, and ends when it is closed',
  { needs: [...needs, requireRelease(15.1)] },
  async () => {
    await using capsule = await Capsule.spawn(attempts, [], {
      jail: { path: '/' },
      stdio: ['pipe', 'pipe', 'ignore'],
      require: { outlive: { inside: 'enforced' } },
    });
    const { pid } = capsule.process;
    assert.equal(await run(`ps -o ppid= -p ${pid}`), '1');
    assert.match(capsule.report.jail?.properties.outlive.inside.value ?? '', /parents and reapers: init\(8\)/);
    assert.equal(await asker(capsule.process)('m 0'), EPERM);
    capsule.process.stdin?.write('s 0\n');
    await run(`until ps -o state= -p ${pid} | grep T; do sleep 0.1; done`);
    capsule.close();
    await capsule.jail.removed({ signal: AbortSignal.timeout(60_000) });
    assert.equal(await run(`ps -o pid= -p ${pid}`), '');
  },
);

kernelTest('capsule tracing: Jail#seal refuses a jail of which a process is traced', { needs }, async () => {
  const directory = temporaryDirectory();
  const jail = Jail.create({ path: '/', persist: true, 'allow.raw_sockets': true });
  try {
    using inside = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
    const { pid } = inside;
    await run(`ktrace -f ${join(directory.path, 'trace')} -p ${pid}`);
    await assert.rejects(jail.seal(), (error: Error) => {
      assert.match(error.message, new RegExp(`Process ${pid} of jail ${jail.jid} is traced by ktrace\\(2\\)`));
      assert.match(error.message, /nothing was changed/);
      return true;
    });
    await run(`ktrace -C`);
    {
      using tracer = spawn(attempts, [], { stdio: ['pipe', 'pipe', 'ignore'] });
      using other = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
      assert.equal(await asker(tracer)(`d ${other.pid}`), 0);
      await assert.rejects(
        jail.seal(),
        new RegExp(`Process ${other.pid} of jail ${jail.jid} is traced by process ${tracer.pid}`),
      );
      // With its tracer ends the traced.
      tracer.kill('SIGKILL');
      await other.exited;
    }
    assert.equal(jail.get('allow.raw_sockets')['allow.raw_sockets'], true);
    (await jail.seal()).close();
    assert.equal(jail.get('allow.raw_sockets')['allow.raw_sockets'], false);
  } finally {
    await removedByNow(jail);
    directory.remove();
  }
});

kernelTest(
  'capsule tracing: an outer program that could be asked to trace opens outlive, and two that trace each other do',
  { needs },
  async () => {
    const open = { require: { outlive: { inside: 'enforced' } } } as const;
    const options = { jail: { path: '/' }, stdio: 'ignore' } as const;
    const shortfall = /outlive against inside is to be 'enforced' and is 'open'/;
    await assert.rejects(
      Capsule.spawn('/usr/bin/true', [], { ...options, ...open, allow: ['allow.unprivileged_proc_debug'] }),
      shortfall,
    );
    await assert.rejects(
      Capsule.spawn('/usr/bin/true', [], { ...options, ...open, allow: ['allow.suser'], securelevel: 0 }),
      shortfall,
    );
  },
);

kernelTest(
  'capsule tracing: a file that was opened for reading is not opened again for writing',
  { needs },
  async () => {
    const directory = temporaryDirectory();
    const file = join(directory.path, 'file');
    writeFileSync(file, 'content\n');
    const fd = openSync(file, 'r');
    const log = openSync(file, 'a');
    const reopened = async (stdio: Stdio) => {
      await using capsule = await Capsule.spawn(attempts, [], { jail: { path: '/' }, stdio: ['pipe', 'pipe', stdio] });
      return await asker(capsule.process)('o 0');
    };
    try {
      assert.equal(await reopened(fd), ENOTCAPABLE);
      // What it would be without the limits.
      assert.equal(await reopened({ fd, rights: getRights(fd) }), 0);
      // It is read, and no mode changed.
      await using capsule = await Capsule.spawn('/bin/sh', ['-c', 'read line; echo "$line"; echo more >&2'], {
        jail: { path: '/' },
        stdio: [fd, 'pipe', log],
      });
      assert.equal(await new LineReader<string>(capsule.process, String).next(), 'content');
      assert.equal((await capsule.process.exited).code, 0);
      assert.equal(await run(`cat ${file}`), 'content\nmore');
    } finally {
      closeSync(fd);
      closeSync(log);
      directory.remove();
    }
  },
);
