/** Jails as root sees them: on FreeBSD the machine's own, on the simulated kernel those of the test process. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isJailed, Jail, JailDescriptor, type JailEvent, jailParameters, kernel } from 'freebsd-capsule';
import { tempJail } from 'freebsd-capsule/testing';
import { childOutcome, inChild } from '../support/in-child.ts';
import { type KernelTestOptions, kernelTest } from '../support/kernel-test.ts';
import { requireFreeBSD, requireJails, requireRelease, requireUnprivileged } from '../support/requirements.ts';

const since15 = [requireJails, requireRelease(15.0)];

/** Names of one run, so that what another run left is not in the way. */
const unique = (name: string) => `${name}-${process.pid}-${randomUUID().slice(0, 8)}`;

function errorOf(call: () => unknown): NodeJS.ErrnoException & { jail?: number | string } {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error(`expected an error, got ${String(result)}`);
}

/** Registers a test that leaves no jail behind, whatever happens in it. */
function jailTest(name: string, body: () => void | Promise<void>, options: KernelTestOptions = {}): void {
  kernelTest(`jail: ${name}`, { needs: [requireJails], ...options }, async () => {
    const before = new Set(Jail.list({ dying: true }).map(({ jid }) => jid));
    const fresh = () => Jail.list().filter(({ jid }) => !before.has(jid));
    try {
      await body();
      assert.deepEqual(fresh(), [], 'jails are left');
    } finally {
      for (const jail of fresh().reverse()) {
        try {
          jail.remove();
        } catch {
          // With its parent.
        }
      }
    }
  });
}

const isAlive = (jid: number) => Jail.list().some((jail) => jail.jid === jid);

jailTest('create, look up, list, remove', async () => {
  const name = unique('basic');
  const jail = Jail.create({ name, path: '/' });
  assert.ok(jail.jid > 0);
  assert.equal(jail.name, name);
  assert.equal(Jail.get(name).jid, jail.jid);
  assert.equal(Jail.get(jail.jid).name, name);
  assert.equal(Jail.get(String(jail.jid)).jid, jail.jid);
  assert.deepEqual(
    Jail.list()
      .filter(({ jid }) => jid === jail.jid)
      .map((found) => found.name),
    [name],
  );
  jail.remove();
  await jail.removed();
  assert.equal(isAlive(jail.jid), false);
  assert.equal(errorOf(() => jail.get()).code, 'ENOENT');
  assert.equal(errorOf(() => jail.remove()).code, 'EINVAL');
  assert.equal(errorOf(() => jail.set({ persist: true })).code, 'ENOENT');
  assert.equal(errorOf(() => Jail.get(name)).code, 'ENOENT');
  await jail.removed();
});

jailTest('a jail without a name is called by its number', () => {
  const jail = Jail.create({ path: '/' });
  assert.equal(jail.name, String(jail.jid));
  assert.equal(jail.get('name').name, String(jail.jid));
  jail.remove();
});

jailTest('what is written is what is read, type by type', () => {
  const name = unique('types');
  const values = {
    'host.hostname': 'jail.example',
    'host.domainname': 'ünïcode.example',
    'host.hostid': 2n ** 64n - 2n,
    securelevel: 1,
    'children.max': 7,
    enforce_statfs: 1,
    'allow.raw_sockets': true,
    'allow.set_hostname': false,
    'allow.mount': true,
    'allow.mount.tmpfs': true,
    'allow.mount.devfs': false,
    'ip4.addr': ['192.0.2.200', '192.0.2.3'],
    'ip4.saddrsel': false,
    'ip6.addr': ['2001:db8::8:800:200c:417a', '2001:db8::1'],
    sysvshm: 'new',
    osrelease: '15.0-CAPSULE',
    osreldate: 1500000,
    persist: true,
  } as const;
  const jail = Jail.create({ name, path: '/', ...values });
  try {
    const read = jail.get(...(Object.keys(values) as (keyof typeof values)[]));
    assert.deepEqual(read, values);
    assert.deepEqual(jail.get('parent', 'dying', 'children.cur', 'vnet', 'host'), {
      parent: 0,
      dying: false,
      'children.cur': 0,
      vnet: 'inherit',
      host: 'new',
    });
    const everything = jail.get() as Record<string, unknown>;
    assert.equal(everything.name, name);
    assert.deepEqual(
      Object.keys(everything).sort(),
      jailParameters()
        .map((info) => info.name)
        .sort(),
    );
  } finally {
    jail.remove();
  }
});

jailTest('set changes what it names and nothing else', () => {
  const jail = Jail.create({ name: unique('set'), path: '/', 'ip4.addr': ['192.0.2.1'], 'allow.chflags': true });
  try {
    const before = jail.get() as Record<string, unknown>;
    const name = unique('renamed');
    jail.set({ name, 'allow.chflags': false, 'allow.raw_sockets': true, 'ip4.addr': [], securelevel: undefined });
    const after = jail.get() as Record<string, unknown>;
    const changed = Object.keys(after).filter(
      (key) => JSON.stringify([`${after[key]}`]) !== JSON.stringify([`${before[key]}`]),
    );
    assert.deepEqual(changed.sort(), ['allow.chflags', 'allow.raw_sockets', 'ip4.addr', 'name']);
    assert.deepEqual(jail.get('ip4.addr', 'allow.chflags', 'allow.raw_sockets', 'name'), {
      'ip4.addr': [],
      'allow.chflags': false,
      'allow.raw_sockets': true,
      name,
    });
    assert.equal(jail.name, name);
  } finally {
    jail.remove();
  }
});

jailTest(
  'metadata is a map, and one key at a time',
  () => {
    const jail = Jail.create({ name: unique('meta'), path: '/', meta: { a: '1', b: 'x=y' }, 'env.role': 'web' });
    try {
      assert.deepEqual(jail.get('meta', 'env', 'meta.b', 'meta.none', 'env.role'), {
        meta: { a: '1', b: 'x=y' },
        env: { role: 'web' },
        'meta.b': 'x=y',
        'meta.none': null,
        'env.role': 'web',
      });
      jail.set({ 'meta.a': null, 'meta.c': '', 'meta.b': 'z' });
      assert.deepEqual(jail.get('meta', 'meta.c'), { meta: { b: 'z', c: '' }, 'meta.c': '' });
      const long = 'v'.repeat(3000);
      jail.set({ 'meta.b': long });
      assert.deepEqual(jail.get('meta.b', 'meta.c'), { 'meta.b': long, 'meta.c': '' });
      assert.equal(errorOf(() => jail.set({ 'meta.d': 'w'.repeat(3000), 'host.hostname': 'late' })).code, 'EFBIG');
      // The one change that fails after others were made.
      assert.equal(jail.get('host.hostname')['host.hostname'], 'late');
      jail.set({ meta: {} });
      assert.deepEqual(jail.get('meta'), { meta: {} });
    } finally {
      jail.remove();
    }
  },
  { needs: since15 },
);

jailTest('jails in jails have names with dots, and no more than their parent', async () => {
  const parent = Jail.create({ name: unique('parent'), path: '/', 'children.max': 3, 'allow.raw_sockets': true });
  const child = Jail.create({ name: `${parent.name}.child`, path: '/', 'allow.raw_sockets': true });
  assert.equal(child.get('parent').parent, parent.jid);
  assert.equal(Jail.get(`${parent.name}.child`).jid, child.jid);
  assert.equal(parent.get('children.cur')['children.cur'], 1);
  const refused = (parameters: object) =>
    errorOf(() => Jail.create({ name: `${parent.name}.other`, path: '/', ...parameters })).code;
  assert.equal(refused({ 'allow.chflags': true }), 'EPERM');
  assert.equal(refused({ 'children.max': 3 }), 'EPERM');
  assert.equal(refused({ 'ip4.addr': ['192.0.2.9'] }), 'EPERM');
  parent.set({ 'allow.raw_sockets': false, securelevel: 2 });
  assert.deepEqual(child.get('allow.raw_sockets', 'securelevel'), { 'allow.raw_sockets': false, securelevel: 2 });
  assert.equal(refused({ securelevel: 1 }), 'EPERM');
  const renamed = unique('adopted');
  parent.set({ name: renamed });
  assert.equal(child.get('name').name, `${renamed}.child`);
  assert.equal(errorOf(() => child.set({ name: 'x' })).code, 'ERR_INVALID_ARG_VALUE');
  assert.equal(errorOf(() => parent.set({ name: 'x.y' })).code, 'ERR_INVALID_ARG_VALUE');
  parent.remove();
  await child.removed();
});

jailTest('refusals come with what the kernel says of them', () => {
  const name = unique('twice');
  const jail = Jail.create({ name, path: '/' });
  try {
    const twice = errorOf(() => Jail.create({ name, path: '/' }));
    assert.deepEqual({ ...twice }, { errno: twice.errno, code: 'EEXIST', syscall: 'jail_set', jail: name });
    assert.equal(twice.message, `EEXIST: file exists, jail_set: jail "${name}" already exists`);
    const sameNumber = errorOf(() => Jail.create({ jid: jail.jid, path: '/' }));
    assert.equal(sameNumber.message, `EEXIST: file exists, jail_set: jail ${jail.jid} already exists`);
    const missing = errorOf(() => Jail.get('no-such-jail'));
    assert.equal(missing.message, 'ENOENT: no such file or directory, jail_get: jail "no-such-jail" not found');
    assert.equal(missing.jail, 'no-such-jail');
    const parent = errorOf(() => Jail.create({ name: 'no-such-jail.child', path: '/' }));
    assert.equal(parent.message, 'ENOENT: no such file or directory, jail_set: jail "no-such-jail" not found');
    const long = unique('x').padEnd(255, 'x');
    assert.equal(
      errorOf(() => Jail.create({ name: `${name}.${long}`.slice(0, 256), path: '/' })).code,
      'ERR_INVALID_ARG_VALUE',
    );
    assert.match(errorOf(() => Jail.create({ name: '01', path: '/' })).message, /name cannot be numeric/);
    assert.match(
      errorOf(() => Jail.create({ vnet: 'new', 'ip4.addr': ['192.0.2.1'] })).message,
      /vnet jails cannot have/,
    );
    assert.match(errorOf(() => jail.set({ 'ip4.addr': ['0.0.0.0'] })).message, /^EINVAL: invalid argument, jail_set$/);
  } finally {
    jail.remove();
  }
});

jailTest('a path that is missing or no directory', () => {
  const missing = errorOf(() => Jail.create({ path: '/no/such/place' }));
  assert.equal(missing.code, 'ENOENT');
  assert.equal(missing.path, '/no/such/place');
  assert.equal(missing.message, "ENOENT: no such file or directory, jail_set '/no/such/place'");
  const file = errorOf(() => Jail.create({ path: '/etc/passwd' }));
  assert.equal(file.message, "ENOTDIR: not a directory, jail_set '/etc/passwd'");
});

jailTest('addresses: shared by jails with one each, by no others', () => {
  const one = Jail.create({ path: '/', 'ip4.addr': ['192.0.2.50'] });
  const two = Jail.create({ path: '/', 'ip4.addr': ['192.0.2.50'] });
  const clash = errorOf(() => Jail.create({ path: '/', 'ip4.addr': ['192.0.2.51', '192.0.2.50'] }));
  assert.equal(clash.code, 'EADDRINUSE');
  assert.match(clash.message, /IPv4 addresses clash/);
  two.remove();
  one.remove();
  // Nobody asks whether the machine has it.
  Jail.create({ path: '/', 'ip6.addr': ['2001:db8::dead'] }).remove();
});

jailTest(
  'a jail that dies does not let its number be found, and ends when its last process does',
  async () => {
    const jail = Jail.create({ name: unique('dying'), path: '/' });
    const child = spawn('jexec', [String(jail.jid), '/bin/sh', '-c', 'echo in; sleep 600'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const gone = jail.removed();
    const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    jail.remove();
    assert.equal(isAlive(jail.jid), false);
    // Not yet: this process has not heard of the end of its child.
    const dying = Jail.list({ dying: true }).filter(({ jid }) => jid === jail.jid);
    assert.equal(dying.length, 1);
    assert.match(errorOf(() => jail.get('name')).message, /is dying/);
    assert.equal(await ended, 'SIGKILL');
    await gone;
    assert.equal(
      Jail.list({ dying: true }).some(({ jid }) => jid === jail.jid),
      false,
    );
  },
  { needs: [requireJails, requireFreeBSD] },
);

jailTest(
  'an owned jail goes with its descriptor',
  async () => {
    const owned = Jail.create({ name: unique('owned'), path: '/' }, { owned: true });
    assert.ok(owned instanceof JailDescriptor);
    assert.ok(owned.owned && owned.fd > 2 && isAlive(owned.jid));
    owned.set({ 'allow.raw_sockets': true });
    assert.deepEqual(owned.get('jid', 'allow.raw_sockets'), { jid: owned.jid, 'allow.raw_sockets': true });
    const { fd } = owned;
    await inChild(
      (capsule, number) => {
        const listed = capsule.listDescriptors().find((descriptor) => descriptor.fd === number);
        if (listed?.kind === 'jail') throw new Error('the descriptor survived exec');
      },
      { input: fd },
    );
    owned.close();
    owned.close();
    assert.equal(owned.fd, -1);
    await owned.removed();
    assert.equal(isAlive(owned.jid), false);
    assert.equal(errorOf(() => owned.get()).code, 'ERR_INVALID_ARG_VALUE');
    {
      using scoped = Jail.create({ path: '/' }, { owned: true });
      assert.ok(isAlive(scoped.jid));
    }
  },
  { needs: since15 },
);

jailTest(
  'a plain descriptor closes, and the jail stays',
  () => {
    const jail = Jail.create({ name: unique('plain'), path: '/', 'children.max': 2 });
    {
      using descriptor = jail.open();
      assert.equal(descriptor.jid, jail.jid);
      assert.equal(descriptor.owned, false);
      descriptor.set({ 'host.hostname': 'by.descriptor' });
      using child = descriptor.create({ name: 'below' }, { owned: true });
      assert.equal(Jail.get(`${jail.name}.below`).jid, child.jid);
      assert.equal(child.get('parent').parent, jail.jid);
    }
    assert.equal(jail.get('host.hostname')['host.hostname'], 'by.descriptor');
    assert.equal(jail.get('children.cur')['children.cur'], 0);
    using other = jail.open();
    other.remove();
    const dead = errorOf(() => other.get());
    assert.equal(dead.code, 'ENOENT');
    assert.match(dead.message, /descriptor to dead jail/);
    assert.equal(errorOf(() => other.remove()).code, 'ENOENT');
    assert.equal(errorOf(() => other.attach()).code, 'ENOENT');
  },
  { needs: since15 },
);

jailTest(
  'opening as owner ties a jail that exists',
  async () => {
    const jail = Jail.create({ name: unique('tied'), path: '/' });
    jail.open({ owned: true }).close();
    await jail.removed();
  },
  { needs: since15 },
);

jailTest(
  'a temporary jail is there for its test',
  async () => {
    let jid = 0;
    {
      await using jail = tempJail({ 'allow.mlock': true });
      jid = jail.jid;
      assert.match(jail.get('name').name, /^temporary-/);
    }
    assert.equal(
      Jail.list({ dying: true }).some((jail) => jail.jid === jid),
      false,
    );
  },
  { needs: since15 },
);

jailTest(
  'a process that is killed leaves no owned jail',
  async () => {
    const name = unique('killed');
    const outcome = await childOutcome(
      (capsule, chosen) => {
        const jail = capsule.Jail.create({ name: chosen, path: '/' }, { owned: true });
        console.log(jail.jid);
        process.kill(process.pid, 'SIGKILL');
        return new Promise(() => {});
      },
      { input: name },
    );
    assert.equal(outcome.signal, 'SIGKILL');
    assert.match(outcome.stdout, /^\d+\n$/);
    assert.equal(errorOf(() => Jail.get(name)).code, 'ENOENT');
  },
  { needs: since15 },
);

jailTest(
  'events, by number and by descriptor',
  async () => {
    for (const by of ['number', 'descriptor'] as const) {
      const jail = Jail.create({ name: unique('watched'), path: '/', 'children.max': 5 });
      using descriptor = jail.open();
      const events = by === 'number' ? jail.watch() : descriptor.watch();
      jail.set({ 'allow.raw_sockets': true });
      assert.deepEqual(await events.next(), { done: false, value: { type: 'set' } });
      const child = Jail.create({ name: `${jail.name}.child`, path: '/' });
      assert.deepEqual(await events.next(), {
        done: false,
        value: { type: 'child', jid: child.jid, coalesced: false },
      });
      const attached = inChild(
        (capsule, jid) => {
          const { attach } = capsule.Jail.prototype;
          attach.call(capsule.Jail.get(jid));
          return process.pid;
        },
        { input: jail.jid },
      );
      if (kernel.kind === 'freebsd') {
        const pid = await attached;
        assert.deepEqual(await events.next(), { done: false, value: { type: 'attach', pid, coalesced: false } });
      } else {
        // Every simulated process has a machine of its own.
        await assert.rejects(attached, { code: 'ENOENT' });
      }
      jail.remove();
      const rest: JailEvent[] = [];
      for await (const event of events) rest.push(event);
      assert.deepEqual(rest, [{ type: 'remove' }]);
      assert.deepEqual(await events.next(), { done: true, value: undefined });
      await jail.removed();
    }
  },
  { needs: since15 },
);

jailTest(
  'a watch is of the jail that has the number now, not of the one before',
  async () => {
    const former = Jail.create({ name: unique('former'), path: '/' });
    const { jid } = former;
    const ofFormer = former.watch();
    former.remove();
    const next = Jail.create({ jid, name: unique('next'), path: '/' });
    const ofNext = next.watch();
    assert.deepEqual(await ofFormer.next(), { done: false, value: { type: 'remove' } });
    next.set({ 'allow.mlock': true });
    assert.deepEqual(await ofNext.next(), { done: false, value: { type: 'set' } });
    next.remove();
    assert.deepEqual(await ofNext.next(), { done: false, value: { type: 'remove' } });
    assert.deepEqual(await ofNext.next(), { done: true, value: undefined });
    assert.deepEqual(await ofFormer.next(), { done: true, value: undefined });
  },
  { needs: since15 },
);

jailTest(
  'a second watch is not told what was before it',
  async () => {
    const jail = Jail.create({ name: unique('twice'), path: '/', 'children.max': 5 });
    const first = jail.watch();
    jail.set({ 'allow.mlock': true });
    const second = jail.watch();
    jail.remove();
    const told = [];
    for (const events of [first, second]) for await (const { type } of events) told.push(type);
    assert.deepEqual(told, ['set', 'remove', 'remove']);
  },
  { needs: since15 },
);

jailTest(
  'an owned jail goes with the worker that made it',
  async () => {
    const name = unique('of-worker');
    const [before, after] = await inChild(
      async (capsule, chosen) => {
        const { Worker } = process.getBuiltinModule('node:worker_threads');
        const program = `
          const { parentPort, workerData } = require('node:worker_threads');
          import('freebsd-capsule').then(({ Jail }) => {
            globalThis.jail = Jail.create({ name: workerData, path: '/' }, { owned: true });
            parentPort.postMessage(jail.jid);
            parentPort.on('message', () => {});
          });`;
        const worker = new Worker(program, { eval: true, workerData: chosen });
        await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        const find = () => capsule.Jail.list().some((jail) => jail.name === chosen);
        const found = find();
        await worker.terminate();
        return [found, find()];
      },
      { input: name },
    );
    assert.deepEqual([before, after], [true, false]);
  },
  { needs: since15 },
);

jailTest(
  'more metadata than a jail may have makes no half of one',
  () => {
    const name = unique('too-much');
    const meta = { a: 'x'.repeat(3000) };
    const before = Jail.list({ dying: true }).length;
    const refusal = errorOf(() => Jail.create({ name, path: '/', meta, 'meta.b': 'y'.repeat(3000) }));
    assert.equal(refusal.code, 'ERR_INVALID_ARG_VALUE');
    assert.match(refusal.message, /'meta' longer than 4095 bytes: 6005/);
    assert.equal(Jail.list({ dying: true }).length, before);
    // All that fits: a=…, newline, b=…, null.
    const jail = Jail.create({ name, path: '/', meta, 'meta.b': 'y'.repeat(4096 - 3003 - 3) });
    try {
      assert.deepEqual(jail.get('meta').meta.b?.length, 4096 - 3003 - 3);
    } finally {
      jail.remove();
    }
  },
  { needs: since15 },
);

jailTest(
  'limits that an administrator changed: long values are written and read, alone and with all others',
  () => {
    const sysctl = (setting: string) => execFileSync('/sbin/sysctl', [setting], { encoding: 'utf8' });
    const addresses = Array.from({ length: 2000 }, (_, i) => `2001:db8::${(i + 1).toString(16)}`);
    sysctl('security.jail.jail_max_af_ips=2000');
    sysctl('security.jail.meta_maxbufsize=20000');
    const jail = Jail.create({ name: unique('long'), path: '/', 'ip6.addr': addresses, meta: { a: 'x'.repeat(9000) } });
    try {
      assert.deepEqual(jail.get('ip6.addr')['ip6.addr'], addresses);
      const { meta, 'ip6.addr': read } = jail.get();
      assert.deepEqual(read, addresses);
      assert.equal(meta.a?.length, 9000);
      sysctl('security.jail.meta_maxbufsize=8000');
      assert.equal(jail.get('meta').meta.a?.length, 9000);
      const refusal = errorOf(() => Jail.create({ path: '/', meta: { a: 'x'.repeat(9000) } }));
      assert.equal(refusal.code, 'ERR_INVALID_ARG_VALUE');
      assert.match(refusal.message, /7999 bytes/);
    } finally {
      sysctl('security.jail.meta_maxbufsize=4096');
      sysctl('security.jail.jail_max_af_ips=255');
      jail.remove();
    }
  },
  { needs: [...since15, requireFreeBSD] },
);

jailTest(
  'children that come together are told as such',
  async () => {
    const jail = Jail.create({ name: unique('many'), path: '/', 'children.max': 5 });
    const events = jail.watch();
    // One report until it is read, and nothing here lets the event thread's reach this one.
    for (const name of ['a', 'b', 'c']) Jail.create({ name: `${jail.name}.${name}`, path: '/' });
    jail.remove();
    const told: JailEvent[] = [];
    for await (const event of events) told.push(event);
    const children = told.filter((event) => event.type === 'child');
    assert.ok(children.length >= 1 && children.length <= 3, JSON.stringify(told));
    for (const event of children) assert.equal(event.coalesced, event.jid === undefined);
    assert.equal(told.at(-1)?.type, 'remove');
    await jail.removed();
  },
  { needs: since15 },
);

jailTest(
  'a watch ends by its signal, by leaving the loop, and is refused for a jail that is gone',
  async () => {
    const jail = Jail.create({ name: unique('signal'), path: '/' });
    const controller = new AbortController();
    const events = jail.watch({ signal: controller.signal });
    const next = events.next();
    controller.abort(new Error('enough'));
    await assert.rejects(next, { message: 'enough' });
    assert.deepEqual(await events.next(), { done: true, value: undefined });
    assert.throws(() => jail.watch({ signal: AbortSignal.abort(new Error('before')) }), { message: 'before' });
    jail.set({ persist: true });
    const others = jail.watch();
    jail.set({ persist: true });
    for await (const event of others) {
      assert.equal(event.type, 'set');
      break;
    }
    assert.deepEqual(await others.next(), { done: true, value: undefined });
    const removal = jail.removed({ signal: AbortSignal.timeout(50) });
    await assert.rejects(removal, { name: 'TimeoutError' });
    jail.remove();
    await jail.removed();
    const refusal = errorOf(() => jail.watch());
    assert.equal(refusal.code, 'ENOENT');
    assert.equal(refusal.jail, jail.jid);
  },
  { needs: since15 },
);

/** Attaches in a child, which is where it can be done; answers what the process then is. */
const attachInChild = (options: { directory?: boolean; by: 'number' | 'descriptor'; inside?: boolean }) =>
  inChild(
    async (capsule, { directory, by }) => {
      const fs = process.getBuiltinModule('node:fs');
      const jail = capsule.Jail.create({ name: `attach-${process.pid}`, path: '/', 'children.max': 0 });
      const descriptor = by === 'descriptor' ? jail.open() : undefined;
      const fd = directory === true ? fs.openSync('/tmp', 'r') : -1;
      const events = by === 'descriptor' || capsule.kernel.osreldate < 1500000 ? undefined : jail.watch();
      const refusal = (call: () => unknown) => {
        try {
          call();
          return undefined;
        } catch (error) {
          const { code, message, syscall, jail: about } = error as NodeJS.ErrnoException & { jail?: number };
          return { code, message, syscall, about: about === jail.jid };
        }
      };
      try {
        process.chdir('/tmp');
        const refused = refusal(() => (descriptor ?? jail).attach());
        if (refused !== undefined) {
          const unchanged = !capsule.isJailed() && process.cwd() !== '/';
          fs.closeSync(fd);
          jail.remove();
          return { refused, unchanged, fd };
        }
        const event = await events?.next();
        await events?.return?.();
        const current = capsule.Jail.current();
        const result = {
          jailed: capsule.isJailed(),
          current: current?.jid === jail.jid,
          cwd: process.cwd(),
          event:
            event?.value === undefined
              ? null
              : { ...event.value, pid: (event.value as { pid?: number }).pid === process.pid },
          own: refusal(() => current?.get('name')),
          create: refusal(() => capsule.Jail.create({})),
          list: capsule.Jail.list().length,
        };
        return result;
      } finally {
        // From inside, only the descriptor still reaches the jail: the very reason not to let it in.
        if (descriptor !== undefined && capsule.isJailed()) descriptor.set({ persist: false });
        else if (capsule.isJailed()) console.log(`left: ${jail.jid}`);
      }
    },
    { input: options },
  );

jailTest('attach moves the process, which then sees neither its jail nor others', async () => {
  const { jailed, current, cwd, own, create, list } = (await attachInChild({ by: 'number' })) as Record<
    string,
    unknown
  >;
  for (const jail of Jail.list().filter(({ name }) => name.startsWith('attach-'))) jail.remove();
  assert.deepEqual({ jailed, current, cwd, list }, { jailed: true, current: true, cwd: '/', list: 0 });
  assert.equal((own as { code: string }).code, 'ENOENT');
  assert.match((own as { message: string }).message, /does not see the jail it is in/);
  assert.equal((create as { code: string }).code, 'EPERM');
  assert.match((create as { message: string }).message, /children\.max/);
});

jailTest(
  'attach by descriptor; a non-persistent jail goes with its last process',
  async () => {
    const { jailed, cwd } = (await attachInChild({ by: 'descriptor' })) as Record<string, unknown>;
    assert.deepEqual({ jailed, cwd }, { jailed: true, cwd: '/' });
    for (const jail of Jail.list({ dying: true }).filter(({ name }) => name.startsWith('attach-')))
      await jail.removed();
  },
  { needs: since15 },
);

jailTest(
  'attaching is told to who watches',
  async () => {
    const { event } = (await attachInChild({ by: 'number' })) as Record<string, unknown>;
    for (const jail of Jail.list().filter(({ name }) => name.startsWith('attach-'))) jail.remove();
    assert.deepEqual(event, { type: 'attach', pid: true, coalesced: false });
  },
  { needs: since15 },
);

jailTest('attach names the directories that are open, and changes nothing', async () => {
  const answer = await attachInChild({ by: 'number', directory: true });
  const { refused, unchanged, fd } = answer as unknown as {
    refused: Record<string, string>;
    unchanged: boolean;
    fd: number;
  };
  assert.ok(unchanged);
  assert.equal(refused.code, 'EPERM');
  assert.equal(refused.syscall, 'jail_attach');
  assert.match(
    refused.message ?? '',
    new RegExp(`^EPERM: operation not permitted, jail_attach\n.*Close first: ${fd} \\(.*/tmp\\)`),
  );
});

jailTest('a directory of the runtime itself is no obstacle', async () => {
  const jailed = await inChild((capsule) => {
    // As libuv >= 1.51 opens one for its number.
    const fd = process.getBuiltinModule('node:fs').openSync('/', 'r');
    const jail = capsule.Jail.create({ name: `attach-${process.pid}`, path: '/' });
    jail.attach();
    const now = capsule.listDescriptors().find((descriptor) => descriptor.fd === fd);
    return [capsule.isJailed(), now?.kind, [...(now?.rights ?? [])]];
  });
  for (const jail of Jail.list().filter(({ name }) => name.startsWith('attach-'))) jail.remove();
  // An eventfd(2) without rights has its place: a jail may have no /dev/null.
  assert.deepEqual(jailed, [true, 'event', []]);
});

jailTest(
  'a process that enters a jail is confined to its path',
  async () => {
    const path = mkdtempSync(join(tmpdir(), 'capsule-jail-'));
    const jail = Jail.create({ name: unique('confined'), path });
    try {
      const seen = await inChild(
        (capsule, jid) => {
          const fs = process.getBuiltinModule('node:fs');
          capsule.Jail.get(jid).attach();
          return [fs.readdirSync('/').filter((name) => name !== '.'), fs.existsSync('/etc/passwd'), process.cwd()];
        },
        { input: jail.jid },
      );
      assert.deepEqual(seen, [[], false, '/']);
    } finally {
      jail.remove();
      rmdirSync(path);
    }
  },
  { needs: [requireJails, requireFreeBSD] },
);

jailTest('attach is refused in workers', async () => {
  const jail = Jail.create({ name: unique('worker'), path: '/' });
  try {
    const refusal = await inChild(async () => {
      const { Worker } = process.getBuiltinModule('node:worker_threads');
      const program = `
        const { parentPort } = require('node:worker_threads');
        import('freebsd-capsule').then(({ Jail }) => {
          const jail = Jail.create({ path: '/' });
          let refusal;
          try { jail.attach(); } catch (error) { refusal = { ...error, message: error.message }; }
          jail.remove();
          parentPort.postMessage(refusal);
        });`;
      const worker = new Worker(program, { eval: true });
      return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    });
    assert.deepEqual(refusal, {
      code: 'ERR_WORKER_UNSUPPORTED_OPERATION',
      message: 'attach() is not supported in workers',
    });
  } finally {
    jail.remove();
  }
});

jailTest('200 jails created and removed at the same time leave none', async () => {
  const batches = await Promise.all(
    [1, 2, 3, 4].map(() =>
      inChild(
        (capsule) => {
          const { Jail } = capsule;
          let listed = 0;
          const names: string[] = [];
          for (let i = 0; i < 50; i++) {
            const jail = Jail.create({ name: `crowd-${process.pid}-${i}`, path: '/', 'ip4.addr': ['192.0.2.77'] });
            names.push(jail.name);
            listed += Jail.list({ dying: true }).length;
            jail.set({ 'allow.mlock': true });
            if (i % 2 === 0) jail.remove();
          }
          for (const name of names.filter((_, i) => i % 2 === 1)) {
            listed += Jail.list().length;
            Jail.get(name).remove();
          }
          return [names.length, listed > 50];
        },
        { timeoutMs: 110_000 },
      ),
    ),
  );
  assert.deepEqual(batches, Array(4).fill([50, true]));
  assert.deepEqual(
    Jail.list().filter(({ name }) => name.startsWith('crowd-')),
    [],
  );
});

jailTest('listing outlives jails that come and go', async () => {
  const stays = Jail.create({ name: unique('stays'), path: '/' });
  const churn = inChild(
    (capsule) => {
      for (let i = 0; i < 300; i++) capsule.Jail.create({ path: '/' }).remove();
      return true;
    },
    { timeoutMs: 110_000 },
  );
  let done = false;
  const finished = churn.finally(() => {
    done = true;
  });
  let rounds = 0;
  while (!done) {
    assert.equal(Jail.list().filter(({ jid }) => jid === stays.jid).length, 1);
    rounds++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(await finished);
  assert.ok(rounds > 1);
  stays.remove();
});

kernelTest('jail: who is not root may look, and nothing else', { needs: [requireJails] }, async () => {
  const jail = Jail.create({ name: unique('looked-at'), path: '/' });
  try {
    const answers = await inChild(
      (capsule, jid) => {
        // The simulation has no jails of other processes.
        const seen = capsule.kernel.kind === 'freebsd';
        const own = seen ? undefined : capsule.Jail.create({ path: '/' });
        process.setuid?.(1001);
        const target = seen ? capsule.Jail.get(jid) : own;
        const refusal = (call: () => unknown) => {
          try {
            call();
            return 'allowed';
          } catch (error) {
            const { code, message } = error as NodeJS.ErrnoException;
            return [code, /root's to make and change; this process has user 1001/.test(message)];
          }
        };
        return [
          target?.get('persist').persist,
          refusal(() => capsule.Jail.create({ path: '/' })),
          refusal(() => target?.set({ persist: false })),
          refusal(() => target?.remove()),
          refusal(() => target?.attach()),
        ];
      },
      { input: jail.jid },
    );
    assert.deepEqual(answers, [true, ...Array(4).fill(['EPERM', true])]);
  } finally {
    jail.remove();
  }
});

kernelTest('jail: without privilege nothing is created', { needs: [requireUnprivileged] }, () => {
  const refusal = errorOf(() => Jail.create({ path: '/' }));
  assert.equal(refusal.code, 'EPERM');
  assert.equal(refusal.syscall, 'jail_set');
});

kernelTest('jail: isJailed and current agree', () => {
  assert.equal(isJailed(), Jail.current() !== undefined);
});

kernelTest(
  'jail: in capability mode nothing of jails is left but what is open',
  { needs: [requireJails] },
  async () => {
    const codes = await inChild((capsule) => {
      const jail = capsule.Jail.create({ name: `sandboxed-${process.pid}`, path: '/' });
      const owned = capsule.kernel.osreldate >= 1500000 ? jail.open({ owned: true }) : undefined;
      if (owned === undefined) jail.remove();
      capsule.enter();
      const refusal = (call: () => unknown) => {
        try {
          call();
          return 'allowed';
        } catch (error) {
          return Math.abs((error as NodeJS.ErrnoException).errno ?? 0);
        }
      };
      const result = [
        refusal(() => capsule.Jail.list()),
        refusal(() => jail.get('persist')),
        refusal(() => jail.set({ persist: true })),
        refusal(() => jail.remove()),
        refusal(() => jail.attach()),
      ];
      // A supervisor that sealed itself still ends its jail.
      owned?.close();
      return result;
    });
    assert.deepEqual(codes, [94, 94, 94, 94, 94]);
    assert.deepEqual(
      Jail.list().filter(({ name }) => name.startsWith('sandboxed-')),
      [],
    );
  },
);

jailTest(
  'who is inside can watch the own jail, in capability mode too',
  async () => {
    const events = await inChild(async (capsule) => {
      const jail = capsule.Jail.create({ name: `inside-${process.pid}`, path: '/', 'children.max': 3 });
      const descriptor = jail.open();
      jail.attach();
      const own = capsule.Jail.current();
      if (own === undefined) throw new Error('not in a jail');
      // From inside, the jail looks as if it were gone; it is not.
      const removal = own.removed({ signal: AbortSignal.timeout(300) }).then(
        () => 'removed',
        (error: Error) => error.name,
      );
      const first = own.watch();
      const told = [];
      descriptor.set({ persist: true });
      told.push((await first.next()).value);
      const child = capsule.Jail.create({ name: 'below', path: '/' });
      const { value } = await first.next();
      told.push({ ...value, jid: (value as { jid?: number }).jid === child.jid });
      child.remove();
      await child.removed();
      await first.return?.();
      const waited = await removal;
      // What comes is read after the way back is closed; the jail goes with this process.
      const last = own.watch();
      descriptor.set({ persist: false });
      capsule.enter();
      told.push((await last.next()).value);
      await last.return?.();
      const late = own.watch();
      await late.return?.();
      return { told, waited };
    });
    assert.deepEqual(events, {
      told: [{ type: 'set' }, { type: 'child', jid: true, coalesced: false }, { type: 'set' }],
      waited: 'TimeoutError',
    });
    for (const jail of Jail.list({ dying: true }).filter(({ name }) => name.startsWith('inside-')))
      await jail.removed();
  },
  { needs: since15 },
);

jailTest(
  'who is inside learns of what others do from outside, and ends with the jail',
  async () => {
    const jail = Jail.create({ name: unique('others'), path: '/', 'children.max': 3 });
    const folder = mkdtempSync(join(tmpdir(), 'capsule-watch-'));
    const report = join(folder, 'report');
    const outside = jail.watch();
    const inside = childOutcome(
      async (capsule, { jid, path }) => {
        const fs = process.getBuiltinModule('node:fs');
        const fd = fs.openSync(path, 'a');
        capsule.Jail.get(jid).attach();
        const events = capsule.Jail.current()?.watch();
        capsule.enter();
        fs.writeSync(fd, 'watching ');
        for await (const { type } of events ?? []) fs.writeSync(fd, `${type} `);
      },
      { input: { jid: jail.jid, path: report }, timeoutMs: 110_000 },
    );
    let ended = false;
    inside.finally(() => {
      ended = true;
    });
    assert.equal((await outside.next()).value?.type, 'attach');
    // Until it has told all of it; its watchdog is the deadline.
    const told = () => readFileSync(report, 'utf8');
    while (!ended && !(/^watching /.test(told()) && / set /.test(told()) && / attach /.test(told()))) {
      jail.set({ 'meta.again': String(Date.now()) });
      using child = jail.spawn('/usr/bin/true');
      await child.exited;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    jail.remove();
    assert.equal((await inside).signal, 'SIGKILL');
    rmSync(folder, { recursive: true });
    await outside.return?.();
    await jail.removed();
    assert.equal(errorOf(() => jail.attach()).code, 'EINVAL');
    assert.equal(errorOf(() => jail.get('name')).code, 'ENOENT');
    assert.equal(errorOf(() => jail.set({ 'allow.mlock': true })).code, 'ENOENT');
    assert.equal(errorOf(() => jail.open()).code, 'ENOENT');
    assert.equal(errorOf(() => jail.watch()).code, 'ENOENT');
  },
  { needs: [requireJails, requireFreeBSD, requireRelease(15.0)] },
);

jailTest(
  'closing a descriptor ends what it watches, and a dead one tells of the removal',
  async () => {
    const owned = Jail.create({ path: '/' }, { owned: true });
    const pending = owned.watch().next();
    const idle = owned.watch();
    owned.close();
    assert.deepEqual(await pending, { done: true, value: undefined });
    assert.deepEqual(await idle.next(), { done: true, value: undefined });
    await owned.removed();

    const jail = Jail.create({ path: '/' });
    using descriptor = jail.open();
    const before = descriptor.removed();
    jail.remove();
    await before;
    const events = descriptor.watch();
    assert.deepEqual(await events.next(), { done: false, value: { type: 'remove' } });
    assert.deepEqual(await events.next(), { done: true, value: undefined });
    await descriptor.removed();
  },
  { needs: since15 },
);

jailTest(
  'a descriptor means its jail, also when the number is another one',
  async () => {
    const first = Jail.create({ path: '/' });
    using descriptor = first.open();
    first.remove();
    await first.removed();
    const second = Jail.create({ jid: first.jid, path: '/' });
    assert.equal(second.jid, first.jid);
    // The number is all that this one has; the descriptor knows better.
    assert.equal(first.get('persist').persist, true);
    assert.equal(errorOf(() => descriptor.get('persist')).code, 'ENOENT');
    assert.equal(errorOf(() => descriptor.set({ persist: false })).code, 'ENOENT');
    assert.equal(errorOf(() => descriptor.remove()).code, 'ENOENT');
    await descriptor.removed();
    assert.ok(isAlive(second.jid));
    second.remove();
  },
  { needs: since15 },
);

jailTest(
  'after close, a descriptor does nothing',
  async () => {
    const jail = Jail.create({ path: '/' });
    const descriptor = jail.open();
    descriptor[Symbol.dispose]();
    descriptor[Symbol.dispose]();
    await descriptor[Symbol.asyncDispose]();
    for (const call of [
      () => descriptor.get('name'),
      () => descriptor.set({ 'allow.mlock': true }),
      () => descriptor.create({ path: '/' }),
      () => descriptor.attach(),
      () => descriptor.spawn('/usr/bin/true'),
      () => descriptor.remove(),
      () => descriptor.watch(),
    ]) {
      const error = errorOf(call);
      assert.equal(error.code, 'ERR_INVALID_ARG_VALUE');
      assert.match(error.message, /is closed/);
    }
    assert.ok(isAlive(jail.jid));
    jail.remove();
    await jail.removed();
  },
  { needs: since15 },
);

jailTest('every boolean can be written as true and as false', () => {
  const jail = Jail.create({ path: '/' });
  try {
    const names = jailParameters()
      .filter(({ type, access, name }) => type === 'boolean' && access === 'any time' && name !== 'persist')
      .map(({ name }) => name as 'allow.mlock');
    assert.ok(names.length > 20);
    for (const value of [true, false, true]) {
      for (const name of names) {
        jail.set({ [name]: value });
        assert.deepEqual(jail.get(name), { [name]: value }, name);
      }
    }
    const wanted: Record<`allow.${string}`, boolean> = Object.fromEntries(names.map((name, i) => [name, i % 2 === 0]));
    jail.set(wanted);
    assert.deepEqual(jail.get(...names), wanted);
  } finally {
    jail.remove();
  }
});

jailTest('names: empty ones and numbers, and only a direct child is renamed', () => {
  const parent = Jail.create({ name: unique('names'), path: '/', 'children.max': 5 });
  try {
    const unnamed = Jail.create({ name: '', path: '/' });
    assert.equal(unnamed.name, String(unnamed.jid));
    assert.equal(unnamed.get('name').name, unnamed.name);
    unnamed.remove();
    const below = Jail.create({ name: `${parent.name}.`, path: '/' });
    assert.equal(below.name, `${parent.name}.${below.jid}`);
    assert.equal(below.get('name').name, below.name);
    assert.equal(errorOf(() => below.set({ name: 'moved' })).code, 'ERR_INVALID_ARG_VALUE');
    if (kernel.osreldate >= 1500000) {
      using descriptor = below.open();
      assert.equal(errorOf(() => descriptor.set({ name: 'moved' })).code, 'ERR_INVALID_ARG_VALUE');
      using above = parent.open();
      assert.equal(errorOf(() => above.set({ name: 'x.y' })).code, 'ERR_INVALID_ARG_VALUE');
      const renamed = unique('renamed');
      above.set({ name: renamed });
      assert.equal(parent.get('name').name, renamed);
    }
    assert.equal(errorOf(() => Jail.create({ name: '.x', path: '/' })).code, 'ENOENT');
    const numbered = Jail.create({ name: '4711', path: '/' });
    assert.deepEqual([numbered.jid, numbered.name], [4711, '4711']);
    numbered.remove();
  } finally {
    parent.remove();
  }
});

jailTest(
  'metadata keeps odd keys as they are',
  () => {
    const meta = Object.fromEntries([
      ['__proto__', 'p'],
      ['constructor', 'c'],
      ['a.b', 'dot'],
      [' ', 'space'],
      ['ünï', 'çödé=='],
    ]);
    const jail = Jail.create({ path: '/', meta });
    try {
      assert.deepEqual(Object.entries(jail.get('meta').meta).sort(), Object.entries(meta).sort());
      assert.deepEqual(Object.entries(jail.get('meta.__proto__', 'meta.a.b', 'meta.toString')), [
        ['meta.__proto__', 'p'],
        ['meta.a.b', 'dot'],
        ['meta.toString', null],
      ]);
      jail.set({ 'meta.__proto__': null });
      assert.equal(Object.hasOwn(jail.get('meta').meta, '__proto__'), false);
    } finally {
      jail.remove();
    }
  },
  { needs: since15 },
);

jailTest(
  'an address that the machine does not have is refused where it is bound, not before',
  async () => {
    const jail = Jail.create({ path: '/', 'ip4.addr': ['192.0.2.50'] });
    try {
      const program = `require('node:net').createServer()
        .once('error', (error) => { console.log(error.code); })
        .listen(0, '192.0.2.50', function () { console.log('bound'); this.close(); });`;
      using child = jail.spawn(process.execPath, ['-e', program]);
      let text = '';
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      const ended = new Promise((resolve) => child.stdout?.once('end', resolve));
      await Promise.all([child.exited, ended]);
      assert.equal(text, 'EADDRNOTAVAIL\n');
    } finally {
      jail.remove();
    }
  },
  { needs: [requireJails, requireFreeBSD] },
);
