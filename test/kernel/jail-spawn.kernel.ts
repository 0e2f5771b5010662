/** Children that are started in a jail, by its number, name and descriptor. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { isJailed, Jail, type JailEvent, spawn } from 'freebsd-capsule';
import { kernelTest } from '../support/kernel-test.ts';
import { requireJails, requireRelease, requireRoot } from '../support/requirements.ts';

const since15 = { needs: [requireJails, requireRelease(15.0)] };

/** What a program in the jail says of itself. */
const PROGRAM = ['-n', 'security.jail.jailed', 'kern.hostname'];

async function output(child: ReturnType<Jail['spawn']>): Promise<string> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const { code } = await child.exited;
  assert.equal(code, 0);
  await new Promise((resolve) =>
    child.stdout?.readableEnded ? resolve(undefined) : child.stdout?.once('end', resolve),
  );
  child.close();
  return text;
}

/** A deadline for what must come, far behind it. */
const soon = () => ({ signal: AbortSignal.timeout(60_000) });

const states = (jid: number) =>
  Jail.list({ dying: true })
    .filter((jail) => jail.jid === jid)
    .map((jail) => jail.jid);

async function nextOf(events: AsyncIterator<JailEvent, undefined>): Promise<JailEvent | undefined> {
  const { value } = await events.next();
  return value;
}

const sleep = ['/bin/sleep', ['600'], { stdio: ['ignore', 'ignore', 'inherit'] }] as const;

kernelTest(
  'jail: spawn starts a child in it, by jid and by descriptor, and this process stays out',
  {
    needs: [requireRoot, requireRelease(15.0)],
  },
  async () => {
    const jail = Jail.create({ path: '/', 'host.hostname': 'inside' });
    try {
      assert.equal(await output(jail.spawn('/sbin/sysctl', PROGRAM)), '1\ninside\n');
      using descriptor = jail.open();
      assert.equal(await output(descriptor.spawn('/sbin/sysctl', PROGRAM)), '1\ninside\n');
      assert.equal(isJailed(), false);
    } finally {
      jail.remove();
      await jail.removed(soon());
    }
    // A reference that the attach kept would leave the jail dying for good.
    const { stdout } = spawnSync('jls', ['-d', '-j', String(jail.jid)], { encoding: 'utf8' });
    assert.doesNotMatch(stdout, /inside/);
  },
);

kernelTest('jail: removing it kills the children in it, who keep it dying until they are gone', since15, async () => {
  const jail = Jail.create({ name: `spawn-${process.pid}`, path: '/' });
  const events = jail.watch(soon());
  using byNumber = jail.spawn(...sleep);
  assert.deepEqual(await nextOf(events), { type: 'attach', pid: byNumber.pid, coalesced: false });
  using byName = spawn(sleep[0], sleep[1], { ...sleep[2], jail: jail.name });
  assert.deepEqual(await nextOf(events), { type: 'attach', pid: byName.pid, coalesced: false });
  using byText = spawn(sleep[0], sleep[1], { ...sleep[2], jail: String(jail.jid) });
  assert.deepEqual(await nextOf(events), { type: 'attach', pid: byText.pid, coalesced: false });
  using descriptor = jail.open();
  using byDescriptor = descriptor.spawn(...sleep);
  // Which goes by jail_set(2), hence is a change as well. Told together or one after the other.
  const told = [await nextOf(events), await nextOf(events)];
  assert.deepEqual(
    told.sort((a, b) => String(a?.type).localeCompare(String(b?.type))),
    [{ type: 'attach', pid: byDescriptor.pid, coalesced: false }, { type: 'set' }],
  );
  assert.equal(isJailed(), false);
  jail.remove();
  assert.deepEqual(await nextOf(events), { type: 'remove' });
  for (const child of [byNumber, byName, byText, byDescriptor]) assert.equal((await child.exited).signal, 'SIGKILL');
  await jail.removed(soon());
  assert.deepEqual(states(jail.jid), []);
});

kernelTest('jail: one that does not persist lives for its children', since15, async () => {
  const jail = Jail.create({ path: '/' });
  const events = jail.watch(soon());
  using first = jail.spawn(...sleep);
  using second = jail.spawn(...sleep);
  jail.set({ persist: false });
  first.kill('SIGTERM');
  await first.exited;
  assert.deepEqual(jail.get('persist', 'dying'), { persist: false, dying: false });
  second.kill('SIGTERM');
  await second.exited;
  await jail.removed(soon());
  const types: string[] = [];
  for await (const { type } of events) types.push(type);
  assert.equal(types.at(-1), 'remove');
  assert.deepEqual(states(jail.jid), []);
});

kernelTest('jail: closing an owned descriptor kills the children', since15, async () => {
  const owned = Jail.create({ path: '/' }, { owned: true });
  using child = owned.spawn(...sleep);
  owned.close();
  assert.equal((await child.exited).signal, 'SIGKILL');
  await owned.removed(soon());
  assert.deepEqual(states(owned.jid), []);
});

kernelTest('jail: a program that is not there was in the jail all the same', since15, async () => {
  const jail = Jail.create({ path: '/' });
  const events = jail.watch(soon());
  assert.throws(() => jail.spawn('/no/such/program'), { code: 'ENOENT', syscall: 'execve' });
  assert.equal((await nextOf(events))?.type, 'attach');
  await events.return?.();
  jail.remove();
  await jail.removed(soon());
});

kernelTest('jail: spawn is refused where there is no jail, and with a way out of it', since15, async () => {
  const jail = Jail.create({ path: '/' });
  const events = jail.watch(soon());
  const directory = openSync('/tmp', 'r');
  assert.throws(() => jail.spawn('/bin/sleep', ['600'], { descriptors: { 3: directory } }), {
    code: 'EPERM',
    syscall: 'jail_attach',
    jail: jail.jid,
  });
  assert.throws(() => jail.spawn('/bin/sleep', ['600'], { cwd: { fd: directory } }), { code: 'ERR_INVALID_ARG_VALUE' });
  using descriptor = jail.open();
  jail.remove();
  // Nobody had attached.
  assert.deepEqual(await nextOf(events), { type: 'remove' });
  await jail.removed(soon());
  assert.throws(() => jail.spawn(...sleep), { code: 'EINVAL', syscall: 'jail_attach', jail: jail.jid });
  assert.throws(() => descriptor.spawn(...sleep), { code: 'ENOENT', syscall: 'jail_set', fd: descriptor.fd });
  assert.throws(() => spawn('/bin/sleep', [], { jail: 'no-such-jail' }), { code: 'ENOENT', syscall: 'jail_get' });
  assert.throws(() => spawn('/bin/sleep', [], { jail: { fd: directory } }), { code: 'EINVAL', syscall: 'jail_set' });
  closeSync(directory);
});

kernelTest('jail: no descriptor of a jail gets into one', since15, async () => {
  const jail = Jail.create({ path: '/' });
  const other = Jail.create({ path: '/' });
  using own = jail.open();
  using foreign = other.open({ owned: true });
  const refusal = { code: 'ERR_INVALID_ARG_VALUE', message: /must not be the descriptor of a jail/ };
  assert.throws(() => jail.spawn('/bin/sleep', ['600'], { descriptors: { 3: own } }), refusal);
  assert.throws(() => own.spawn('/bin/sleep', ['600'], { descriptors: { 5: foreign } }), refusal);
  assert.throws(() => own.spawn('/bin/sleep', ['600'], { descriptors: { 5: { fd: own, rights: [] } } }), refusal);
  assert.throws(() => jail.spawn('/bin/sleep', ['600'], { stdio: ['ignore', 'ignore', own] }), refusal);
  foreign.remove();
  await foreign.removed(soon());
  assert.throws(() => jail.spawn('/bin/sleep', ['600'], { descriptors: { 3: foreign } }), refusal);
  // Others may: files, sockets, processes.
  const file = openSync('/dev/null', 'r');
  using child = jail.spawn('/bin/sleep', ['600'], { descriptors: { 3: file, 4: { fd: file, rights: ['read'] } } });
  using second = jail.spawn('/bin/sleep', ['600'], { descriptors: { 3: child } });
  jail.remove();
  assert.equal((await second.exited).signal, 'SIGKILL');
  await child.exited;
  closeSync(file);
  await jail.removed(soon());
});
