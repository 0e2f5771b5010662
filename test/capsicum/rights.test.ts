import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import net from 'node:net';
import { inspect } from 'node:util';
import fc from 'fast-check';
import {
  getFcntls,
  getIoctls,
  getRights,
  limitFcntls,
  limitIoctls,
  limitRights,
  RIGHTS,
  type Right,
  Rights,
} from 'freebsd-capsule';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { native } from '../../lib/binding.ts';
import { PRIMITIVES } from '../../lib/capsicum/right-names.ts';
import { knownRights } from '../../lib/capsicum/rights.ts';
import { toFd } from '../../lib/descriptor.ts';
import { caught } from '../support/caught.ts';
import { openDescriptors, ScratchFiles } from '../support/descriptors.ts';
import { inChild } from '../support/in-child.ts';

const files = new ScratchFiles();
afterEach(() => files.closeAll());
afterAll(() => files.remove());

// The model: a set of rights is the bits that the kernel's header gives them.
const INDEX_BITS = (0x1fn << 57n) | (0x1fn << (64n + 57n));
const bits = new Map(
  native('test')
    .rightsTable()
    .map(([name, ...words]) => [
      name as Right,
      words.reduce((sum, word, index) => sum | (BigInt(word) << BigInt(32 * index)), 0n) & ~INDEX_BITS,
    ]),
);
const modelOf = (names: Iterable<Right>): bigint =>
  [...names].reduce((sum, name) => sum | (bits.get(name) as bigint), 0n);
const modelHas = (model: bigint, name: Right) => (model & modelOf([name])) === modelOf([name]);

/** What can be seen of a set through `has`. */
const held = <R extends Right>(rights: Rights<R>) => RIGHTS.filter((name) => rights.has(name));
const modelHeld = (model: bigint) => RIGHTS.filter((name) => modelHas(model, name));

const names = fc.array(fc.constantFrom(...RIGHTS), { maxLength: 12 });

describe('Rights, against sets of bits', () => {
  test('of() has what its names stand for', () => {
    fc.assert(
      fc.property(names, (some) => {
        expect(held(Rights.of(...some))).toEqual(modelHeld(modelOf(some)));
      }),
    );
  });

  test('union, intersection and difference', () => {
    fc.assert(
      fc.property(names, names, (a, b) => {
        const [x, y] = [Rights.of(...a), Rights.of(...b)];
        expect(held(x.union(y))).toEqual(modelHeld(modelOf(a) | modelOf(b)));
        expect(held(x.intersection(y))).toEqual(modelHeld(modelOf(a) & modelOf(b)));
        expect(held(x.difference(y))).toEqual(modelHeld(modelOf(a) & ~modelOf(b)));
      }),
    );
  });

  test('with and without are union and difference with names', () => {
    fc.assert(
      fc.property(names, names, (a, b) => {
        const x = Rights.of(...a);
        expect(x.with(...b).equals(x.union(Rights.of(...b)))).toBe(true);
        expect(x.without(...b).equals(x.difference(Rights.of(...b)))).toBe(true);
        expect(held(x.without(...b))).toEqual(modelHeld(modelOf(a) & ~modelOf(b)));
      }),
    );
  });

  test('subset, superset and equality', () => {
    fc.assert(
      fc.property(names, names, (a, b) => {
        const [x, y, m, n] = [Rights.of(...a), Rights.of(...b), modelOf(a), modelOf(b)];
        expect(x.isSubsetOf(y)).toBe((m & ~n) === 0n);
        expect(x.isSupersetOf(y)).toBe((n & ~m) === 0n);
        expect(x.equals(y)).toBe(m === n);
        expect(x.intersection(y).isSubsetOf(x)).toBe(true);
        expect(x.union(y).isSupersetOf(x)).toBe(true);
      }),
    );
  });

  test('neither order nor duplicates matter', () => {
    fc.assert(
      fc.property(names, (some) => {
        const x = Rights.of(...some);
        expect(Rights.of(...some, ...some.toReversed()).equals(x)).toBe(true);
        expect([...Rights.of(...some.toReversed())]).toEqual([...x]);
      }),
    );
  });

  test('iterating gives the fewest names that make the set again, in the order of the header', () => {
    fc.assert(
      fc.property(names, (some) => {
        const rights = Rights.of(...some);
        const listed: Right[] = [...rights];
        expect(Rights.from(listed).equals(rights)).toBe(true);
        expect(rights.size).toBe(listed.length);
        for (const name of listed) {
          const others = listed.filter((other) => other !== name);
          expect(Rights.from(others).equals(rights), `${name} is one too many`).toBe(false);
        }
        expect(listed).toEqual(RIGHTS.filter((name) => listed.includes(name)));
      }),
    );
  });

  test('a bit that has lost what it needs is listed, so that a difference can be named, but not had', () => {
    const bare = Rights.of('mkdirat').without('lookup');
    expect(bare.has('mkdirat')).toBe(false);
    expect([...bare]).toEqual(['mkdirat']);
    expect(bare.equals(Rights.NONE)).toBe(false);
    expect(bare.isSubsetOf(Rights.of('mkdirat'))).toBe(true);
  });

  test('what a descriptor was limited to is what it has, to the bit', () => {
    fc.assert(
      fc.property(names, names, (a, b) => {
        const fd = openSync(files.file, 'r');
        try {
          const rights = Rights.of(...a)
            .without(...b)
            .intersection(knownRights());
          limitRights(fd, rights);
          expect(getRights(fd).equals(rights)).toBe(true);
        } finally {
          closeSync(fd);
        }
      }),
    );
  });
});

describe('a set of rights', () => {
  test("composites are the kernel's", () => {
    expect([...Rights.of('pread')]).toEqual(['read', 'seek']);
    expect(Rights.of('seek', 'read').has('pread')).toBe(true);
    expect([...Rights.of('mmap_rwx')]).toEqual(['read', 'write', 'mmap_x']);
    expect(Rights.of('recv').equals(Rights.of('read'))).toBe(true);
    expect([...Rights.of('sock_server')]).toEqual([
      ...['read', 'write', 'accept', 'bind', 'getpeername', 'getsockname', 'getsockopt', 'listen', 'peeloff'],
      ...['setsockopt', 'shutdown'],
    ]);
    expect(Rights.of('sock_server').has('connect')).toBe(false);
    expect(Rights.of('sock_client').has('accept')).toBe(false);
    expect(Rights.of('unlinkat').has('lookup')).toBe(true);
    expect(Rights.of('lookup').has('unlinkat')).toBe(false);
  });

  test('taking away a composite takes away each of its bits', () => {
    const rights = Rights.of('pread', 'fstat').without('pread');
    expect([...rights]).toEqual(['fstat']);
    expect(rights.has('seek_tell')).toBe(false);
  });

  test('NONE is empty', () => {
    expect(Rights.NONE.size).toBe(0);
    expect([...Rights.NONE]).toEqual([]);
    expect(RIGHTS.some((name) => Rights.NONE.has(name))).toBe(false);
    expect(Rights.of().equals(Rights.NONE)).toBe(true);
  });

  test('all rights together are the primitive ones', () => {
    const all = Rights.of(...RIGHTS);
    expect(held(all)).toEqual(RIGHTS);
    expect(Rights.of(...(Object.keys(PRIMITIVES) as Right[])).equals(all)).toBe(true);
  });

  test('prints its names', () => {
    expect(inspect(Rights.of('write', 'read'))).toBe('Rights { read | write }');
    expect(inspect(Rights.NONE)).toBe('Rights { }');
    expect(`${Rights.of('pread')}`).toBe('read seek');
    expect(`${Rights.NONE}`).toBe('');
    expect(inspect({ rights: Rights.of('read') })).toBe('{ rights: Rights { read } }');
  });

  test('serialises as its names, which make it again', () => {
    const rights = Rights.of('sock_server', 'event');
    const json = JSON.stringify(rights);
    expect(json).toBe(JSON.stringify([...rights]));
    expect(Rights.from(JSON.parse(json) as Right[]).equals(rights)).toBe(true);
    expect(JSON.stringify(Rights.NONE)).toBe('[]');
  });

  test('can be iterated more than once, and at the same time', () => {
    const rights = Rights.of('read', 'write');
    const first = rights[Symbol.iterator]();
    first.next();
    expect([...rights]).toEqual(['read', 'write']);
    expect(first.next().value).toBe('write');
    expect(first.next().done).toBe(true);
  });

  test('cannot be changed', () => {
    const rights = Rights.of('read');
    expect(Object.isFrozen(rights)).toBe(true);
    expect(caught(() => Object.assign(rights, { size: 5 }))).toBeInstanceOf(TypeError);
    rights.with('write');
    rights.without('read');
    rights.union(Rights.of('write'));
    rights.difference(rights);
    expect([...rights]).toEqual(['read']);
    expect(Object.isFrozen(RIGHTS)).toBe(true);
    expect(Object.isFrozen(Rights.NONE)).toBe(true);
  });

  test('from() takes sets, lists and generators, and a set as it is', () => {
    const rights = Rights.of('read');
    expect(Rights.from(rights)).toBe(rights);
    expect([...Rights.from(new Set<Right>(['fstat', 'read']))]).toEqual(['read', 'fstat']);
    function* generate(): Generator<Right> {
      yield 'write';
    }
    expect([...Rights.from(generate())]).toEqual(['write']);
  });
});

describe('bad arguments of Rights', () => {
  const anything = Rights as unknown as Record<'of' | 'from', (...args: unknown[]) => unknown>;
  const rights = Rights.of('read') as unknown as Record<string, (...args: unknown[]) => unknown>;
  const notNames = [undefined, null, 0, 1n, true, Symbol('read'), {}, ['read'], Rights.of('read'), () => 'read'];
  const noRights = [
    '',
    'READ',
    'CAP_READ',
    'cap_read',
    'read ',
    'nope',
    '__proto__',
    'constructor',
    'toString',
    'read\0',
  ];

  test.each(['of', 'has', 'with', 'without'])(
    '%s() refuses what is no name, and names that rights(4) has not',
    (method) => {
      const call = (...args: unknown[]) => (method === 'of' ? anything.of(...args) : rights[method]?.(...args));
      for (const value of notNames) expect(caught(() => call(value)).code).toBe('ERR_INVALID_ARG_TYPE');
      for (const value of noRights) {
        expect(caught(() => call(value)).code).toBe('ERR_INVALID_ARG_VALUE');
        // The known ones before it do not help.
        if (method !== 'has') expect(caught(() => call('write', value)).message).toContain(inspect(value));
      }
    },
  );

  test('from() refuses what cannot be iterated', () => {
    for (const value of [undefined, null, 0, 'read', true, {}, () => [], Symbol('x'), { length: 1, 0: 'read' }]) {
      expect(caught(() => anything.from(value)).code).toBe('ERR_INVALID_ARG_TYPE');
    }
    for (const value of noRights) expect(caught(() => anything.from([value])).code).toBe('ERR_INVALID_ARG_VALUE');
  });

  test.each(['union', 'intersection', 'difference', 'isSubsetOf', 'isSupersetOf', 'equals'])(
    '%s() refuses what is no Rights',
    (method) => {
      for (const value of [
        ...notNames.filter((value) => !(value instanceof Rights)),
        'read',
        ['read'],
        new Set(['read']),
      ]) {
        expect(caught(() => rights[method]?.(value)).code).toBe('ERR_INVALID_ARG_TYPE');
      }
    },
  );

  test('an object that only looks like Rights has no bits to give', () => {
    const impostor = Object.create(Rights.prototype) as Rights;
    expect(caught(() => Rights.of('read').union(impostor))).toBeInstanceOf(TypeError);
    expect(caught(() => limitRights(files.open(), impostor))).toBeInstanceOf(TypeError);
  });

  test('exceptions of iterators are passed on, with nothing done', () => {
    const mine = new RangeError('mine');
    const fd = files.open();
    const before = getRights(fd);
    const throwing: Iterable<Right> = {
      *[Symbol.iterator]() {
        yield 'read';
        throw mine;
      },
    };
    expect(caught(() => Rights.from(throwing))).toBe(mine);
    expect(caught(() => limitRights(fd, throwing))).toBe(mine);
    const getter = Object.defineProperty(['read'], 0, {
      get() {
        throw mine;
      },
    }) as Right[];
    expect(caught(() => limitRights(fd, getter))).toBe(mine);
    expect(getRights(fd).equals(before)).toBe(true);
  });
});

/** Everything that can be limited about a descriptor. */
const limitsOf = (fd: number) => ({ rights: [...getRights(fd)], ioctls: getIoctls(fd), fcntls: getFcntls(fd) });

describe('limitRights', () => {
  test('a fresh descriptor has every right the kernel knows', () => {
    const fd = files.open();
    expect(getRights(fd).equals(knownRights())).toBe(true);
    expect(getIoctls(fd)).toBe('all');
    expect(getFcntls(fd)).toEqual(['getfl', 'setfl', 'getown', 'setown']);
  });

  test('each right by itself comes back, with what it brings along', () => {
    for (const name of RIGHTS.filter((right) => knownRights().has(right))) {
      const fd = files.open();
      limitRights(fd, [name]);
      expect([name, held(getRights(fd))]).toEqual([name, held(Rights.of(name))]);
    }
  });

  test('narrows step by step, and never back', () => {
    const fd = files.open();
    limitRights(fd, ['read', 'write', 'fstat']);
    limitRights(fd, ['read', 'fstat']);
    limitRights(fd, ['read']);
    expect([...getRights(fd)]).toEqual(['read']);
    for (const wider of [['read', 'write'], ['fstat'], ['pread'], [...knownRights()]] as Right[][]) {
      const error = caught(() => limitRights(fd, wider));
      expect(error).toMatchObject({ code: 'ENOTCAPABLE', errno: -93, syscall: 'cap_rights_limit', fd });
      expect([...getRights(fd)]).toEqual(['read']);
    }
    limitRights(fd, []);
    expect(getRights(fd).equals(Rights.NONE)).toBe(true);
    expect(caught(() => limitRights(fd, ['read'])).code).toBe('ENOTCAPABLE');
  });

  test('to what it has already changes nothing', () => {
    const fd = files.open();
    const before = limitsOf(fd);
    limitRights(fd, knownRights());
    expect(limitsOf(fd)).toEqual(before);
  });

  test('takes names more than once', () => {
    const fd = files.open();
    limitRights(fd, ['read', 'read', 'pread', 'read']);
    expect([...getRights(fd)]).toEqual(['read', 'seek']);
  });

  test('losing ioctl or fcntl empties that list, and only that one', () => {
    const [one, other, both] = [files.open(), files.open(), files.open()];
    limitRights(one, ['read', 'fcntl']);
    expect(limitsOf(one)).toEqual({
      rights: ['read', 'fcntl'],
      ioctls: [],
      fcntls: ['getfl', 'setfl', 'getown', 'setown'],
    });
    limitRights(other, ['read', 'ioctl']);
    expect(limitsOf(other)).toEqual({ rights: ['read', 'ioctl'], ioctls: 'all', fcntls: [] });
    limitIoctls(both, ['FIONREAD']);
    limitFcntls(both, ['getfl']);
    limitRights(both, ['read', 'ioctl', 'fcntl']);
    expect(limitsOf(both)).toEqual({ rights: ['read', 'fcntl', 'ioctl'], ioctls: ['FIONREAD'], fcntls: ['getfl'] });
    limitRights(both, ['read']);
    expect(limitsOf(both)).toEqual({ rights: ['read'], ioctls: [], fcntls: [] });
  });

  test('a refused limit does not empty the lists', () => {
    const fd = files.open();
    limitRights(fd, ['read', 'ioctl', 'fcntl']);
    const before = limitsOf(fd);
    expect(caught(() => limitRights(fd, ['write'])).code).toBe('ENOTCAPABLE');
    expect(limitsOf(fd)).toEqual(before);
  });

  test('belongs to the number: another descriptor of the same file keeps its rights', () => {
    const [one, other] = [files.open(), files.open()];
    limitRights(one, ['read']);
    expect(getRights(other).equals(knownRights())).toBe(true);
  });

  test('ends with the descriptor: the next one under its number starts afresh', () => {
    const fd = files.open();
    limitRights(fd, []);
    closeSync(fd);
    const next = files.open();
    expect(next).toBe(fd);
    expect(getRights(next).equals(knownRights())).toBe(true);
  });

  test('wrong arguments change nothing', () => {
    const fd = files.open();
    const before = { ...limitsOf(fd), open: openDescriptors() };
    const anything = limitRights as (...args: unknown[]) => void;
    const wrong: [unknown, string][] = [
      ...[undefined, null, 0, 'read', true, {}, () => ['read'], Symbol('x'), Number.NaN].map(
        (value): [unknown, string] => [value, 'ERR_INVALID_ARG_TYPE'],
      ),
      [[0], 'ERR_INVALID_ARG_TYPE'],
      [[undefined], 'ERR_INVALID_ARG_TYPE'],
      [['read', null], 'ERR_INVALID_ARG_TYPE'],
      [['read', 'nope'], 'ERR_INVALID_ARG_VALUE'],
      [['READ'], 'ERR_INVALID_ARG_VALUE'],
      [['all'], 'ERR_INVALID_ARG_VALUE'],
    ];
    for (const [value, code] of wrong) expect(caught(() => anything(fd, value)).code).toBe(code);
    expect(caught(() => anything(fd)).code).toBe('ERR_INVALID_ARG_TYPE');
    expect({ ...limitsOf(fd), open: openDescriptors() }).toEqual(before);
  });

  test('a connection inherits from the socket that accepted it, and not from a later limit', async () => {
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const connect = async () => {
      const accepted = once(server, 'connection') as Promise<[net.Socket]>;
      const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
      const [[connection]] = await Promise.all([accepted, once(client, 'connect')]);
      return [client, connection] as const;
    };
    const before = await connect();
    const narrow = Rights.of('accept', 'read', 'write', 'event', 'setsockopt', 'shutdown', 'getsockopt', 'getsockname');
    limitRights(server, narrow);
    const after = await connect();
    expect(getRights(before[1]).equals(knownRights())).toBe(true);
    expect(getRights(after[1]).equals(narrow)).toBe(true);
    expect(getIoctls(after[1])).toEqual([]);
    expect(getFcntls(after[1])).toEqual([]);
    // The other end is nobody's heir.
    expect(getRights(after[0]).equals(knownRights())).toBe(true);
    expect(getRights(toFd(server)).equals(narrow)).toBe(true);
    for (const socket of [...before, ...after]) socket.destroy();
    server.close();
  });
});

describe.skipIf(process.platform === 'freebsd')('rights of a newer kernel', () => {
  const older = { env: { FREEBSD_CAPSULE_SIMULATED_OSRELDATE: '1402000' } };

  test.each([
    [['inotify_add'], "FreeBSD 14.2-RELEASE does not know the right 'inotify_add'"],
    [['read', 'inotify_add', 'fchroot'], "FreeBSD 14.2-RELEASE does not know the rights 'fchroot', 'inotify_add'"],
  ])('%s are named by the error of an older one, and nothing is changed', async (asked, words) => {
    const answer = await inChild(
      (api, rights) => {
        const fs = process.getBuiltinModule('node:fs');
        const fd = fs.openSync('/dev/null', 'r');
        const before = JSON.stringify(api.getRights(fd));
        try {
          api.limitRights(fd, rights as never);
          return undefined;
        } catch (error) {
          const { code, errno, syscall, message, stack, fd: named } = error as NodeJS.ErrnoException & { fd: number };
          const unchanged = JSON.stringify(api.getRights(fd)) === before;
          return { code, errno, syscall, message, stack, sameFd: named === fd, unchanged };
        }
      },
      { ...older, input: asked },
    );
    expect(answer).toMatchObject({
      code: 'EINVAL',
      errno: -22,
      syscall: 'cap_rights_limit',
      sameFd: true,
      unchanged: true,
    });
    expect(answer?.message).toBe(`EINVAL: invalid argument, cap_rights_limit: ${words}`);
    // What an uncaught error prints.
    expect(answer?.stack).toContain(words);
  });

  test('are not among those of a fresh descriptor there, and all others work', async () => {
    const [has, limited] = await inChild((api) => {
      const fs = process.getBuiltinModule('node:fs');
      const fd = fs.openSync('/dev/null', 'r');
      const fresh = api.getRights(fd);
      api.limitRights(fd, fresh);
      return [
        ['inotify_add', 'inotify_rm', 'fchroot', 'read'].map((name) => fresh.has(name as 'read')),
        fresh.size > 50,
      ];
    }, older);
    expect(has).toEqual([false, false, false, true]);
    expect(limited).toBe(true);
  });
});
