/** A process that seals itself in a jail of its own. */

import assert from 'node:assert/strict';
import { spawn } from 'freebsd-capsule';
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

/** What an error said of itself and of what was done. */
interface Refused {
  readonly code: string | undefined;
  readonly message: string;
  readonly outcome: string | undefined;
}

kernelTest('capsule: of two seals of one process at once, the second is refused', { needs }, async () => {
  const { result, error } = await childOutcome(async ({ isSandboxed, seal }) => {
    const outcomes = await Promise.allSettled([seal({ jail: { path: '/' } }), seal({ jail: { path: '/' } })]);
    const [first, second] = outcomes;
    return {
      first: first.status === 'fulfilled' && first.value.intact,
      second: second.status === 'rejected' && [second.reason.code, second.reason.message],
      sandboxed: isSandboxed(),
    };
  });
  assert.equal(error, undefined, JSON.stringify(error));
  assert.deepEqual(result, {
    first: true,
    second: ['ERR_INVALID_STATE', 'A seal of this process is under way'],
    sandboxed: true,
  });
});

kernelTest('capsule: a worker thread seals nothing', { needs }, async () => {
  const { result, error } = await childOutcome(
    async ({ isSandboxed }, url) => {
      const { Worker } = process.getBuiltinModule('node:worker_threads');
      const program = `
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(url)})
        .then(({ seal }) => seal({ jail: { path: '/' } }))
        .then(() => 'sealed', ({ code }) => code)
        .then((outcome) => parentPort.postMessage(outcome));`;
      const worker = new Worker(program, { eval: true });
      const outcome = await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
      return [outcome, isSandboxed()];
    },
    { input: import.meta.resolve('freebsd-capsule') },
  );
  assert.equal(error, undefined, JSON.stringify(error));
  assert.deepEqual(result, ['ERR_WORKER_UNSUPPORTED_OPERATION', false]);
});

kernelTest(
  'capsule: a process that holds a jail or a process does not enter its own, and has changed nothing',
  { needs },
  async () => {
    const { result, error } = await childOutcome(async ({ Capsule, isJailed, isSandboxed, Jail, seal }) => {
      const plan = { jail: { path: '/' } };
      const refused = async (promise: Promise<unknown>): Promise<Refused> => {
        const reason = await promise.then(
          () => undefined,
          (caught: NodeJS.ErrnoException) => caught,
        );
        return { code: reason?.code, message: reason?.message ?? '', outcome: reason?.message.split('\n').at(-1) };
      };
      // A seal of another jail that is under way, from before this one's first step and from after it.
      const other = Jail.create({ path: '/' });
      const program = other.spawn('/bin/sleep', ['600'], { stdio: 'ignore', session: true, daemon: true });
      program.close();
      let go = () => {};
      const configured = new Promise<void>((resolve) => {
        go = resolve;
      });
      const early = other.seal({ configure: () => configured });
      const whileSealing = await refused(seal(plan));
      go();
      const first = await early;
      const sealed = await refused(seal(plan));
      first.close();
      const sealing = refused(seal(plan));
      const late = await other.seal();
      const begunAfter = await sealing;
      const intact = late.intact;
      late.close();
      other.remove();
      await other.removed();
      // A capsule that is being made.
      const [making, spawned] = await Promise.all([
        refused(seal(plan)),
        Capsule.spawn('/bin/sleep', ['600'], { ...plan, stdio: 'ignore' }),
      ]);
      await spawned[Symbol.asyncDispose]();
      const untouched = [isJailed(), isSandboxed()];
      const capsule = await seal(plan);
      return {
        refusals: { whileSealing, sealed, begunAfter, making },
        intact,
        untouched,
        sealedThen: [capsule.intact, isSandboxed()],
      };
    });
    assert.equal(error, undefined, JSON.stringify(error));
    assert.ok(result !== undefined);
    for (const [when, { code, message, outcome }] of Object.entries(result.refusals)) {
      assert.equal(code, 'ERR_INVALID_STATE', `${when}: ${message}`);
      assert.match(
        message,
        /^Descriptors of processes and jails lead out of the jail.*: \d+ \((jail|process) \d+\)/,
        when,
      );
      assert.match(outcome ?? '', /^seal stopped at '(check|jail)'; nothing was changed$/, when);
    }
    assert.deepEqual([result.intact, result.untouched, result.sealedThen], [true, [false, false], [true, true]]);
  },
);

kernelTest('capsule: what prewarm does to the process is looked at before it enters its jail', { needs }, async () => {
  const attempts = [
    [
      'opens a directory',
      /^EPERM: .*\nA process with an open directory may not enter a jail. Close first: \d+ \(\/etc\)/,
    ],
    ['starts a process', /^Descriptors of processes and jails .* \(process \d+\)/],
    ['opens a jail', /^Descriptors of processes and jails .* \(jail \d+\)/],
  ] as const;
  for (const [what, message] of attempts) {
    const { result, error } = await childOutcome(
      async ({ isJailed, isSandboxed, Jail, seal, spawn }, wanted) => {
        const { openSync } = process.getBuiltinModule('node:fs');
        const callbacks: Record<string, () => unknown> = {
          'opens a directory': () => openSync('/etc', 'r'),
          'starts a process': () => spawn('/bin/sleep', ['600'], { stdio: 'ignore' }),
          'opens a jail': () => Jail.create({ path: '/' }, { owned: true }),
        };
        const { code, message } = await seal({
          jail: { path: '/' },
          prewarm: [callbacks[wanted] as () => unknown],
        }).then(
          () => ({ code: 'none', message: 'sealed' }),
          (reason: NodeJS.ErrnoException) => reason,
        );
        return { code, message, untouched: [isJailed(), isSandboxed()] };
      },
      { input: what },
    );
    assert.equal(error, undefined, JSON.stringify(error));
    assert.match(result?.message ?? '', message, what);
    assert.match(result?.message ?? '', /\nseal stopped at 'jail'; nothing was changed$/, what);
    assert.deepEqual(result?.untouched, [false, false], what);
  }
});

kernelTest('capsule: a jail that prewarm enters is around the own one, and graded so', { needs }, async () => {
  const { result, error } = await childOutcome(async ({ Jail, seal }) => {
    const capsule = await seal({
      jail: { path: '/' },
      prewarm: [() => Jail.create({ path: '/', 'children.max': 1 }).attach()],
    });
    return { weaken: capsule.report.jail?.properties.weaken.outerRoot, intact: capsule.intact };
  });
  assert.equal(error, undefined, JSON.stringify(error));
  assert.equal(result?.intact, true);
  assert.equal(result?.weaken?.grade, 'evident');
  assert.match(result?.weaken?.value ?? '', /security.jail.jailed=1/);
});

kernelTest(
  'capsule: a grade that prewarm loses is missed before the jail is entered',
  { needs: [requireFreeBSD, requireRoot, requireUnjailed, requireRelease(15.0)] },
  async () => {
    const program = `
      import(${JSON.stringify(import.meta.resolve('freebsd-capsule'))}).then(async ({ isJailed, seal }) => {
        const { spawn } = process.getBuiltinModule('node:child_process');
        const prewarm = [() => spawn('/bin/sleep', ['60'], { stdio: 'ignore' }).unref()];
        const plan = { jail: { path: '/' }, require: { signal: { unprivileged: 'enforced' } } };
        const { message } = await seal({ ...plan, prewarm }).catch((error) => error);
        console.log(message + ';' + isJailed());
        process.exit();
      });`;
    using child = spawn(process.execPath, ['-e', program], { session: true, stdio: ['ignore', 'pipe', 'inherit'] });
    assert.match(
      await text(child.stdout),
      /^The capsule falls short .*signal against unprivileged is to be 'enforced' and is 'open': SIGCONT .*\nseal stopped at 'jail'; nothing was changed;false\n$/,
    );
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
