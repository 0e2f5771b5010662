/** What seal() says to a plan that it cannot follow. seal.test.ts shows that nothing is changed then. */

import { once } from 'node:events';
import net from 'node:net';
import { inspect } from 'node:util';
import {
  type DescriptorPlan,
  limitFcntls,
  limitIoctls,
  limitRights,
  listDescriptors,
  Rights,
  type SealPlan,
} from 'freebsd-capsule';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkPlan } from '../../lib/capsule/plan.ts';
import { toFd } from '../../lib/descriptor.ts';
import { caught } from '../support/caught.ts';
import { openDescriptors, ScratchFiles } from '../support/descriptors.ts';

const files = new ScratchFiles();
afterAll(() => files.remove());

let server: net.Server;
let client: net.Socket;
let connection: net.Socket;
beforeEach(async () => {
  server = net.createServer();
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  [[connection]] = await Promise.all([accepted, once(client, 'connect')]);
});
afterEach(() => {
  files.closeAll();
  client.destroy();
  connection.destroy();
  server.close();
});

const check = (plan: unknown) => checkPlan(plan as SealPlan, listDescriptors());

function refused(plan: unknown, code: string, words?: string) {
  const before = openDescriptors();
  const error = caught(() => check(plan));
  expect([inspect(plan, { depth: 2 }), error.code]).toEqual([inspect(plan, { depth: 2 }), code]);
  if (words !== undefined) expect(error.message).toContain(words);
  expect(openDescriptors()).toEqual(before);
}

const NO_LIST = [null, 0, 1, 'x', true, {}, () => [], Symbol('x'), Number.NaN];

describe('a plan', () => {
  test('may be empty, and then has the defaults', () => {
    const defaults = {
      ...{
        servers: new Set(),
        sockets: new Set(),
        descriptors: new Map(),
        directories: [],
        prewarm: [],
        unlisted: 'limit',
      },
      ...{ uid: null, gid: null, coreDumps: false, newPrivileges: false, debugger: false, drainTimeout: 5000 },
      named: new Map(),
    };
    expect(check({})).toEqual(defaults);
    const allUndefined = Object.fromEntries(
      [
        ...['servers', 'sockets', 'descriptors', 'prewarm', 'unlisted', 'user', 'group', 'coreDumps'],
        ...['newPrivileges', 'debugger', 'drainTimeout'],
      ].map((key) => [key, undefined]),
    );
    expect(check(allUndefined)).toEqual(defaults);
    expect(check(Object.create(null))).toEqual(defaults);
    expect(check(Object.freeze({}))).toEqual(defaults);
  });

  test('names descriptors by number', () => {
    const fd = files.open();
    const callback = () => {};
    const checked = check({
      servers: [server],
      sockets: new Set([client, toFd(connection)]),
      descriptors: [
        { fd, rights: ['pread', 'ioctl', 'fcntl'], ioctls: ['FIONREAD', 5, 5], fcntls: ['setfl', 'getfl'] },
      ],
      prewarm: [callback],
      unlisted: 'close',
      user: 1,
      group: 2,
      coreDumps: true,
      newPrivileges: true,
      debugger: true,
      drainTimeout: 1,
    });
    expect(checked.servers).toEqual(new Set([toFd(server)]));
    expect(checked.sockets).toEqual(new Set([toFd(client), toFd(connection)]));
    const limits = checked.descriptors.get(fd);
    expect([...(limits?.rights ?? [])]).toEqual(['read', 'seek', 'fcntl', 'ioctl']);
    expect(limits?.ioctls).toEqual([0x4004667f, 5]);
    expect(limits?.fcntls).toEqual(['getfl', 'setfl']);
    expect(checked).toMatchObject({ unlisted: 'close', prewarm: [callback], uid: 1, gid: 2, drainTimeout: 1 });
    expect(checked).toMatchObject({ coreDumps: true, newPrivileges: true, debugger: true });
  });

  test('takes lists that can be read only once', () => {
    const fd = files.open();
    function* once<T>(...values: T[]) {
      yield* values;
    }
    const checked = check({
      servers: once(server),
      descriptors: once({
        fd,
        rights: once('read', 'ioctl', 'fcntl'),
        ioctls: once('FIONREAD'),
        fcntls: once('getfl'),
      }),
    });
    expect(checked.servers.size).toBe(1);
    expect(checked.descriptors.get(fd)).toMatchObject({ ioctls: [0x4004667f], fcntls: ['getfl'] });
  });

  test('is an object', () => {
    for (const plan of [null, 0, 'x', true, [], [server], () => {}, Symbol('x'), 1n])
      refused(plan, 'ERR_INVALID_ARG_TYPE');
  });

  test('has no property that nobody would look at', () => {
    refused({ server: [server] }, 'ERR_INVALID_ARG_VALUE', "has no property 'server'");
    refused({ servers: [server], Unlisted: 'fail' }, 'ERR_INVALID_ARG_VALUE', "has no property 'Unlisted'");
    refused(server, 'ERR_INVALID_ARG_VALUE', 'has no property');
  });

  test("passes on the caller's own exceptions", () => {
    const mine = new RangeError('mine');
    const throwing = () => {
      throw mine;
    };
    const fd = files.open();
    const keys: (keyof SealPlan)[] = [
      ...(['servers', 'sockets', 'descriptors', 'prewarm', 'unlisted', 'user', 'group', 'coreDumps'] as const),
      ...(['newPrivileges', 'debugger', 'drainTimeout'] as const),
    ];
    for (const key of keys) {
      expect(caught(() => check(Object.defineProperty({}, key, { get: throwing, enumerable: true })))).toBe(mine);
    }
    for (const key of ['fd', 'rights', 'ioctls', 'fcntls'] satisfies (keyof DescriptorPlan)[]) {
      const entry = Object.defineProperty({ fd, rights: ['read'] }, key, { get: throwing });
      expect(caught(() => check({ descriptors: [entry] }))).toBe(mine);
    }
    for (const key of ['servers', 'sockets', 'descriptors', 'prewarm']) {
      expect(caught(() => check({ [key]: { [Symbol.iterator]: throwing } }))).toBe(mine);
    }
    for (const trap of ['get', 'ownKeys', 'getOwnPropertyDescriptor']) {
      expect(caught(() => check(new Proxy({ servers: [] }, { [trap]: throwing })))).toBe(mine);
    }
    expect(caught(() => check({ servers: [Object.defineProperty({}, 'fd', { get: throwing })] }))).toBe(mine);
  });
});

describe('plan.servers', () => {
  test('is a list', () => {
    for (const value of [...NO_LIST, server]) refused({ servers: value }, 'ERR_INVALID_ARG_TYPE', 'plan.servers');
  });

  test('has listening sockets', () => {
    const file = files.open();
    for (const value of [undefined, null, 'x', true, {}, []]) {
      refused({ servers: [server, value] }, 'ERR_INVALID_ARG_TYPE', 'plan.servers[1]');
    }
    for (const value of [Number.NaN, -1, 0.5, 2 ** 31])
      refused({ servers: [value] }, 'ERR_OUT_OF_RANGE', 'plan.servers[0]');
    refused({ servers: [net.createServer()] }, 'ERR_INVALID_ARG_VALUE', 'is not listening');
    refused({ servers: [file] }, 'ERR_INVALID_ARG_VALUE', `is not a listening socket (descriptor ${file}, file)`);
    refused({ servers: [client] }, 'ERR_INVALID_ARG_VALUE', 'is not a listening socket');
    const closed = files.closed();
    refused({ servers: [closed] }, 'ERR_INVALID_ARG_VALUE', `is not open (descriptor ${closed})`);
  });

  test('names each descriptor once', () => {
    refused(
      { servers: [server, server] },
      'ERR_INVALID_ARG_VALUE',
      `descriptor ${toFd(server)}, as plan.servers[0] is`,
    );
    refused({ servers: [server, toFd(server)] }, 'ERR_INVALID_ARG_VALUE', 'as plan.servers[0] is');
    refused(
      { servers: [server], descriptors: [{ fd: server, rights: ['accept'] }] },
      'ERR_INVALID_ARG_VALUE',
      'plan.descriptors[0].fd',
    );
  });
});

describe('plan.sockets', () => {
  test('is a list', () => {
    for (const value of [...NO_LIST, client]) refused({ sockets: value }, 'ERR_INVALID_ARG_TYPE', 'plan.sockets');
  });

  test('has connected sockets', () => {
    for (const value of [undefined, null, 'x', true, {}, []]) {
      refused({ sockets: [value] }, 'ERR_INVALID_ARG_TYPE', 'plan.sockets[0]');
    }
    refused({ sockets: [new net.Socket()] }, 'ERR_INVALID_ARG_VALUE', 'plan.sockets[0]');
    refused({ sockets: [server] }, 'ERR_INVALID_ARG_VALUE', 'listens; name it in plan.servers');
    refused({ sockets: [files.open()] }, 'ERR_INVALID_ARG_VALUE', 'is not a socket');
    refused({ sockets: [files.closed()] }, 'ERR_INVALID_ARG_VALUE', 'is not open');
    refused({ sockets: [client, client] }, 'ERR_INVALID_ARG_VALUE', 'as plan.sockets[0] is');
  });
});

describe('plan.descriptors', () => {
  test('is a list of objects', () => {
    for (const value of NO_LIST) refused({ descriptors: value }, 'ERR_INVALID_ARG_TYPE', 'plan.descriptors');
    for (const value of [undefined, null, 5, 'x', true, [], () => {}]) {
      refused({ descriptors: [value] }, 'ERR_INVALID_ARG_TYPE', 'plan.descriptors[0]');
    }
  });

  test('each with an open descriptor', () => {
    const rights = ['read'];
    for (const fd of [undefined, null, 'x', {}, true]) {
      refused({ descriptors: [{ fd, rights }] }, 'ERR_INVALID_ARG_TYPE', 'plan.descriptors[0].fd');
    }
    for (const fd of [Number.NaN, -1, 0.5, 2 ** 31]) refused({ descriptors: [{ fd, rights }] }, 'ERR_OUT_OF_RANGE');
    refused({ descriptors: [{ fd: files.closed(), rights }] }, 'ERR_INVALID_ARG_VALUE', 'is not open');
    const fd = files.open();
    refused(
      {
        descriptors: [
          { fd, rights },
          { fd, rights },
        ],
      },
      'ERR_INVALID_ARG_VALUE',
      'as plan.descriptors[0].fd is',
    );
  });

  test('and rights that it has', () => {
    const fd = files.open();
    for (const rights of [undefined, null, 5, 'read', true, {}, [5], [undefined]]) {
      refused({ descriptors: [{ fd, rights }] }, 'ERR_INVALID_ARG_TYPE');
    }
    refused({ descriptors: [{ fd }] }, 'ERR_INVALID_ARG_TYPE', 'plan.descriptors[0].rights');
    refused({ descriptors: [{ fd, rights: ['nope'] }] }, 'ERR_INVALID_ARG_VALUE', "'nope'");
    expect(check({ descriptors: [{ fd, rights: [] }] }).descriptors.get(fd)?.rights.size).toBe(0);
    limitRights(fd, ['read', 'fstat']);
    expect(check({ descriptors: [{ fd, rights: Rights.of('read') }] }).descriptors.size).toBe(1);
    refused(
      { descriptors: [{ fd, rights: ['write', 'read'] }] },
      'ERR_INVALID_ARG_VALUE',
      'does not have the rights write',
    );
  });

  test('and ioctls that it has, with the right to use them', () => {
    const fd = files.open();
    const rights = ['read', 'ioctl'];
    for (const ioctls of [null, 5, 'FIONREAD', true, {}, [null], [{}]]) {
      refused({ descriptors: [{ fd, rights, ioctls }] }, 'ERR_INVALID_ARG_TYPE', 'plan.descriptors[0].ioctls');
    }
    refused({ descriptors: [{ fd, rights, ioctls: ['NOPE'] }] }, 'ERR_INVALID_ARG_VALUE', 'plan.descriptors[0].ioctls');
    for (const command of [-1, 0.5, Number.NaN, 2 ** 32]) {
      refused({ descriptors: [{ fd, rights, ioctls: [command] }] }, 'ERR_OUT_OF_RANGE');
    }
    const many = Array.from({ length: 257 }, (_, index) => index);
    refused({ descriptors: [{ fd, rights, ioctls: many }] }, 'ERR_INVALID_ARG_VALUE', 'at most 256');
    for (const ioctls of ['all', ['FIONREAD']]) {
      refused({ descriptors: [{ fd, rights: ['read'], ioctls }] }, 'ERR_INVALID_ARG_VALUE', "needs the right 'ioctl'");
    }
    expect(check({ descriptors: [{ fd, rights, ioctls: 'all' }] }).descriptors.get(fd)?.ioctls).toBe('all');
    limitIoctls(fd, ['FIONREAD']);
    expect(check({ descriptors: [{ fd, rights, ioctls: ['FIONREAD'] }] }).descriptors.size).toBe(1);
    refused({ descriptors: [{ fd, rights, ioctls: 'all' }] }, 'ERR_INVALID_ARG_VALUE', 'is limited to some ioctls');
    refused({ descriptors: [{ fd, rights, ioctls: ['FIONBIO'] }] }, 'ERR_INVALID_ARG_VALUE', 'ioctls without');
  });

  test('and fcntls that it has, with the right to use them', () => {
    const fd = files.open();
    const rights = ['read', 'fcntl'];
    for (const fcntls of [null, 5, 'getfl', true, {}, [null], [8]]) {
      refused({ descriptors: [{ fd, rights, fcntls }] }, 'ERR_INVALID_ARG_TYPE', 'plan.descriptors[0].fcntls');
    }
    refused({ descriptors: [{ fd, rights, fcntls: ['nope'] }] }, 'ERR_INVALID_ARG_VALUE', 'plan.descriptors[0].fcntls');
    refused(
      { descriptors: [{ fd, rights: ['read'], fcntls: ['getfl'] }] },
      'ERR_INVALID_ARG_VALUE',
      "the right 'fcntl'",
    );
    limitFcntls(fd, ['getfl']);
    expect(check({ descriptors: [{ fd, rights, fcntls: ['getfl'] }] }).descriptors.size).toBe(1);
    refused({ descriptors: [{ fd, rights, fcntls: ['setfl'] }] }, 'ERR_INVALID_ARG_VALUE', 'fcntls without setfl');
  });
});

describe('the rest of a plan', () => {
  test('plan.prewarm is a list of functions', () => {
    for (const value of NO_LIST) refused({ prewarm: value }, 'ERR_INVALID_ARG_TYPE', 'plan.prewarm');
    for (const value of [undefined, null, 5, 'x', {}, Promise.resolve()]) {
      refused({ prewarm: [() => {}, value] }, 'ERR_INVALID_ARG_TYPE', 'plan.prewarm[1]');
    }
  });

  test('plan.unlisted is one of three', () => {
    for (const value of ['limit', 'close', 'fail']) expect(check({ unlisted: value }).unlisted).toBe(value);
    for (const value of [null, '', 'Limit', 'keep', 0, true, {}, ['fail']]) {
      refused({ unlisted: value }, 'ERR_INVALID_ARG_VALUE', "must be one of: 'limit', 'close', 'fail'");
    }
  });

  test.each(['coreDumps', 'newPrivileges', 'debugger'])('plan.%s is a boolean', (key) => {
    expect(check({ [key]: true })).toMatchObject({ [key]: true });
    expect(check({ [key]: false })).toMatchObject({ [key]: false });
    for (const value of [null, 0, 1, 'false', {}, []]) refused({ [key]: value }, 'ERR_INVALID_ARG_TYPE', `plan.${key}`);
  });

  test('plan.drainTimeout is a number of milliseconds', () => {
    for (const value of [1, 600_000]) expect(check({ drainTimeout: value }).drainTimeout).toBe(value);
    for (const value of [null, '5', {}, 5n, true]) refused({ drainTimeout: value }, 'ERR_INVALID_ARG_TYPE');
    for (const value of [0, -1, 0.5, Number.NaN, 600_001, Number.POSITIVE_INFINITY]) {
      refused({ drainTimeout: value }, 'ERR_OUT_OF_RANGE', 'plan.drainTimeout');
    }
  });

  test.each(['user', 'group'])('plan.%s is a name or an id', (key) => {
    for (const value of [null, '', {}, [], true, 5n]) refused({ [key]: value }, 'ERR_INVALID_ARG_TYPE', `plan.${key}`);
    // 2 ** 32 - 1 is "leave it as it is" to the kernel.
    for (const value of [-1, 0.5, Number.NaN, 2 ** 32 - 1, 2 ** 32]) refused({ [key]: value }, 'ERR_OUT_OF_RANGE');
    refused({ [key]: 'no-such-name' }, 'ERR_INVALID_ARG_VALUE', "'no-such-name'");
    refused({ [key]: 'with space' }, 'ERR_INVALID_ARG_VALUE');
  });

  test('plan.user brings its own group, unless the plan has one', () => {
    expect(check({ user: 'daemon' })).toMatchObject({ uid: 1, gid: 1 });
    expect(check({ user: 1 })).toMatchObject({ uid: 1, gid: 1 });
    expect(check({ user: 'daemon', group: 7 })).toMatchObject({ uid: 1, gid: 7 });
    expect(check({ user: 54_321, group: 12_345 })).toMatchObject({ uid: 54_321, gid: 12_345 });
    expect(check({ group: 'daemon' })).toMatchObject({ uid: null, gid: 1 });
    refused({ user: 54_321 }, 'ERR_INVALID_ARG_VALUE', 'give plan.group too');
  });

  test('a name with a null byte is no name', () => {
    refused({ user: 'root\0x' }, 'ERR_INVALID_ARG_VALUE');
    refused({ group: 'daemon\0x' }, 'ERR_INVALID_ARG_VALUE');
  });
});
