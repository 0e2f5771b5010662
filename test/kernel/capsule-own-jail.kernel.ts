/** A process that seals itself in a jail of its own. */

import assert from 'node:assert/strict';
import { Jail, type SealPlan, spawn } from 'freebsd-capsule';
import { tempJail } from 'freebsd-capsule/testing';
import { compiled } from '../support/compiled.ts';
import { childOutcome } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { LineReader } from '../support/line-reader.ts';
import { requireFreeBSD, requireJails, requireRelease, requireUnjailed } from '../support/requirements.ts';
import type { SealedLine } from '../support/sealed-in-jail.ts';
import { runShell } from '../support/shell.ts';

const needs = [requireJails, requireRelease(15.0)];
type Sealed = Extract<SealedLine, { jid: number }>;

async function start(plan: SealPlan) {
  const child = spawn(process.execPath, [compiled('test/support/sealed-in-jail.js'), JSON.stringify(plan)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = new LineReader<SealedLine>(child);
  const made = await lines.until((line): line is Sealed => 'jid' in line);
  return { child, lines, ...made };
}

kernelTest('capsule: a process seals itself in a jail of its own, as another user', { needs }, async () => {
  const { result, error } = await childOutcome(async ({ isSandboxed, Jail, listDescriptors, seal }) => {
    const capsule = await seal({ jail: { path: '/', name: 'own', 'host.hostname': 'own' }, user: 1001, group: 1001 });
    const { report, intact } = capsule;
    return {
      names: report.steps.map(({ name, state }) => `${name}: ${state}`),
      jail: report.jail,
      intact,
      sandboxed: isSandboxed(),
      uid: process.geteuid?.(),
      cwd: process.cwd(),
      jails: listDescriptors().filter(({ kind }) => kind === 'jail').length,
      open: Jail.name,
      text: String(report),
    };
  });
  assert.equal(error, undefined, JSON.stringify(error));
  assert.ok(result !== undefined);
  assert.deepEqual(result.names.slice(2, 5), ['drain: done', 'jail: done', 'limit: done']);
  assert.deepEqual(result.names.slice(-4), ['user: done', 'seal: done', 'enter: done', 'verify: done']);
  assert.deepEqual([result.sandboxed, result.uid, result.cwd, result.jails, result.intact], [true, 1001, '/', 0, true]);
  const { parameters } = result.jail ?? {};
  assert.deepEqual(
    [
      parameters?.['allow.suser'],
      parameters?.securelevel,
      parameters?.persist,
      parameters?.['children.max'],
      parameters?.path,
    ],
    [false, 3, false, 0, '/'],
  );
  assert.match(result.text, /'outlive' +│ +'open'/);
});

kernelTest(
  'capsule: arguments of a jail without one, and what cannot be graded, change nothing',
  { needs },
  async () => {
    const outcome = await childOutcome(async ({ isSandboxed, seal }) => {
      const { closeSync, openSync } = process.getBuiltinModule('node:fs');
      const etc = openSync('/etc', 'r');
      const failures: string[] = [];
      const attempt = async (plan: object) => {
        const error = await seal(plan).then(
          () => undefined,
          (reason: NodeJS.ErrnoException) => reason,
        );
        failures.push(`${error?.code}: ${error?.message.split('; ').at(-1)}`);
      };
      await attempt({ allow: [] });
      await attempt({ securelevel: 1 });
      await attempt({ require: {} });
      await attempt({ jail: { path: '/', persist: true } });
      await attempt({ jail: { path: '/' } });
      closeSync(etc);
      await attempt({ jail: { path: '/nonexistent' } });
      await attempt({ jail: { path: '/' }, require: { outlive: 'enforced' } });
      return { failures, sandboxed: isSandboxed() };
    });
    assert.equal(outcome.error, undefined);
    assert.deepEqual(outcome.result, {
      failures: [
        ...Array(4).fill('ERR_INVALID_ARG_VALUE: nothing was changed'),
        'EPERM: nothing was changed',
        'ENOENT: nothing was changed',
        'ERR_INVALID_STATE: nothing was changed',
      ],
      sandboxed: false,
    });
  },
);

kernelTest(
  'capsule: what happens to the own jail is told inside, in capability mode, and the cells hold',
  { needs: [...needs, requireFreeBSD, requireUnjailed], timeoutMs: 240_000 },
  async () => {
    const { child, lines, jid, pid, sandboxed, uid, properties } = await start({
      jail: { path: '/' },
      user: 1001,
      group: 1001,
    });
    try {
      assert.deepEqual([sandboxed, uid], [true, 1001]);
      const asUser = { user: 1001, group: 1001 };
      const path = 'PATH=/sbin:/bin:/usr/sbin:/usr/bin;';
      const refused = async (command: string) =>
        assert.notEqual((await runShell(spawn, `${path} ${command}`, asUser)).status, 0, command);
      const done = async (command: string, options = {}) =>
        assert.equal((await runShell(spawn, `${path} ${command}`, options)).status, 0, command);
      for (const property of ['unseal', 'attach', 'debug', 'reschedule', 'weaken'] as const) {
        assert.equal(properties[property].unprivileged.grade, 'enforced', property);
      }
      await refused(`jail -m jid=${jid} securelevel=-1`);
      await refused(`jexec ${jid} true`);
      await refused(`ktrace -c -p ${pid}`);
      await refused(`renice -n 1 -p ${pid}`);
      await refused(`kill -URG ${pid}`);
      // It is in the session of whoever started it.
      assert.equal(properties.signal.unprivileged.grade, 'open');
      await done(`kill -CONT ${pid}`, asUser);
      {
        await using other = tempJail({ path: '/' });
        const { status } = await runShell((...args) => other.spawn(...args), `${path} kill -URG ${pid}`);
        assert.notEqual(status, 0);
      }
      assert.equal(properties.attach.hostRoot.grade, 'evident');
      await done(`jexec ${jid} true`);
      await lines.until((line) => 'event' in line && line.event.type === 'attach');
      assert.equal(properties.weaken.hostRoot.grade, 'evident');
      await done(`jail -m jid=${jid} allow.raw_sockets`);
      await lines.until((line) => 'event' in line && line.event.type === 'set');
      assert.equal(properties.signal.hostRoot.grade, 'open');
      await done(`kill -TERM ${pid}`);
      assert.equal((await child.exited).signal, 'SIGTERM');
      assert.equal(
        Jail.list().some((jail) => jail.jid === jid),
        false,
      );
    } finally {
      child.close();
    }
  },
);
