/** What the kernel gives about jails: parameters, errors with their texts, limits of the hierarchy, events. */

import {
  Jail,
  type JailChanges,
  JailDescriptor,
  type JailEvent,
  type JailParameters,
  jailParameters,
  kernel,
} from 'freebsd-capsule';
import { inChild } from '../support/in-child.ts';

type Parameters = Record<string, unknown>;
type Question = () => unknown;

/** What no kernel but this one would say. */
const OWN_VALUES: ReadonlySet<string> = new Set(['jid', 'name', 'osrelease', 'osreldate', 'cpuset.id']);

function text(value: unknown): string {
  const json = JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner));
  return json ?? 'undefined';
}

/** The error as the package tells it, with the kernel's own text; numbers of jails have none that could be compared. */
function refusal(error: unknown): string {
  const { message } = error as Error;
  return message.replaceAll(/\b(jail|jid) '?\d+'?/g, '$1 N');
}

const create = (parameters: Parameters = {}) =>
  Jail.create({ path: '/', ...parameters } as unknown as JailParameters) as Jail;
const set = (jail: Jail, parameters: Parameters) => jail.set(parameters as JailChanges);

/** Creates a jail with one parameter and reads that back. */
const written = (parameters: Parameters) => () => {
  const values = create(parameters).get() as Record<string, unknown>;
  return Object.fromEntries(Object.keys(parameters).map((name) => [name, values[name]]));
};

/** Changes a jail and reads back what was changed. */
const changed = (before: Parameters, change: Parameters) => () => {
  const jail = create(before);
  set(jail, change);
  const values = jail.get() as Record<string, unknown>;
  return Object.fromEntries(Object.keys(change).map((name) => [name, values[name]]));
};

/** Changes a jail and reads what became of its System V IPC. */
const systems = (before: Parameters, change: Parameters) => () => {
  const jail = create(before);
  set(jail, change);
  return jail.get('allow.sysvipc', 'sysvmsg', 'sysvsem', 'sysvshm');
};

/** Creates a jail by descriptor within another one. */
const within = (parent: Parameters, child: Parameters) => () => {
  const outer = create({ 'children.max': 5, ...parent });
  using descriptor = outer.open();
  using inner = descriptor.create({ path: '/', ...child } as unknown as JailParameters);
  const values = inner.get() as Record<string, unknown>;
  return Object.fromEntries(Object.keys(child).map((name) => [name, values[name]]));
};

/** What is told of a jail while something is done to it. */
const events = (parameters: Parameters, act: (jail: Jail) => void | Promise<void>) => async () => {
  const jail = create(parameters);
  const seen: string[] = [];
  const watch = jail.watch({ signal: AbortSignal.timeout(20_000) });
  const reading = (async () => {
    for await (const event of watch) seen.push(describe(event));
  })();
  await act(jail);
  try {
    jail.remove();
  } catch {
    // It is gone.
  }
  await reading;
  return seen;
};

function describe(event: JailEvent): string {
  const named = 'pid' in event || 'jid' in event ? ', named' : '';
  const coalesced = 'coalesced' in event && event.coalesced ? ', coalesced' : '';
  return event.type + named + coalesced;
}

const moment = () => new Promise((resolve) => setTimeout(resolve, 300));

function questions(): Record<string, Question> {
  const list: Record<string, Question> = {};
  for (const { name, ...info } of jailParameters()) list[`parameter ${name}`] = () => info;

  const defaults = create().get() as Record<string, unknown>;
  removeAll();
  for (const [name, value] of Object.entries(defaults)) {
    if (!OWN_VALUES.has(name)) list[`default of ${name}`] = () => value;
  }
  for (const { name, type } of jailParameters()) {
    if (type !== 'boolean' || !name.startsWith('allow.')) continue;
    const other = defaults[name] !== true;
    list[`${name}: ${other}`] = written({ [name]: other });
    list[`${name}: changed to ${other}`] = changed({}, { [name]: other });
    list[`${name}: true in a jail without`] = within({ [name]: false }, { [name]: true });
  }
  return {
    ...list,
    'name: a number': written({ name: '77777' }),
    'name: empty': () => {
      const jail = create({ name: '' });
      return jail.get('name').name === String(jail.jid) ? 'its number' : jail.get('name').name;
    },
    'name: with a dot, no such parent': written({ name: 'questions-none.child' }),
    'name: with a space': written({ name: 'a b' }),
    'name: of 255 characters': () => create({ name: 'n'.repeat(255) }).name.length,
    'name: of 256 characters': () => create({ name: 'n'.repeat(256) }).name.length,
    'name: taken': () => {
      create({ name: 'questions-taken' });
      return create({ name: 'questions-taken' }).name;
    },
    'name: changed to a number': changed({}, { name: '77777' }),
    'name: changed to one that is taken': () => {
      create({ name: 'questions-taken' });
      set(create(), { name: 'questions-taken' });
    },
    'path: no such directory': written({ path: '/questions-nothing' }),
    'path: a file': written({ path: '/etc/passwd' }),
    'path: relative': written({ path: 'etc' }),
    'path: changed': changed({}, { path: '/tmp' }),
    'securelevel: 3': written({ securelevel: 3 }),
    'securelevel: -1': written({ securelevel: -1 }),
    'securelevel: lowered': changed({ securelevel: 2 }, { securelevel: 1 }),
    'securelevel: below that of the parent': within({ securelevel: 2 }, { securelevel: 1 }),
    'enforce_statfs: 3': written({ enforce_statfs: 3 }),
    'enforce_statfs: 0': written({ enforce_statfs: 0 }),
    'enforce_statfs: below that of the parent': within({ enforce_statfs: 2 }, { enforce_statfs: 1 }),
    'devfs_ruleset: 65535': written({ devfs_ruleset: 65535 }),
    'devfs_ruleset: 65536': written({ devfs_ruleset: 65536 }),
    'devfs_ruleset: -1': written({ devfs_ruleset: -1 }),
    'children.max: -1': written({ 'children.max': -1 }),
    'children.max: 3': written({ 'children.max': 3 }),
    'children.max: more than the parent has': within({ 'children.max': 2 }, { 'children.max': 2 }),
    'children.max: fewer than the parent has': within({ 'children.max': 2 }, { 'children.max': 1 }),
    'children.max: 0, and a child': within({ 'children.max': 0 }, {}),
    'children.max: 1, and two children': () => {
      using descriptor = create({ 'children.max': 1 }).open();
      using first = descriptor.create({ path: '/' });
      using second = descriptor.create({ path: '/' });
      return first.jid !== second.jid;
    },
    'children.max: lowered below what there is': () => {
      const jail = create({ 'children.max': 2 });
      using descriptor = jail.open();
      using child = descriptor.create({ path: '/' });
      set(jail, { 'children.max': 0 });
      return [jail.get('children.max', 'children.cur'), child.jid > 0];
    },
    'children.cur: set': written({ 'children.cur': 1 }),
    'parent: set': written({ parent: 1 }),
    'dying: set': written({ dying: true }),
    'host.hostname: of 255 characters': () => create({ 'host.hostname': 'h'.repeat(255) }).get('host.hostname'),
    'host.hostname: of 256 characters': () => create({ 'host.hostname': 'h'.repeat(256) }).get('host.hostname'),
    'host.hostid: the greatest': written({ 'host.hostid': 2n ** 64n - 1n }),
    'host.hostuuid': written({ 'host.hostuuid': '00000000-0000-0000-0000-000000000001' }),
    'host: inherit': written({ host: 'inherit' }),
    'host: disable': written({ host: 'disable' }),
    'host: inherit, with a name': written({ host: 'inherit', 'host.hostname': 'x' }),
    'vnet: new': written({ vnet: 'new' }),
    'vnet: disable': written({ vnet: 'disable' }),
    'ip4: disable': written({ ip4: 'disable' }),
    'ip4: inherit': written({ ip4: 'inherit' }),
    'ip4: new': written({ ip4: 'new' }),
    'ip4.addr: one': written({ 'ip4.addr': ['127.0.0.1'] }),
    'ip4.addr: twice the same': written({ 'ip4.addr': ['192.0.2.1', '192.0.2.1'] }),
    'ip4.addr: a broadcast address': written({ 'ip4.addr': ['255.255.255.255'] }),
    'ip4.addr: none': written({ 'ip4.addr': [] }),
    'ip4.addr: not of the parent': within({ 'ip4.addr': ['192.0.2.1'] }, { 'ip4.addr': ['192.0.2.2'] }),
    'ip4.addr: of the parent': within({ 'ip4.addr': ['192.0.2.1'] }, { 'ip4.addr': ['192.0.2.1'] }),
    'ip4.addr: with ip4 disabled': written({ ip4: 'disable', 'ip4.addr': ['192.0.2.1'] }),
    'ip6.addr: twice the same': written({ 'ip6.addr': ['2001:db8::1', '2001:db8::1'] }),
    'ip6.addr: unspecified': written({ 'ip6.addr': ['::'] }),
    'ip6: inherit': written({ ip6: 'inherit' }),
    'sysvshm: new': written({ sysvshm: 'new' }),
    'sysvmsg: inherit': written({ sysvmsg: 'inherit' }),
    'sysvmsg: inherit, in a jail without': within({ sysvmsg: 'disable' }, { sysvmsg: 'inherit' }),
    'sysvmsg: new, in a jail without': within({ sysvmsg: 'disable' }, { sysvmsg: 'new' }),
    'sysvmsg: new, in a jail with its own': within({ sysvmsg: 'new' }, { sysvmsg: 'new' }),
    'sysvshm: new, then allow.sysvipc off': systems({ sysvshm: 'new' }, { 'allow.sysvipc': false }),
    'sysvshm: new, then allow.sysvipc on': systems({ sysvshm: 'new' }, { 'allow.sysvipc': true }),
    'sysvshm: new, said again with allow.sysvipc off': systems(
      { 'allow.sysvipc': true, sysvshm: 'new' },
      { 'allow.sysvipc': false, sysvshm: 'new' },
    ),
    'sysvsem: inherit without allow.sysvipc, then that off': systems(
      { sysvsem: 'inherit' },
      { 'allow.sysvipc': false },
    ),
    'sysvmsg: disable with allow.sysvipc': systems({ 'allow.sysvipc': true, sysvmsg: 'disable' }, {}),
    'osrelease: set': written({ osrelease: '14.0-QUESTIONS' }),
    'osrelease: changed': changed({}, { osrelease: '14.0-QUESTIONS' }),
    'osrelease: empty': written({ osrelease: '' }),
    'osreldate: set': written({ osreldate: 1400097 }),
    'osreldate: changed': changed({}, { osreldate: 1400097 }),
    'cpuset.id: set': written({ 'cpuset.id': 1 }),
    'an unknown parameter': written({ 'questions.unknown': 'x' }),
    'persist: changed to false': async () => {
      const jail = create();
      set(jail, { persist: false });
      await jail.removed();
      return 'removed';
    },
    'get of a jail that is not there': () => Jail.get('questions-nothing').name,
    'get of a number that is not there': () => Jail.get(999_999).name,
    'remove, twice': () => {
      const jail = create();
      jail.remove();
      jail.remove();
    },
    'set after remove': () => {
      const jail = create();
      jail.remove();
      set(jail, { 'children.max': 1 });
    },
    'get after remove': () => {
      const jail = create();
      jail.remove();
      return jail.get('path');
    },
    'attach after remove': () => {
      const jail = create();
      jail.remove();
      jail.attach();
    },
    'remove of a parent, and its child': () => {
      const jail = create({ 'children.max': 1 });
      using descriptor = jail.open();
      using child = descriptor.create({ path: '/' });
      jail.remove();
      return child.get('path');
    },
    'name of a child': () => {
      create({ name: 'questions-outer', 'children.max': 1 });
      return create({ name: 'questions-outer.inner' }).get('name', 'path').name;
    },
    'a descriptor, after remove: get': () => {
      const jail = create();
      using descriptor = jail.open();
      jail.remove();
      return descriptor.get('path');
    },
    'a descriptor, after remove: remove': () => {
      using descriptor = Jail.create({ path: '/' }, { owned: true });
      Jail.get(descriptor.jid).remove();
      descriptor.remove();
    },
    'a descriptor that owns, closed': () => {
      const descriptor = Jail.create({ path: '/' }, { owned: true });
      const { jid } = descriptor;
      descriptor.close();
      return Jail.get(jid).name !== '';
    },
    'a descriptor that does not own, closed': () => {
      const jail = create();
      jail.open().close();
      return Jail.get(jail.jid).jid === jail.jid;
    },
    'a descriptor is one': () => create().open() instanceof JailDescriptor,
    'events: remove': events({}, () => {}),
    'events: set, then remove': events({}, async (jail) => {
      set(jail, { 'children.max': 1 });
      await moment();
    }),
    'events: set twice, apart': events({}, async (jail) => {
      set(jail, { 'children.max': 1 });
      await moment();
      set(jail, { 'children.max': 2 });
      await moment();
    }),
    'events: a set that is refused': events({}, async (jail) => {
      try {
        set(jail, { enforce_statfs: 3 });
      } catch {
        // As it should.
      }
      await moment();
    }),
    'events: a child': events({ 'children.max': 2 }, async (jail) => {
      using descriptor = jail.open();
      using child = descriptor.create({ path: '/' });
      await moment();
      child.remove();
      await moment();
    }),
    'another user: list': () => asUser('list'),
    'another user: create': () => asUser('create'),
    'another user: set': () => asUser('set'),
    'another user: remove': () => asUser('remove'),
    'another user: attach': () => asUser('attach'),
    'another user: open': () => asUser('open'),
    'another user: open as owner': () => asUser('own'),
  };
}

async function asUser(act: string): Promise<unknown> {
  const { jid } = create();
  return await inChild(
    (capsule, { act, jid }) => {
      const jail = capsule.Jail.get(jid);
      process.setgid?.(1001);
      process.setuid?.(1001);
      const acts: Record<string, () => unknown> = {
        list: () => capsule.Jail.list().some((found) => found.jid === jid),
        create: () => capsule.Jail.create({ path: '/' }).jid > 0,
        set: () => jail.set({ 'children.max': 1 }),
        remove: () => jail.remove(),
        attach: () => jail.attach(),
        open: () => jail.open().fd >= 0,
        own: () => jail.open({ owned: true }).fd >= 0,
      };
      return acts[act]?.() ?? 'done';
    },
    // The simulated jails are those of a process; they are not in its children.
    { input: { act, jid } },
  );
}

function removeAll(): void {
  for (const jail of Jail.list().reverse()) {
    try {
      jail.remove();
    } catch {
      // With its parent.
    }
  }
}

/** Asks about jails; there must be none. Needs root. */
export async function jailAnswers(): Promise<Record<string, string>> {
  if (Jail.list().length > 0) throw new Error('There are jails here; these questions remove every jail.');
  const answers: Record<string, string> = {};
  for (const [name, question] of Object.entries(questions())) {
    if (kernel.kind === 'simulated' && name.startsWith('another user')) continue;
    try {
      const value = await question();
      answers[name] = value === undefined ? 'done' : text(value);
    } catch (error) {
      answers[name] = refusal(error);
    }
    removeAll();
  }
  return answers;
}
