import { RIGHTS, type Right, Rights } from 'freebsd-capsule';
import { afterAll, describe, expect, test } from 'vitest';
import { native } from '../lib/binding.ts';
import { IOCTLS } from '../lib/capsicum/ioctls.ts';
import { COMPOSITES, PRIMITIVES } from '../lib/capsicum/right-names.ts';
import type { DirectoryCalls, NativeBinding, NativeSimulation, NativeSpawnOrder } from '../lib/native.ts';
import { caught } from './support/caught.ts';
import { openDescriptors, ScratchFiles } from './support/descriptors.ts';

const binding = native('test');
const files = new ScratchFiles();
afterAll(() => files.remove());

/** What each argument is, so that each can be given something else. */
type Argument =
  | 'fd'
  | 'word'
  | 'words'
  | 'commands'
  | 'name or id'
  | 'name'
  | 'id or null'
  | 'boolean'
  | 'function'
  | 'order'
  | 'names'
  | 'bytes'
  | 'path'
  | 'octets'
  | 'int'
  | 'safe';
type Member = 'value' | readonly Argument[];

const NAMES = {
  openAt: ['fd', 'path', 'int', 'word'],
  readFileAt: ['fd', 'path', 'int', 'word', 'word'],
  writeFileAt: ['fd', 'path', 'int', 'word', 'octets', 'word'],
  statAt: ['fd', 'path', 'word'],
  accessAt: ['fd', 'path', 'int'],
  makeDirectoryAt: ['fd', 'path', 'word'],
  unlinkAt: ['fd', 'path', 'word'],
  renameAt: ['fd', 'path', 'fd', 'path'],
  linkAt: ['fd', 'path', 'fd', 'path'],
  symlinkAt: ['path', 'fd', 'path'],
  readLinkAt: ['fd', 'path'],
  changeModeAt: ['fd', 'path', 'word', 'word'],
  changeOwnerAt: ['fd', 'path', 'word', 'word', 'word'],
  setTimesAt: ['fd', 'path', 'safe', 'word', 'safe', 'word', 'word'],
  readDirectoryAt: ['fd', 'path'],
  bindAt: ['fd', 'path'],
  connectAt: ['fd', 'path'],
} as const satisfies Record<keyof DirectoryCalls, Member>;

/** Each has a form for the pool, with the same arguments. */
const CALLS_ON_NAMES = {
  ...NAMES,
  ...(Object.fromEntries(Object.entries(NAMES).map(([name, member]) => [`${name}Async`, member])) as {
    [Name in keyof typeof NAMES as `${Name}Async`]: (typeof NAMES)[Name];
  }),
};

// The compiler compares these lists with the contract, the first test with the addon.
const CONTRACT = {
  kernelKind: 'value',
  kernelRelease: [],
  kernelOsreldate: [],
  rightsTable: [],
  ioctlTable: [],
  capEnter: [],
  capGetMode: [],
  capRightsLimit: ['fd', 'word', 'word', 'word', 'word'],
  capRightsGet: ['fd', 'words'],
  capRightsKnown: ['words'],
  capIoctlsLimit: ['fd', 'commands'],
  capIoctlsGet: ['fd'],
  capFcntlsLimit: ['fd', 'word'],
  capFcntlsGet: ['fd'],
  listDescriptors: [],
  openDescriptors: [],
  ...CALLS_ON_NAMES,
  setResolveBeneath: ['fd'],
  closeHeld: ['fd'],
  releaseHeld: ['fd'],
  retireDescriptor: ['fd'],
  poolHold: ['word', 'word'],
  poolHeld: [],
  poolRelease: [],
  watchEvent: ['name', 'fd', 'function'],
  unwatchEvent: ['word'],
  refEvent: ['word', 'boolean'],
  spawn: ['order'],
  letExecute: ['fd'],
  duplicateDescriptor: ['fd'],
  socketPair: [],
  findJail: ['name'],
  pdAdopt: ['fd', 'boolean'],
  pdCheck: ['fd'],
  pdClose: ['fd'],
  pdKill: ['fd', 'fd'],
  pdReap: ['fd'],
  jailSet: ['names', 'bytes', 'fd', 'fd'],
  jailGet: ['names', 'bytes', 'fd', 'fd'],
  jailAttach: ['fd'],
  jailRemove: ['fd'],
  jailRemoveDescriptor: ['fd'],
  jailParameters: [],
  isJailed: [],
  processes: [],
  reaperOf: ['fd'],
  processReach: ['fd'],
  mounts: [],
  disableCoreDumps: [],
  noNewPrivileges: [],
  disableTracing: [],
  initialVariable: ['name'],
  lookUpUser: ['name or id'],
  lookUpGroup: ['name'],
  switchUser: ['id or null', 'id or null'],
} as const satisfies Record<keyof NativeBinding, Member>;

const SIMULATION_ONLY = { simulatedClosing: ['fd'], simulatedClose: ['fd', 'word'] } as const satisfies Record<
  Exclude<keyof NativeSimulation, keyof NativeBinding>,
  Member
>;

const contract: Record<string, Member> = {
  ...CONTRACT,
  ...(binding.kernelKind === 'simulated' ? SIMULATION_ONLY : {}),
};

describe('the contract', () => {
  test('the addon exports what it names, and nothing else', () => {
    expect(Object.keys(binding).sort()).toEqual(Object.keys(contract).sort());
  });

  test.each(Object.entries(contract))('%s is of its type', (name, member) => {
    const value = binding[name as keyof NativeBinding];
    expect(typeof value).toBe(member === 'value' ? 'string' : 'function');
    // What a stack trace calls it.
    if (typeof value === 'function') expect(value.name).toBe(name);
  });

  test('the kernel is the one of this platform', () => {
    expect(binding.kernelKind).toBe(process.platform === 'freebsd' ? 'freebsd' : 'simulated');
  });
});

type Words = readonly [bigint, bigint];

/** Bits 57 to 61 say which word it is, not which rights. */
const INDEX_BITS = 0x1fn << 57n;

const wordsOf = new Map<string, Words>(
  binding
    .rightsTable()
    .map(([name, w0, w1, w2, w3]) => [name, [(BigInt(w1) << 32n) | BigInt(w0), (BigInt(w3) << 32n) | BigInt(w2)]]),
);
const bitsOf = (name: string): bigint => {
  const [first, second] = wordsOf.get(name) as Words;
  return ((second & ~INDEX_BITS) << 64n) | (first & ~INDEX_BITS);
};

describe('the table of rights', () => {
  test('names the rights that RIGHTS names, each once', () => {
    const names = binding.rightsTable().map(([name]) => name);
    expect(new Set(names).size).toBe(names.length);
    expect([...names].sort()).toEqual([...RIGHTS].sort());
  });

  test.each([...wordsOf])('%s is in one word, under the index of that word', (_, [first, second]) => {
    expect([first === 0n, second === 0n].filter(Boolean)).toHaveLength(1);
    if (second === 0n) expect(first & INDEX_BITS).toBe(1n << 57n);
    else expect(second & INDEX_BITS).toBe(1n << 58n);
  });

  test.each(Object.entries(PRIMITIVES))('%s has what it brings along and one bit of its own', (name, members) => {
    const brought = (members as readonly string[]).reduce((bits, member) => bits | bitsOf(member), 0n);
    expect(bitsOf(name) & brought).toBe(brought);
    const own = bitsOf(name) & ~brought;
    expect(own.toString(2)).toMatch(/^10*$/);
    // And nobody else's own.
    for (const other of Object.keys(PRIMITIVES) as Right[]) {
      if ((bitsOf(other) & own) !== 0n) expect(Rights.of(other).has(name as Right), `${other} has ${name}`).toBe(true);
    }
  });

  test.each(Object.entries(COMPOSITES))('%s is its members together', (name, members) => {
    expect(bitsOf(name)).toBe((members as readonly string[]).reduce((bits, member) => bits | bitsOf(member), 0n));
  });

  test('of every two rights, Rights says as the header does whether one has the other', () => {
    const wrong: string[] = [];
    for (const big of RIGHTS) {
      const rights = Rights.of(big);
      for (const little of RIGHTS) {
        if (rights.has(little) !== ((bitsOf(big) & bitsOf(little)) === bitsOf(little))) wrong.push(`${big} ${little}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('a fresh descriptor has all of them, and no kernel has fewer than none of ours', () => {
    const known = new Uint32Array(4);
    binding.capRightsKnown(known);
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = known;
    const all = (((BigInt(w3) << 32n) | BigInt(w2)) << 64n) | (BigInt(w1) << 32n) | BigInt(w0);
    const unknown = RIGHTS.filter((name) => (all & bitsOf(name)) !== bitsOf(name));
    expect(unknown).toEqual(binding.kernelOsreldate() >= 1500000 ? [] : ['fchroot', 'inotify_add', 'inotify_rm']);
  });
});

test('the table of ioctls has the names and numbers of IOCTLS', () => {
  const table = binding.ioctlTable().map(([name, command]) => [name, command]);
  expect(Object.fromEntries(table)).toEqual(IOCTLS);
  expect(table).toHaveLength(Object.keys(IOCTLS).length);
});

describe('arguments that TypeScript would have stopped', () => {
  const detached = () => {
    const words = new Uint32Array(4);
    structuredClone(words, { transfer: [words.buffer] });
    return words;
  };
  const notNumbers = [undefined, 'x', '3', true, {}, [], 3n, Symbol('s'), () => 3];
  const notIntegers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.5, 2 ** 53];
  const bad: Record<Argument, readonly unknown[]> = {
    fd: [null, ...notNumbers, ...notIntegers, 2 ** 31, -(2 ** 31) - 1],
    word: [null, ...notNumbers, ...notIntegers, -1, 2 ** 32],
    words: [
      ...[null, ...notNumbers, 4, new Uint32Array(0), new Uint32Array(3), new Uint32Array(5), new Int32Array(4)],
      ...[
        new Float64Array(4),
        new BigUint64Array(4),
        new Uint8Array(16),
        new ArrayBuffer(16),
        [0, 0, 0, 0],
        detached(),
      ],
      new DataView(new ArrayBuffer(16)),
    ],
    commands: [
      ...[undefined, 'all', 5, {}, new Set([1]), new Uint32Array(1), { length: 1, 0: 1 }, [undefined], ['FIONREAD']],
      ...[[-1], [0.5], [Number.NaN], [2 ** 53], Array(2), new Array(2 ** 32 - 1), new Proxy([1], {})],
    ],
    'name or id': [undefined, null, true, {}, [], 3n, Symbol('s'), -1, 0.5, Number.NaN, 2 ** 32, 'with\0null'],
    name: [undefined, null, 0, true, {}, [], 3n, Symbol('s'), 'with\0null'],
    'id or null': [...notNumbers, ...notIntegers, -1, 2 ** 32],
    // Its parts are in the test below.
    order: [undefined, null, 0, 'x', true, 3n, Symbol('s'), {}, []],
    names: [...[undefined, null, 'x', {}, new Set(['x']), [undefined], [5], [null], ['a\0b']], new Proxy(['x'], {})],
    bytes: [
      ...[undefined, null, {}, new Uint8Array(1), [], [undefined], [5], ['x'], [[]], [new Uint16Array(1)]],
      ...[[new ArrayBuffer(1)], [new DataView(new ArrayBuffer(1))], [null, null], new Proxy([null], {})],
    ],
    boolean: [undefined, null, 0, 'true', {}, [], 3n, Symbol('s')],
    function: [undefined, null, 0, 'x', true, {}, [], 3n, Symbol('s')],
    path: [undefined, null, 0, true, {}, [], 3n, Symbol('s'), 'with\0null', Buffer.from('\0'), new Uint16Array(1)],
    octets: [
      undefined,
      null,
      0,
      true,
      {},
      [],
      'x',
      new Uint16Array(1),
      new ArrayBuffer(1),
      new DataView(new ArrayBuffer(1)),
    ],
    int: [null, ...notNumbers, ...notIntegers, 2 ** 31, -(2 ** 31) - 1],
    safe: [null, ...notNumbers, ...notIntegers],
  };
  // A descriptor nobody has, in case a bad argument behind it were let through.
  const good: Record<Argument, unknown> = {
    fd: 2 ** 31 - 1,
    word: 0,
    words: new Uint32Array(4),
    commands: [],
    'name or id': 'root',
    name: 'wheel',
    'id or null': null,
    names: ['x'],
    bytes: [null],
    boolean: true,
    function: () => {},
    order: {},
    path: 'x',
    octets: new Uint8Array(1),
    int: 0,
    safe: 0,
  };

  const taking = Object.entries(contract).filter(([, member]) => member !== 'value' && member.length > 0);

  test.each(taking)('%s refuses each of them, and changes nothing', (name, member) => {
    const call = binding[name as keyof NativeBinding] as (...args: unknown[]) => unknown;
    const before = openDescriptors();
    (member as readonly Argument[]).forEach((kind, index) => {
      for (const value of bad[kind]) {
        const args = (member as readonly Argument[]).map((other, position) =>
          position === index ? value : good[other],
        );
        const error = caught(() => call(...args));
        expect(error).toBeInstanceOf(TypeError);
        expect(error.code).toBe('ERR_INVALID_ARG_TYPE');
        expect(error.message).toContain(`Native argument ${index} `);
      }
      // Too few: all of those before it, and nothing here.
      const tooFew = (member as readonly Argument[]).slice(0, index).map((other) => good[other]);
      expect(caught(() => call(...tooFew)).code).toBe('ERR_INVALID_ARG_TYPE');
    });
    expect(openDescriptors()).toEqual(before);
    expect(binding.capGetMode()).toBe(false);
    expect(binding.poolHeld()).toBe(0);
  });

  test('an order that is not complete starts nothing', () => {
    const order: NativeSpawnOrder = {
      files: ['/bin/sh'],
      search: false,
      file: -1,
      args: ['sh', '-c', 'exit 0'],
      env: [],
      cwd: null,
      directory: -1,
      descriptors: [0, 0, 1, 1, 2, 2],
      limits: [],
      groups: null,
      gid: null,
      uid: null,
      jid: 0,
      jail: -1,
      session: false,
      noNewPrivileges: false,
      noTracing: false,
      capabilityMode: false,
      held: false,
      daemon: false,
    };
    const wrong: Partial<Record<keyof NativeSpawnOrder, readonly unknown[]>> = {
      files: [null, 'x', [1], ['with\0null'], Array(1)],
      search: [null, undefined, 1, 'yes'],
      file: [null, 'x', -2, 0.5, 2 ** 31, Number.NaN],
      args: [null, [3], ['with\0null']],
      env: [undefined, [{}], ['A=\0']],
      cwd: [undefined, 3, 'with\0null'],
      directory: [null, -2, 2 ** 32],
      descriptors: [null, [0], [0, -1], [0, '1'], [2 ** 31, 0], [Number.NaN, 0]],
      limits: [null, ['core'], ['core', 0], ['no-such', 0, 0], ['core', -2, 0], ['core', 0, 2 ** 60]],
      groups: [undefined, 0, [-1], [2 ** 32], ['wheel']],
      gid: [undefined, -1, 'wheel'],
      uid: [undefined, 0.5, 2 ** 33],
      jid: [null, -1, 2 ** 31],
      jail: [null, -2],
      session: [null, 0, 'true'],
      noNewPrivileges: [undefined],
      noTracing: [1],
      capabilityMode: [1],
      held: [null],
      daemon: [{}],
    };
    expect(Object.keys(wrong).sort()).toEqual(Object.keys(order).sort());
    const before = openDescriptors();
    for (const [key, values] of Object.entries(wrong)) {
      for (const value of values) {
        const error = caught(() => binding.spawn({ ...order, [key]: value }));
        expect([key, value, error.code]).toEqual([key, value, 'ERR_INVALID_ARG_TYPE']);
      }
      const mine = new RangeError('mine');
      const throwing = Object.defineProperty({ ...order }, key, {
        get() {
          throw mine;
        },
      });
      expect(caught(() => binding.spawn(throwing))).toBe(mine);
    }
    expect(openDescriptors()).toEqual(before);
  });

  test('an exception out of an element of a list is passed on as it is', () => {
    const mine = new RangeError('mine');
    const list = Object.defineProperty([1, 2, 3], 1, {
      get() {
        throw mine;
      },
    });
    const fd = files.open();
    expect(caught(() => binding.capIoctlsLimit(fd, list))).toBe(mine);
    expect(binding.capIoctlsGet(fd)).toBeNull();
  });

  test('a list that shrinks while it is read ends in an error', () => {
    const list: number[] = [1, 2, 3, 4];
    Object.defineProperty(list, 0, {
      get() {
        list.length = 1;
        return 1;
      },
    });
    const fd = files.open();
    expect(caught(() => binding.capIoctlsLimit(fd, list)).code).toBe('ERR_INVALID_ARG_TYPE');
    expect(binding.capIoctlsGet(fd)).toBeNull();
  });

  test('words that the kernel would not take are refused by it, without an abort', () => {
    const fd = files.open();
    const before = new Uint32Array(4);
    binding.capRightsGet(fd, before);
    const limits: [number, number, number, number][] = [
      // No index bits; both in one word; a word for a third; every bit there is.
      [0, 0, 0, 0],
      [0, 2 ** 25 + 2 ** 26, 0, 2 ** 26],
      [0, 2 ** 25, 0, 2 ** 27],
      [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1],
      // The two words of version 1.
      [0, 2 ** 25 + 2 ** 30, 0, 2 ** 26],
    ];
    for (const words of limits) {
      const error = caught(() => binding.capRightsLimit(fd, ...words));
      expect({ ...error }).toEqual({ errno: -22, code: 'EINVAL', syscall: 'cap_rights_limit', fd });
    }
    const after = new Uint32Array(4);
    binding.capRightsGet(fd, after);
    expect(after).toEqual(before);
  });

  test("a negative descriptor is the kernel's to refuse", () => {
    for (const fd of [-1, -(2 ** 31)]) {
      expect(caught(() => binding.capRightsGet(fd, new Uint32Array(4))).code).toBe('EBADF');
      expect(caught(() => binding.capIoctlsGet(fd)).code).toBe('EBADF');
      expect(caught(() => binding.capFcntlsGet(fd)).code).toBe('EBADF');
      expect(caught(() => binding.retireDescriptor(fd)).code).toBe('EBADF');
    }
  });
});

test('no call leaves a descriptor behind', () => {
  const fd = files.open();
  const before = openDescriptors();
  for (let round = 0; round < 10; round++) {
    binding.capRightsKnown(new Uint32Array(4));
    binding.capRightsGet(fd, new Uint32Array(4));
    binding.listDescriptors();
    binding.retireDescriptor(fd);
    binding.lookUpUser('root');
    binding.lookUpGroup('daemon');
    binding.kernelRelease();
  }
  expect(openDescriptors()).toEqual(before);
});

describe('the lists of a jail call', () => {
  test('a getter that takes bytes away takes them away before they are looked at', () => {
    const bytes = new Uint8Array(4096);
    const values: (Uint8Array | null)[] = [bytes, null];
    Object.defineProperty(values, 1, {
      get() {
        structuredClone(bytes, { transfer: [bytes.buffer] });
        return null;
      },
    });
    // Of `name` nothing is left: the kernel is asked about a jail without one.
    expect(caught(() => binding.jailGet(['name', 'jid'], values, -1, 0)).code).toBe('EINVAL');
    expect(bytes.length).toBe(0);
  });

  test('an exception out of an element is passed on as it is', () => {
    const mine = new RangeError('mine');
    const throwing = <T>(list: T[]) =>
      Object.defineProperty(list, 0, {
        get() {
          throw mine;
        },
      });
    expect(caught(() => binding.jailGet(throwing(['name']), [null], -1, 0))).toBe(mine);
    expect(caught(() => binding.jailGet(['name'], throwing([null]), -1, 0))).toBe(mine);
  });

  test('are whatever the kernel makes of them', () => {
    const zero = new Uint8Array(4);
    expect(caught(() => binding.jailGet([], [], -1, 0)).message).toContain('no jail specified');
    expect(caught(() => binding.jailGet(['lastjid'], [new Uint8Array(3)], -1, 0)).code).toBe('EINVAL');
    expect(caught(() => binding.jailGet(['jid'], [zero], -1, 0x1000)).code).toBe('EINVAL');
    expect(caught(() => binding.jailGet(['jid'], [zero], -1, 0x10)).code).toBe('EBADF');
    expect(caught(() => binding.jailGet(Array(600).fill('jid'), Array(600).fill(zero), -1, 0)).code).toBe('EINVAL');
    expect(caught(() => binding.jailGet(['jid'], [new Uint8Array(70_000)], -1, 0)).code).toBe('EINVAL');
  });
});

describe('a retired descriptor', () => {
  test('keeps its number, leads nowhere and has no rights', () => {
    const fd = files.open();
    const before = openDescriptors();
    binding.retireDescriptor(fd);
    expect(openDescriptors()).toEqual(before);
    const words = new Uint32Array(4);
    binding.capRightsGet(fd, words);
    expect([...words]).toEqual([0, 2 ** 25, 0, 2 ** 26]);
    const record = binding.listDescriptors().find((descriptor) => descriptor.fd === fd);
    // KF_TYPE_EVENTFD
    expect(record).toMatchObject({ type: 13, path: '' });
    expect(record?.closeOnExec).toBe(true);
    expect(binding.capIoctlsGet(fd)).toEqual([]);
    expect(binding.capFcntlsGet(fd)).toBe(0);
  });
});

describe('users and groups', () => {
  test('are found by name and number', () => {
    expect(binding.lookUpUser('root')).toEqual({ uid: 0, gid: 0 });
    expect(binding.lookUpUser(0)).toEqual({ uid: 0, gid: 0 });
    expect(binding.lookUpUser('daemon')).toEqual({ uid: 1, gid: 1 });
    expect(binding.lookUpGroup('daemon')).toBe(1);
  });

  test('that do not exist are undefined', () => {
    expect(binding.lookUpUser('no-such-user')).toBeUndefined();
    expect(binding.lookUpUser(2 ** 32 - 7)).toBeUndefined();
    expect(binding.lookUpGroup('no-such-group')).toBeUndefined();
    expect(binding.lookUpUser('')).toBeUndefined();
    expect(binding.lookUpUser('x'.repeat(100_000))).toBeUndefined();
  });
});

describe('the hold of the thread pool', () => {
  test('a hold that times out says so and lets the threads go', async () => {
    // More than there are: the pool has 4 unless told otherwise.
    expect(await binding.poolHold(512, 20)).toBe(false);
    expect(binding.poolHeld()).toBe(0);
    const { stat } = await import('node:fs/promises');
    expect((await stat(files.file)).isFile()).toBe(true);
  });

  test('a held pool does no work until it is released', async () => {
    expect(await binding.poolHold(4, 10_000)).toBe(true);
    expect(binding.poolHeld()).toBeGreaterThanOrEqual(4);
    const { stat } = await import('node:fs/promises');
    let done = false;
    const work = stat(files.file).then(() => {
      done = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(done).toBe(false);
    binding.poolRelease();
    await work;
    expect(binding.poolHeld()).toBe(0);
  });

  test('a second hold ends the first', async () => {
    const first = binding.poolHold(512, 60_000);
    const second = binding.poolHold(4, 10_000);
    expect(await first).toBe(false);
    expect(await second).toBe(true);
    binding.poolRelease();
  });

  test('releasing nothing is no error', () => {
    binding.poolRelease();
    expect(binding.poolHeld()).toBe(0);
  });
});
