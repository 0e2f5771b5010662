/** No capsule has a descriptor of a jail inside, or a directory from above its root: for each way to make one. */

import assert from 'node:assert/strict';
import { closeSync, cpSync, mkdirSync, openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Capsule, type DescriptorLike, Jail, type ProcessDescriptor, spawn } from 'freebsd-capsule';
import { tempJail } from 'freebsd-capsule/testing';
import { temporaryDirectory } from '../support/descriptors.ts';
import { childOutcome } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { removedByNow } from '../support/removed-by-now.ts';
import {
  attempts,
  requireAttempts,
  requireJails,
  requireRelease,
  requireRoot,
  requireUnjailed,
} from '../support/requirements.ts';
import { runShell } from '../support/shell.ts';

// What leads out of a jail is held by other programs, which the simulated kernel does not confine.
const needs = [requireRoot, requireRelease(15.0), requireUnjailed];

/** What a process has open, as procstat(1) shows it: number or name, and type. */
async function openIn({ pid }: ProcessDescriptor): Promise<string[]> {
  const { output } = await runShell(spawn, `procstat -h fd ${pid}`);
  const lines = output.trim().split('\n');
  return lines.map((line) => line.trim().split(/\s+/).slice(2, 5).join(' '));
}

kernelTest(
  'capsule ways out: Capsule.spawn gives its program what it was told to, and nothing else',
  { needs },
  async () => {
    const etc = openSync('/etc', 'r');
    const memory = openSync('/dev/mem', 'r');
    await using other = tempJail({ path: '/' });
    using stranger = spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
    try {
      await using capsule = await Capsule.spawn('/bin/sleep', ['600'], { jail: { path: '/' }, stdio: 'ignore' });
      const open = await openIn(capsule.process);
      const numbered = open.filter((line) => /^\d/.test(line));
      assert.deepEqual(
        numbered.map((line) => line.split(' ')[0]),
        ['0', '1', '2'],
        open.join('\n'),
      );
      assert.equal(
        numbered.some((line) => / d$/.test(line)),
        false,
        open.join('\n'),
      );
      const refused: [options: object, message: RegExp][] = [
        [{ descriptors: { 3: etc } }, /is a directory's descriptor, which leads out of the capsule/],
        [{ descriptors: { 3: other } }, /is a jail's descriptor, which leads out of the capsule/],
        [{ descriptors: { 3: stranger } }, /is a process's descriptor, which reaches out of the capsule/],
        [{ descriptors: { 3: memory } }, /is a device \(\/dev\/mem\), and what its driver does knows no jail/],
        [{ stdio: [etc, 'ignore', 'ignore'] }, /is a directory's descriptor, which leads out of the capsule/],
      ];
      for (const [options, message] of refused) {
        await assert.rejects(Capsule.spawn('/bin/sleep', ['600'], { jail: { path: '/' }, ...options }), {
          code: 'ERR_INVALID_ARG_VALUE',
          message,
        });
      }
    } finally {
      closeSync(memory);
      closeSync(etc);
    }
  },
);

kernelTest('capsule ways out: Jail#seal refuses a jail of which a process has a way out', { needs }, async () => {
  await using jail = tempJail({ path: '/' });
  const before = jail.get();
  const memory = openSync('/dev/mem', 'r');
  using stranger = spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  const ways: [descriptor: DescriptorLike, what: string][] = [
    [jail, `jail ${jail.jid}`],
    [stranger, `process ${stranger.pid}`],
    [memory, 'the device /dev/mem'],
  ];
  try {
    for (const [descriptor, what] of ways) {
      // As jexec(8) passes on whatever it is given.
      using holder = spawn('/usr/sbin/jexec', [String(jail.jid), '/bin/sleep', '600'], {
        stdio: 'ignore',
        descriptors: { 5: descriptor },
      });
      while ((await runShell(spawn, `pgrep -j ${jail.jid} sleep`)).status !== 0);
      await assert.rejects(jail.seal(), {
        code: 'ERR_INVALID_STATE',
        message: new RegExp(`^Process ${holder.pid} has, as descriptor 5, ${what}, which leads out of jail`),
      });
      assert.deepEqual(jail.get(), before);
      holder.kill('SIGKILL');
      await holder.exited;
    }
  } finally {
    closeSync(memory);
  }
});

kernelTest(
  'capsule ways out: Jail#seal refuses a jail of which a process is above the root',
  { needs: [...needs, requireAttempts] },
  async () => {
    const directory = temporaryDirectory();
    const root = join(directory.path, 'root');
    mkdirSync(join(root, 'within'), { recursive: true });
    cpSync(attempts, join(root, 'waits'));
    const jail = Jail.create({ path: root });
    try {
      // It waits for its input, which stays open.
      using inside = jail.spawn('/waits', [], { cwd: '/within', stdio: ['pipe', 'ignore', 'ignore'] });
      // What root outside does in good faith opens the jail: the process inside is above its root from here on.
      renameSync(join(root, 'within'), join(directory.path, 'without'));
      await assert.rejects(jail.seal(), {
        code: 'ERR_INVALID_STATE',
        message: new RegExp(`^Process ${inside.pid} works in the directory \\S*/without, which leads out of jail`),
      });
      renameSync(join(directory.path, 'without'), join(root, 'within'));
      using capsule = await jail.seal();
      assert.equal(capsule.report.jail?.properties.fileSystem.inside.grade, 'enforced');
    } finally {
      await removedByNow(jail);
      directory.remove();
    }
  },
);

kernelTest(
  'capsule ways out: seal({ jail }) closes its own descriptor, and refuses directories, other jails and processes',
  { needs: [requireJails, requireRelease(15.0)] },
  async () => {
    const outcome = await childOutcome(async ({ Jail, listDescriptors, seal, spawn }) => {
      const { closeSync, openSync } = process.getBuiltinModule('node:fs');
      const code = (error: unknown) => (error as NodeJS.ErrnoException).code;
      const etc = openSync('/etc', 'r');
      const withDirectory = await seal({ jail: { path: '/' } }).then(() => 'sealed', code);
      closeSync(etc);
      // Closing either would end it, from inside as well.
      const other = Jail.create({ path: '/' }, { owned: true });
      const withJail = await seal({ jail: { path: '/' } }).then(() => 'sealed', code);
      await other[Symbol.asyncDispose]();
      const child = spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
      const withProcess = await seal({ jail: { path: '/' } }).then(() => 'sealed', code);
      child.close();
      const { report } = await seal({ jail: { path: '/' } });
      const attempts = [
        () => Jail.get(report.jail?.jid ?? 0),
        () => Jail.current()?.set({ 'allow.raw_sockets': true }),
      ].map((attempt) => {
        try {
          attempt();
          return 'done';
        } catch (error) {
          return code(error);
        }
      });
      const jails = listDescriptors().filter(({ kind }) => kind === 'jail').length;
      const directories = listDescriptors().filter(({ kind }) => kind === 'directory').length;
      return { withDirectory, withJail, withProcess, attempts, jails, directories };
    });
    assert.equal(outcome.error, undefined, JSON.stringify(outcome.error));
    const { attempts = [], ...rest } = outcome.result ?? {};
    assert.deepEqual(rest, {
      withDirectory: 'EPERM',
      withJail: 'ERR_INVALID_STATE',
      withProcess: 'ERR_INVALID_STATE',
      jails: 0,
      directories: 0,
    });
    for (const attempt of attempts) assert.match(String(attempt), /^(ECAPMODE|EPERM|ERR_INVALID_STATE|ENOENT)$/);
  },
);
