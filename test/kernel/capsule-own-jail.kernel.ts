/** A process that seals itself in a jail of its own. */

import assert from 'node:assert/strict';
import { tempJail } from 'freebsd-capsule/testing';
import { childOutcome } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { requireFreeBSD, requireJails, requireRelease, requireRoot, requireUnjailed } from '../support/requirements.ts';
import { text } from '../support/spawned.ts';

const needs = [requireJails, requireRelease(15.0)];

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
  'capsule: a session whose leader is out of sight counts as that of others',
  { needs: [requireFreeBSD, requireRoot, requireUnjailed, requireRelease(15.0)] },
  async () => {
    const program = `
      import(${JSON.stringify(import.meta.resolve('freebsd-capsule'))})
        .then(({ seal }) => seal({ jail: { path: '/' } }))
        .then(({ report }) => report.jail.properties.signal.unprivileged.grade, (error) => error.message)
        .then(console.log);`;
    await using outer = tempJail({ path: '/', 'children.max': 1 });
    const graded = async (session: boolean) => {
      using child = outer.spawn(process.execPath, ['-e', program], { session, stdio: ['ignore', 'pipe', 'inherit'] });
      return (await text(child.stdout)).trim();
    };
    // This process, or one further up, leads it, outside of the jail that the other one sees.
    assert.equal(await graded(false), 'open');
    assert.equal(await graded(true), 'enforced');
  },
);
