/** Capsules that are spawned, and jails that are sealed while they run: what is true after each step and each fault. */

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import {
  Capsule,
  type CapsuleSpawnOptions,
  Jail,
  type JailDescriptor,
  type JailEvent,
  type JailParameters,
  kernel,
  listDescriptors,
  type SealStep,
  type SpawnedCapsule,
  spawn,
} from 'freebsd-capsule';
import { tempJail } from 'freebsd-capsule/testing';
import type { SupervisorLine, SupervisorOrder } from '../support/capsule-supervisor.ts';
import { compiled } from '../support/compiled.ts';
import { onlyTheseAreOpen, openDescriptors } from '../support/descriptors.ts';
import { childOutcome } from '../support/in-child.ts';
import { type KernelTestOptions, kernelTest } from '../support/kernel-test.ts';
import { LineReader } from '../support/line-reader.ts';
import { requireFreeBSD, requireJails, requireRelease } from '../support/requirements.ts';
import { runShell, Shell } from '../support/shell.ts';
import { shell, text } from '../support/spawned.ts';

const soon = () => AbortSignal.timeout(60_000);

type Refusal = NodeJS.ErrnoException & {
  readonly steps?: readonly SealStep[];
  readonly shortfalls?: readonly unknown[];
};

async function refusal(promise: Promise<unknown>): Promise<Refusal> {
  try {
    await promise;
  } catch (error) {
    return error as Refusal;
  }
  throw new assert.AssertionError({ message: 'expected a rejection' });
}

const jids = () => Jail.list({ dying: true }).map(({ jid }) => jid);

/** Registers a test that must leave no jail, not even a dying one, and no descriptor. */
function capsuleTest(name: string, body: () => Promise<void>, options: KernelTestOptions = {}): void {
  kernelTest(`capsule: ${name}`, { needs: [requireJails, requireRelease(15.0)], ...options }, async () => {
    // The event thread has a queue that stays, and the runtime a descriptor for all of its streams.
    await sleeping({}).then((capsule) => capsule[Symbol.asyncDispose]());
    await shell('exit 0');
    const before = jids();
    const descriptors = openDescriptors();
    try {
      await body();
      assert.deepEqual(jids(), before, 'jails are left');
      await onlyTheseAreOpen(descriptors);
    } finally {
      for (const jail of Jail.list().filter(({ jid }) => !before.includes(jid))) jail.remove();
    }
  });
}

const sleeping = (options: Partial<CapsuleSpawnOptions> = {}): Promise<SpawnedCapsule> =>
  Capsule.spawn('/bin/sleep', ['600'], { jail: { path: '/' }, stdio: 'ignore', ...options });

/** The steps of an error as `name: state`. */
const states = ({ steps }: Refusal) => steps?.map(({ name, state }) => `${name}: ${state}`);

/** Calls when a step begins, once. */
async function at<Result>(step: string, act: () => void, during: () => Promise<Result>): Promise<Result> {
  const hear = (message: unknown) => {
    if ((message as { step: string }).step === step) act();
  };
  subscribe('freebsd-capsule:step', hear);
  try {
    return await during();
  } finally {
    unsubscribe('freebsd-capsule:step', hear);
  }
}

const ALL = ['check', 'create', 'configure', 'start', 'seal', 'watch', 'verify', 'release'];

capsuleTest('spawn seals, starts, tells, and takes everything along', async () => {
  const capsule = await sleeping({ require: { attach: { unprivileged: 'enforced', hostRoot: 'evident' } } });
  const { report, jail, process: child } = capsule;
  assert.deepEqual(
    report.steps.map(({ name, state }) => `${name}: ${state}`),
    ALL.map((name) => `${name}: ${name === 'configure' ? 'left' : 'done'}`),
  );
  assert.equal(report.jail?.jid, jail.jid);
  const read = jail.get(
    'children.max',
    'persist',
    'securelevel',
    'enforce_statfs',
    'allow.suser',
    'allow.set_hostname',
  );
  assert.deepEqual(read, {
    'children.max': 0,
    persist: false,
    securelevel: 3,
    enforce_statfs: 2,
    'allow.suser': false,
    'allow.set_hostname': false,
  });
  for (const [name, value] of Object.entries(jail.get())) {
    if (name.startsWith('allow.')) assert.equal(value, false, name);
  }
  assert.match(String(report), /'see' +│ +'open' +│ +'open' +│ +'open' +│ +'open'/);
  assert.equal(JSON.parse(JSON.stringify(capsule)).report.jail.properties.attach.hostRoot.grade, 'evident');
  assert.equal(capsule.intact, true);
  child.kill('SIGTERM');
  assert.equal((await child.exited).signal, 'SIGTERM');
  const events: JailEvent[] = [];
  for await (const event of capsule.tampering({ signal: soon() })) events.push(event);
  assert.deepEqual(events, [{ type: 'remove' }]);
  assert.equal(capsule.intact, false);
  await capsule[Symbol.asyncDispose]();
  capsule.close();
});

capsuleTest('spawn keeps what is allowed, and shows the program as it is to be', async () => {
  await using capsule = await Capsule.spawn('/bin/sh', Shell.ARGUMENTS, {
    jail: { path: '/', 'host.hostname': 'inside' },
    allow: ['allow.raw_sockets', 'allow.suser'],
    securelevel: 1,
    user: 1001,
    group: 1001,
    configure: async (jail) => jail.set({ 'meta.owner': 'test' }),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const read = capsule.jail.get('allow.raw_sockets', 'allow.suser', 'allow.chflags', 'securelevel', 'meta.owner');
  assert.deepEqual(Object.values(read), [true, true, false, 1, 'test']);
  const shell = new Shell(capsule.process);
  assert.match((await shell.run('id -u; id -g; ulimit -c')).output, /^1001\n1001\n0\n/);
  assert.equal((await shell.run('exit 3')).status, 3);
});

kernelTest(
  'capsule: what is inside has its own session, no core files, no privileges to gain, no tracer',
  { needs: [requireJails, requireFreeBSD, requireRelease(15.0)] },
  async () => {
    await using capsule = await sleeping();
    const pid = capsule.process.pid as number;
    const { output } = await runShell(spawn, `ps -o pid= -o sid= -p ${pid}; procstat rlimit ${pid}`);
    assert.match(output, new RegExp(`^ *${pid} +${pid}$`, 'm'));
    assert.match(output, /coredumpsize +0 B +0 B/);
  },
);

kernelTest(
  'capsule: allow.suser lets uid 0 inside raise its hard limits, and nothing else does',
  { needs: [requireJails, requireFreeBSD, requireRelease(15.0)] },
  async () => {
    for (const allow of [[], ['allow.suser']]) {
      await using capsule = await Capsule.spawn('/bin/sh', Shell.ARGUMENTS, {
        jail: { path: '/' },
        allow,
        limits: { nofile: 100 },
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      const { output } = await new Shell(capsule.process).run('ulimit -H -n; ulimit -H -n 200; ulimit -H -n');
      assert.match(output, allow.length === 0 ? /^100\n(.*\n)?100\n/ : /^100\n200\n/, allow.join());
    }
  },
);

capsuleTest('a bar that is not met is told before anything happens', async () => {
  const error = await refusal(sleeping({ require: { attach: 'enforced', see: { unprivileged: 'evident' } } }));
  assert.equal(error.code, 'ERR_INVALID_STATE');
  assert.match(error.message, /attach against hostRoot is to be 'enforced' and is 'evident'/);
  assert.match(error.message, /see against unprivileged is to be 'evident' and is 'open'/);
  assert.match(error.message, /stopped at 'check'; nothing was changed/);
  assert.equal(error.shortfalls?.length, 2);
  assert.deepEqual(states(error), ['check: failed', ...ALL.slice(1).map((name) => `${name}: not begun`)]);
});

capsuleTest('an end of the jail is told also when the caller closes its descriptor', async () => {
  const capsule = await sleeping();
  capsule.jail.close();
  const events: JailEvent[] = [];
  for await (const event of capsule.tampering({ signal: soon() })) events.push(event);
  assert.deepEqual(events, [{ type: 'remove' }]);
  assert.equal(capsule.intact, false);
  await capsule[Symbol.asyncDispose]();
});

capsuleTest('a signal that has aborted stops the first step', async () => {
  const error = await refusal(sleeping({ signal: AbortSignal.abort() }));
  assert.equal(error.name, 'AbortError');
  assert.equal(states(error)?.[0], 'check: failed');
});

capsuleTest('an address, or a TCP socket, opens outlive against who is inside', async () => {
  const shortfall = /outlive against inside is to be 'enforced' and is 'open'/;
  const bar = { require: { outlive: { inside: 'enforced' } } } as const;
  await assert.rejects(sleeping({ jail: { path: '/', ip4: 'inherit' }, ...bar }), shortfall);
  await assert.rejects(sleeping({ jail: { path: '/', 'ip4.addr': ['127.0.0.1'] }, ...bar }), shortfall);
  const configure = (jail: JailDescriptor) => jail.set({ 'ip4.addr': ['127.0.0.1'] });
  await assert.rejects(sleeping({ ...bar, configure }), shortfall);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    await assert.rejects(sleeping({ ...bar, stdio: [{ fd }, 'ignore', 'ignore'] }), shortfall);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

capsuleTest('require holds grades against what is asked for', async () => {
  await using capsule = await sleeping();
  capsule.require({});
  capsule.require({ outlive: { inside: 'enforced', hostRoot: 'open' }, weaken: 'evident' });
  assert.throws(() => capsule.require({ debug: 'enforced' }), {
    code: 'ERR_INVALID_STATE',
    message: /debug against hostRoot/,
  });
  assert.throws(() => capsule.require({ atach: 'enforced' } as never), { code: 'ERR_INVALID_ARG_VALUE' });
  assert.throws(() => capsule.require({ attach: { root: 'open' } } as never), { code: 'ERR_INVALID_ARG_VALUE' });
  assert.throws(() => capsule.require({ attach: 'high' } as never), { code: 'ERR_INVALID_ARG_VALUE' });
  assert.throws(() => capsule.require(undefined as never), { code: 'ERR_INVALID_ARG_TYPE' });
});

capsuleTest('System V IPC: a jail keeps its own, and the rest goes where the permission goes', async () => {
  const names = ['sysvmsg', 'sysvsem', 'sysvshm'] as const;
  const shared = (parameters: Readonly<Record<string, unknown>> | undefined) => names.map((name) => parameters?.[name]);
  const start: [Partial<CapsuleSpawnOptions>, readonly string[]][] = [
    [{}, ['disable', 'disable', 'disable']],
    [{ jail: { path: '/', sysvshm: 'new', sysvsem: 'inherit' } }, ['disable', 'inherit', 'new']],
    [{ configure: (jail) => jail.set({ sysvmsg: 'new' }) }, ['new', 'disable', 'disable']],
    [{ allow: ['allow.sysvipc'] }, ['inherit', 'inherit', 'inherit']],
    [
      { allow: ['allow.sysvipc'], jail: { path: '/', sysvshm: 'disable', sysvmsg: 'new' } },
      ['new', 'inherit', 'disable'],
    ],
  ];
  for (const [options, expected] of start) {
    await using capsule = await sleeping(options);
    assert.deepEqual(shared(capsule.jail.get(...names)), expected, JSON.stringify(options));
    assert.deepEqual(shared(capsule.report.jail?.parameters), expected, JSON.stringify(options));
  }

  const running: [JailParameters, readonly string[], readonly string[]][] = [
    [{ sysvshm: 'new', sysvsem: 'inherit' }, [], ['disable', 'inherit', 'new']],
    [{ sysvshm: 'new', 'allow.sysvipc': true }, [], ['disable', 'disable', 'new']],
    [{ sysvshm: 'new', 'allow.sysvipc': true, sysvmsg: 'disable' }, ['allow.sysvipc'], ['disable', 'inherit', 'new']],
    [{ sysvshm: 'new' }, ['allow.sysvipc'], ['inherit', 'inherit', 'new']],
  ];
  for (const [parameters, allow, expected] of running) {
    await using jail = tempJail({ path: '/', ...parameters });
    using program = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore', session: true });
    const before = jail.get();
    const plain = Jail.get(jail.jid);
    const theirs = expected[0] === 'inherit' ? 'disable' : 'inherit';
    const failed = await refusal(
      at(
        'verify',
        () => plain.set({ sysvmsg: theirs }),
        () => plain.seal({ allow }),
      ),
    );
    assert.match(failed.message, new RegExp(`sysvmsg is ${theirs} and was to be ${expected[0]}`));
    assert.match(failed.message, /of jail \d+ every parameter that the seal sets is as it was$/);
    assert.deepEqual(jail.get(), before);
    using capsule = await plain.seal({ allow });
    assert.deepEqual(shared(jail.get(...names)), expected, JSON.stringify([parameters, allow]));
    assert.equal(capsule.intact, true);
    program.close();
  }
});

capsuleTest('a descriptor that becomes another file before the start is looked at again', async () => {
  let fd = openSync('/etc/passwd', 'r');
  const swap = () => {
    closeSync(fd);
    const other = openSync('/etc', 'r');
    assert.equal(other, fd);
    fd = other;
  };
  try {
    const error = await refusal(sleeping({ descriptors: { 3: fd }, configure: swap }));
    assert.equal(error.code, 'ERR_INVALID_ARG_VALUE');
    assert.match(error.message, /options\.descriptors\[3\].* leads out of the capsule.*\nThe seal stopped at 'start'/);
  } finally {
    closeSync(fd);
  }
});

capsuleTest('arguments: what a capsule sets itself, and what would lead out of it', async () => {
  const etc = openSync('/etc', 'r');
  using stranger = spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  await using other = tempJail({ path: '/' });
  try {
    const wrong: [Record<string, unknown>, string][] = [
      [{ jail: { path: '/', 'allow.mount': true } }, 'ERR_INVALID_ARG_VALUE'],
      [{ jail: { path: '/', persist: true } }, 'ERR_INVALID_ARG_VALUE'],
      [{ jail: { path: '/', securelevel: 3 } }, 'ERR_INVALID_ARG_VALUE'],
      [{ jail: { path: '/', 'children.max': 2 } }, 'ERR_INVALID_ARG_VALUE'],
      [{ jail: { path: '/', nosuch: 2 } }, 'ERR_INVALID_ARG_VALUE'],
      [{ jail: undefined }, 'ERR_INVALID_ARG_TYPE'],
      [{ allow: ['raw_sockets'] }, 'ERR_INVALID_ARG_VALUE'],
      [{ allow: 'allow.mount' }, 'ERR_INVALID_ARG_TYPE'],
      [{ allow: [3] }, 'ERR_INVALID_ARG_TYPE'],
      [{ securelevel: 4 }, 'ERR_OUT_OF_RANGE'],
      [{ securelevel: '3' }, 'ERR_INVALID_ARG_TYPE'],
      [{ require: { nosuch: 'open' } }, 'ERR_INVALID_ARG_VALUE'],
      [{ configure: true }, 'ERR_INVALID_ARG_TYPE'],
      [{ daemon: true }, 'ERR_INVALID_ARG_VALUE'],
      [{ session: false }, 'ERR_INVALID_ARG_VALUE'],
      [{ noNewPrivileges: false }, 'ERR_INVALID_ARG_VALUE'],
      [{ limits: { core: 5 } }, 'ERR_INVALID_ARG_VALUE'],
      [{ nosuch: 1 }, 'ERR_INVALID_ARG_VALUE'],
      [{ descriptors: { 3: etc } }, 'ERR_INVALID_ARG_VALUE'],
      [{ descriptors: { 3: other } }, 'ERR_INVALID_ARG_VALUE'],
      [{ descriptors: { 3: stranger } }, 'ERR_INVALID_ARG_VALUE'],
      [{ stdio: [other, 'ignore', 'ignore'] }, 'ERR_INVALID_ARG_VALUE'],
      [{ cwd: { fd: etc } }, 'ERR_INVALID_ARG_VALUE'],
    ];
    for (const [options, code] of wrong) {
      const error = await refusal(sleeping(options as never));
      assert.equal(error.code, code, `${JSON.stringify(Object.keys(options))}: ${error.message}`);
      assert.deepEqual(states(error)?.[0], 'check: failed');
    }
    assert.equal((await refusal(Capsule.spawn('/bin/sleep', [], null as never))).code, 'ERR_INVALID_ARG_TYPE');
  } finally {
    closeSync(etc);
  }
});

capsuleTest('a program that cannot be executed leaves nothing', async () => {
  const error = await refusal(Capsule.spawn('/nonexistent', [], { jail: { path: '/' } }));
  assert.equal(error.code, 'ENOENT');
  assert.equal(error.syscall, 'execve');
  assert.match(error.message, /stopped at 'release'; its jail \d+ and its process are gone/);
  assert.deepEqual(states(error)?.at(-1), 'release: failed');
});

capsuleTest('a parameter that the kernel refuses leaves nothing', async () => {
  const missing = await refusal(sleeping({ jail: { path: '/nonexistent' } }));
  assert.equal(missing.code, 'ENOENT');
  await using taken = tempJail({ path: '/' });
  const error = await refusal(sleeping({ jail: { path: '/', name: taken.get('name').name } }));
  assert.equal(error.code, 'EEXIST');
  assert.match(error.message, /stopped at 'create'; nothing was changed/);
});

capsuleTest('configure: its error, and a process that it leaves, end the seal', async () => {
  const mine = new RangeError('mine');
  const thrown = await refusal(
    sleeping({
      configure() {
        throw mine;
      },
    }),
  );
  assert.equal(thrown, mine);
  assert.match(thrown.message, /^mine\nThe seal stopped at 'configure'; its jail \d+ and its process are gone$/);
  let left: { close(): void } | undefined;
  const error = await refusal(
    sleeping({
      configure(jail) {
        left = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
      },
    }),
  );
  left?.close();
  assert.match(error.message, /left processes in the jail, which a capsule does not hold: \d+/);
});

/** What closes a jail's descriptor behind the back of whoever seals it, and says what has its number then. */
const CLOSINGS: [
  string,
  (jail: JailDescriptor, other: JailDescriptor) => { fd: number; close: () => void } | undefined,
][] = [
  ['close()', (jail) => void jail.close()],
  ['closeSync()', (jail) => void closeSync(jail.fd)],
  [
    'a file in its place',
    ({ fd }) => {
      closeSync(fd);
      const file = openSync('/dev/null', 'r');
      return { fd: file, close: () => closeSync(file) };
    },
  ],
  [
    'another jail in its place',
    ({ fd }, { jid }) => {
      closeSync(fd);
      return Jail.get(jid).open();
    },
  ],
];

for (const [name, closing] of CLOSINGS) {
  for (const throws of [false, true]) {
    const called = `${name}${throws ? ', and an error' : ''}`;
    capsuleTest(`configure that closes the jail's descriptor is told so: ${called}`, async () => {
      await using other = tempJail({ path: '/', 'allow.chflags': true });
      using program = other.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
      const before = other.get();
      let former = -1;
      let replaced: ReturnType<typeof closing>;
      const configure = (jail: JailDescriptor) => {
        former = jail.fd;
        replaced = closing(jail, other);
        if (throws) throw new RangeError('mine');
      };
      const check = (error: Refusal, outcome: RegExp) => {
        const said = throws
          ? /^mine\n/
          : /^options.configure closed the descriptor of jail \d+, which has to stay open/;
        assert.match(error.message, said);
        assert.match(error.message, outcome);
        assert.equal(error.steps?.find(({ state }) => state === 'failed')?.name, 'configure');
        if (replaced === undefined) return;
        // What has the number now is as it was.
        assert.equal(replaced.fd, former);
        const { kind, jid } = listDescriptors().find(({ fd }) => fd === former) ?? {};
        assert.deepEqual([kind, jid], 'jid' in replaced ? ['jail', other.jid] : ['device', undefined]);
        replaced.close();
      };
      check(await refusal(sleeping({ configure })), /stopped at 'configure'; its jail \d+ and its process are gone$/);

      const running = Jail.create({ path: '/' });
      using inside = running.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
      const parameters = running.get();
      const descriptor = running.open();
      check(await refusal(descriptor.seal({ configure })), /stopped at 'configure'; nothing was changed$/);
      assert.deepEqual(running.get(), parameters);
      running.remove();
      await inside.exited;
      await running.removed();

      assert.deepEqual(other.get(), before);
      program.close();
    });
  }
}

capsuleTest("a jail's descriptor seals no other jail that has got the number", async () => {
  const first = Jail.create({ path: '/' });
  using descriptor = first.open();
  first.remove();
  await first.removed();
  const second = Jail.create({ jid: first.jid, path: '/', 'allow.chflags': true });
  using program = second.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  const before = second.get();
  const error = await refusal(descriptor.seal());
  assert.equal(error.code, 'ENOENT');
  assert.match(error.message, /stopped at 'check'; nothing was changed$/);
  assert.deepEqual(second.get(), before);
  second.remove();
  await program.exited;
  await second.removed();
});

capsuleTest('an attack while the seal is under way ends it', async () => {
  const attacks: [step: string, attack: (jail: Jail) => void, message: RegExp][] = [
    ['seal', (jail) => jail.remove(), /./],
    ['watch', (jail) => jail.remove(), /./],
    ['verify', (jail) => jail.remove(), /./],
    ['watch', (jail) => jail.set({ 'allow.chflags': true }), /allow.chflags is true and was to be false/],
    ['watch', (jail) => jail.set({ 'host.hostname': 'theirs' }), /tampered with while it was sealed: host.hostname/],
    ['verify', (jail) => jail.set({ securelevel: 0 }), /securelevel is 0 and was to be 3/],
    ['verify', (jail) => jail.set({ persist: true }), /persist is true and was to be false/],
    ['release', (jail) => jail.remove(), /./],
  ];
  for (const [step, attack, message] of attacks) {
    const known = jids();
    const run = () =>
      at(
        step,
        () => attack(Jail.list().find(({ jid }) => !known.includes(jid)) as Jail),
        () => sleeping(),
      );
    const error = await refusal(run());
    assert.match(error.message, message, step);
    assert.match(error.message, /The seal stopped at '\w+'; its jail \d+ and its process are gone/, step);
  }
});

capsuleTest('a process that attaches while the seal is under way ends it', async () => {
  for (const step of ['seal', 'watch', 'verify']) {
    const known = jids();
    let stranger: { close(): void } | undefined;
    const attach = () => {
      const jail = Jail.list().find(({ jid }) => !known.includes(jid)) as Jail;
      stranger = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
    };
    const error = await refusal(at(step, attach, () => sleeping()));
    stranger?.close();
    assert.match(error.message, /Another process attached|was to have the process|tampered with/, step);
  }
});

capsuleTest('the child that is killed while it is held ends the seal', async () => {
  for (const step of ['seal', 'verify', 'release']) {
    const abort = new AbortController();
    const kill = () => abort.abort();
    const outcome = await at(step, kill, () => sleeping({ signal: abort.signal })).catch((error: Error) => error);
    if (outcome instanceof Error) assert.match(outcome.message, /are gone$/, `${step}: ${outcome.message}`);
    else {
      // The signal was faster than execve(2), or came right after it.
      assert.equal((await outcome.process.exited).signal, 'SIGTERM');
      await outcome[Symbol.asyncDispose]();
    }
  }
});

capsuleTest('every event since the seal is told, to whoever asks and when', async () => {
  await using capsule = await sleeping();
  const jail = Jail.get(capsule.jail.jid);
  jail.set({ 'allow.chflags': true });
  const first = capsule.tampering({ signal: soon() });
  assert.deepEqual(await first.next(), { done: false, value: { type: 'set' } });
  assert.equal(capsule.intact, false);
  const stranger = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  assert.deepEqual(await first.next(), { done: false, value: { type: 'attach', pid: stranger.pid, coalesced: false } });
  const second = capsule.tampering();
  assert.deepEqual(await second.next(), { done: false, value: { type: 'set' } });
  stranger.close();
  await assert.rejects(
    async () => {
      for await (const _ of capsule.tampering({ signal: AbortSignal.timeout(50) }));
    },
    { name: 'TimeoutError' },
  );
  capsule.close();
  assert.deepEqual(await first.next(), { done: true, value: undefined });
});

capsuleTest('who leaves while he waits for the next event is let go at once', async () => {
  await using capsule = await sleeping();
  const events = capsule.tampering();
  const pending = events.next();
  assert.deepEqual(await events.return?.(), { done: true, value: undefined });
  assert.deepEqual(await pending, { done: true, value: undefined });
  assert.deepEqual(await events.next(), { done: true, value: undefined });
  assert.equal(capsule.intact, true);
  // The others go on.
  Jail.get(capsule.jail.jid).set({ 'allow.chflags': true });
  assert.deepEqual((await capsule.tampering({ signal: soon() }).next()).value, { type: 'set' });
});

capsuleTest('who has left keeps the program no longer', async () => {
  const program = `
    import(${JSON.stringify(import.meta.resolve('freebsd-capsule'))}).then(async ({ Jail }) => {
      const jail = Jail.create({ path: '/' }, { owned: true });
      jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore', session: true }).unref();
      const capsule = await jail.seal();
      for (const events of [capsule.tampering(), jail.watch()]) {
        const pending = events.next();
        await events.return();
        console.log((await pending).done);
      }
      // Not yet garbage.
      process.on('exit', () => console.log(capsule.intact, jail.jid > 0));
    });`;
  // It would go on until it is killed.
  const signal = AbortSignal.timeout(60_000);
  using child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'], signal });
  assert.equal(await text(child.stdout), 'true\ntrue\ntrue true\n');
  assert.equal((await child.exited).code, 0);
});

capsuleTest('a jail is sealed while it runs, and what it was comes back when that fails', async () => {
  await using jail = tempJail({ path: '/', 'allow.chflags': true, 'children.max': 2 });
  using program = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore', session: true });
  const before = jail.get();
  const plain = Jail.get(jail.jid);
  const failed = await refusal(
    at(
      'verify',
      () => plain.set({ 'allow.raw_sockets': true }),
      () => plain.seal(),
    ),
  );
  assert.match(failed.message, /allow.raw_sockets is true and was to be false/);
  assert.match(failed.message, /stopped at 'verify'; of jail \d+ every parameter that the seal sets is as it was$/);
  assert.deepEqual(states(failed), ['check: done', 'configure: left', 'seal: done', 'watch: done', 'verify: failed']);
  assert.deepEqual(jail.get(), before);

  const bar = await refusal(plain.seal({ require: { debug: 'enforced' } }));
  assert.match(bar.message, /nothing was changed$/);
  assert.deepEqual(jail.get(), before);

  const order: string[] = [];
  using capsule = await plain.seal({
    allow: ['allow.suser'],
    configure: (given) => {
      assert.equal(given, plain);
      order.push('configure');
    },
  });
  assert.deepEqual(order, ['configure']);
  const { persist, securelevel } = jail.get('persist', 'securelevel');
  assert.deepEqual([persist, securelevel, capsule.intact], [false, 3, true]);
  const grades = capsule.report.jail?.properties;
  assert.equal(grades?.signal.unprivileged.grade, 'enforced');
  assert.equal(grades?.outlive.inside.grade, 'open');

  const twice = await refusal(plain.seal());
  assert.equal(twice.code, 'ERR_INVALID_STATE');
  assert.match(twice.message, /sealed by this program already/);
  assert.equal((await refusal(jail.seal())).code, 'ERR_INVALID_STATE');
  assert.equal(capsule.intact, true);

  plain.set({ 'allow.chflags': true });
  assert.deepEqual((await capsule.tampering({ signal: soon() }).next()).value, { type: 'set' });
  capsule.close();
  program.kill('SIGKILL');
  await program.exited;
});

capsuleTest('what happens to a running jail between its seal and the watch is not missed', async () => {
  await using jail = tempJail({ path: '/' });
  using program = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  const plain = Jail.get(jail.jid);
  const before = jail.get();
  const failed = await refusal(
    at(
      'watch',
      () => plain.set({ 'host.hostname': 'theirs' }),
      () => plain.seal(),
    ),
  );
  assert.match(failed.message, /tampered with while it was sealed: host.hostname changed/);
  plain.set({ 'host.hostname': before['host.hostname'] as string });
  assert.deepEqual(jail.get(), before);

  let stranger: ReturnType<typeof spawn> | undefined;
  const attach = () => {
    stranger = plain.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  };
  const attached = await refusal(at('watch', attach, () => plain.seal()));
  assert.match(attached.message, /tampered with while it was sealed: attach/);
  assert.deepEqual(jail.get(), before);
  stranger?.close();
  program.close();
});

capsuleTest('a jail is not sealed that has no process, has jails, is dying or gone', async () => {
  await using jail = tempJail({ path: '/', 'children.max': 2 });
  const before = jail.get();
  const empty = await refusal(jail.seal());
  assert.match(empty.message, /has no process/);
  assert.match(empty.message, /stopped at 'seal'; nothing was changed$/);
  assert.deepEqual(jail.get(), before);
  using program = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  const child = jail.create({ path: '/' }, { owned: true });
  assert.match((await refusal(jail.seal())).message, /has jails in it/);
  await child[Symbol.asyncDispose]();
  program.close();
  const plain = Jail.get(jail.jid);
  jail.remove();
  const gone = await refusal(plain.seal());
  assert.equal(gone.code, 'ENOENT');
  assert.match(gone.message, /stopped at 'check'; nothing was changed$/);
});

capsuleTest('two seals of one jail at once: one of them wins', async () => {
  await using jail = tempJail({ path: '/' });
  using program = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  const outcomes = await Promise.allSettled([jail.seal(), jail.seal()]);
  assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  for (const outcome of outcomes) if (outcome.status === 'fulfilled') outcome.value.close();
  program.close();
});

capsuleTest('who has stopped to watch is told nothing, not even that nothing happened', async () => {
  const capsule = await sleeping();
  assert.equal(capsule.intact, true);
  await capsule[Symbol.asyncDispose]();
  assert.equal(capsule.intact, undefined);
});

capsuleTest('a capsule without a jail is not graded and not watched', async () => {
  const { result, error } = await childOutcome(async ({ seal }) => {
    const capsule = await seal();
    const codes = [() => capsule.require({}), () => capsule.tampering()].map((call) => {
      try {
        call();
        return 'no error';
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    });
    return { codes, intact: capsule.intact === undefined };
  });
  assert.equal(error, undefined);
  assert.deepEqual(result, { codes: ['ERR_INVALID_STATE', 'ERR_INVALID_STATE'], intact: true });
});

capsuleTest(
  'without descriptors to spare: an error, and nothing is left',
  async () => {
    // Each seal has one descriptor more than the one before, until it succeeds.
    const outcome = await childOutcome(
      async ({ Capsule, Jail }) => {
        const { closeSync, openSync } = process.getBuiltinModule('node:fs');
        const options = { jail: { path: '/' }, stdio: 'ignore' } as const;
        await (await Capsule.spawn('/bin/sleep', ['600'], options))[Symbol.asyncDispose]();
        const held: number[] = [];
        try {
          for (;;) held.push(openSync('/dev/null', 'r'));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
        }
        const failures: string[] = [];
        for (;;) {
          try {
            const capsule = await Capsule.spawn('/bin/sleep', ['600'], options);
            await capsule[Symbol.asyncDispose]();
            break;
          } catch (error) {
            const { code, steps } = error as NodeJS.ErrnoException & { steps: { name: string; state: string }[] };
            failures.push(
              `${code} ${steps.find(({ state }) => state === 'failed')?.name} ${Jail.list({ dying: true }).length}`,
            );
            closeSync(held.pop() as number);
          }
        }
        return failures;
      },
      // Few descriptors, so that they run out soon.
      { timeoutMs: 120_000, runtime: '/bin/sh', execArgv: ['-c', 'ulimit -n 128; exec "$0" "$@"', process.execPath] },
    );
    assert.equal(outcome.error, undefined);
    const failures = outcome.result ?? [];
    assert.ok(failures.length > 1, failures.join());
    const others = jids().length;
    for (const failure of failures)
      assert.match(
        failure,
        new RegExp(`^(EMFILE|ENFILE) (check|create|start) ${kernel.kind === 'freebsd' ? others : 0}$`),
        failures.join(),
      );
  },
  { timeoutMs: 240_000 },
);

capsuleTest(
  'Jail#seal without descriptors to spare: an error with its steps, and the jail is as it was',
  async () => {
    const outcome = await childOutcome(
      async ({ Jail, listDescriptors }) => {
        const { closeSync, openSync } = process.getBuiltinModule('node:fs');
        const jail = Jail.create({ path: '/', 'allow.chflags': true });
        const program = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore', session: true });
        const { isDeepStrictEqual } = process.getBuiltinModule('node:util');
        const theirs = () => listDescriptors().filter(({ owner }) => owner !== 'runtime').length;
        const before = jail.get();
        const held: number[] = [];
        try {
          for (;;) held.push(openSync('/dev/null', 'r'));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
        }
        const failures: string[] = [];
        try {
          for (;;) {
            const open = theirs();
            try {
              (await jail.seal()).close();
              break;
            } catch (error) {
              const { code, steps = [] } = error as NodeJS.ErrnoException & {
                steps?: { name: string; state: string }[];
              };
              const states = steps.map(({ name, state }) => `${name} ${state}`).join();
              const same = isDeepStrictEqual(jail.get(), before) && theirs() === open;
              failures.push(`${code} ${states} ${same ? 'as it was' : 'NOT as it was'}`);
              closeSync(held.pop() as number);
            }
          }
          return { failures, sealed: jail.get('securelevel').securelevel };
        } finally {
          jail.remove();
          program.close();
        }
      },
      { timeoutMs: 120_000, runtime: '/bin/sh', execArgv: ['-c', 'ulimit -n 128; exec "$0" "$@"', process.execPath] },
    );
    assert.equal(outcome.error, undefined, JSON.stringify(outcome.error));
    const { failures = [], sealed } = outcome.result ?? {};
    assert.equal(sealed, 3);
    assert.ok(failures.length > 0);
    const steps = 'configure (left|not begun),seal (failed|not begun),watch not begun,verify not begun';
    for (const failure of failures) {
      assert.match(
        failure,
        new RegExp(`^(EMFILE|ENFILE) check (done|failed),${steps} as it was$`),
        failures.join('\n'),
      );
    }
  },
  { timeoutMs: 240_000 },
);

kernelTest(
  'capsule: a supervisor that is killed at any step leaves no jail and no process',
  { needs: [requireJails, requireFreeBSD, requireRelease(15.0)], timeoutMs: 300_000 },
  async () => {
    const moments = [
      ...[...ALL.filter((step) => step !== 'check'), 'end'].map((killAt) => ['Capsule.spawn', killAt] as const),
      ...['check', 'seal', 'watch', 'verify', 'end'].map((killAt) => ['JailDescriptor#seal', killAt] as const),
    ];
    for (const [way, killAt] of moments) {
      const before = jids();
      const order: SupervisorOrder = { way, command: 'exec sleep 7654', options: { jail: { path: '/' } }, killAt };
      const child = spawn(process.execPath, [compiled('test/support/capsule-supervisor.js'), JSON.stringify(order)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      const lines = new LineReader<SupervisorLine>(child);
      const seen: SupervisorLine[] = [];
      for (let line = await lines.next(); line !== undefined; line = await lines.next()) seen.push(line);
      assert.equal((await child.exited).signal, 'SIGKILL', `${way}, ${killAt}: ${JSON.stringify(seen)}`);
      child.close();
      const left = () => jids().filter((jid) => !before.includes(jid));
      for (let attempt = 0; attempt < 300 && left().length > 0; attempt++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert.deepEqual(left(), [], `${way}, ${killAt}`);
      using search = spawn('/bin/sh', ['-c', 'pgrep -f "sleep 765[4]"'], { stdio: 'ignore' });
      assert.equal((await search.exited).code, 1, `${way}, ${killAt}: a process is left`);
    }
  },
);
