/**
 * Whatever anything public is given, it answers with a value, an argument error or a system error. It does not crash,
 * hangs nothing and leaks no descriptor.
 *
 * What is public is read from the exports: each function, constructor, static, method and getter is called. One that is
 * new is among them at once, or fails the test for want of an instance to call it on.
 *
 * `CAPSULE_PROPERTY_SECONDS` goes on for so long, `CAPSULE_PROPERTY_SEED` does it again.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type fc from 'fast-check';
import type * as capsule from 'freebsd-capsule';
import { expect, test } from 'vitest';
import { childOutcome } from '../support/in-child.ts';

interface Order {
  /** Modules to import. */
  readonly fastCheck: string;
  readonly testing: string;
  readonly seed: number;
  /** Goes on with further seeds for so long; once at least. */
  readonly seconds: number;
  /** Of each name, in one round. */
  readonly runs: number;
  /** Names that are not called. */
  readonly excluded: readonly string[];
  /** Calls this one, once, and nothing else. */
  readonly only?: string;
}

interface Verdict {
  /** Names of what is public: `limitRights`, `new Jail`, `Jail.create`, `Jail#set`. */
  readonly names: readonly string[];
  readonly calls: Readonly<Record<string, number>>;
  readonly kinds: Readonly<Record<string, number>>;
  readonly complaint?: string;
}

/** Names that cannot be called in a process that is to go on, and why: each is tried in processes of its own. */
const IRREVERSIBLE: Readonly<Record<string, string>> = {
  enter: 'nothing leaves capability mode',
  seal: 'nothing leaves capability mode',
  'Jail#attach': 'nothing leaves a jail',
  'JailDescriptor#attach': 'nothing leaves a jail',
};

/** Runs in a child. */
async function callWithAnything(
  api: typeof capsule,
  { fastCheck, testing, seed, seconds, runs, only, excluded }: Order,
): Promise<Verdict> {
  const fs = process.getBuiltinModule('node:fs');
  const { tmpdir } = process.getBuiltinModule('node:os');
  const { join } = process.getBuiltinModule('node:path');
  // Not written as an import, which would be rewritten on the way here.
  const load = new Function('path', 'return import(path)') as (path: string) => Promise<unknown>;
  const check = (await load(fastCheck)) as typeof fc;
  const modules = [api, await load(testing)] as Record<string, unknown>[];

  type Call = (...args: unknown[]) => unknown;
  const mine = new RangeError('mine');
  const throwing = (): never => {
    throw mine;
  };

  // --- What a call finds: a folder of its own, and three descriptors. ---

  const home = fs.mkdtempSync(join(tmpdir(), 'freebsd-capsule-test-'));
  const furnish = () => {
    fs.rmSync(home, { recursive: true, force: true });
    fs.mkdirSync(join(home, 'folder/inner'), { recursive: true });
    fs.writeFileSync(join(home, 'file'), 'content\n');
    fs.symlinkSync('file', join(home, 'link'));
    fs.symlinkSync('/etc/passwd', join(home, 'way-out'));
  };
  const opened: number[] = [];
  /** Stands for a descriptor that is opened for the call: what a call limits, or closes, stays so. */
  class Opened {
    readonly path: string;
    constructor(path: string) {
      this.path = path;
    }
  }
  const open = (value: unknown): unknown => {
    if (value instanceof Opened) {
      const fd = fs.openSync(value.path.startsWith('/') ? value.path : join(home, value.path), 'r');
      opened.push(fd);
      return fd;
    }
    if (Array.isArray(value)) return value.map(open);
    if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
    const entries = Object.entries(Object.getOwnPropertyDescriptors(value));
    if (!entries.some(([, { value: inner }]) => inner instanceof Opened)) return value;
    return Object.fromEntries(entries.map(([key, { value: inner }]) => [key, open(inner)]));
  };

  const closeOpened = () => {
    for (const fd of opened.splice(0)) {
      try {
        fs.closeSync(fd);
      } catch (error) {
        // A call may take the descriptor over, and close it.
        if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
      }
    }
  };

  // --- Arguments. ---

  const file = check.constantFrom(new Opened('file'), new Opened('/dev/null'), new Opened('folder'));
  const number = check.oneof(
    check.integer({ min: 200_000, max: 2 ** 31 - 1 }),
    check.constantFrom(0, 1, 8, 0o644),
    check.constantFrom(-1, Number.NaN, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, Number.POSITIVE_INFINITY, -0.5),
  );
  const path = check.constantFrom<unknown>(
    ...[
      'file',
      'folder',
      'link',
      'new',
      'folder/new',
      'way-out',
      'nowhere/file',
      '.',
      '',
      '..',
      '../file',
      '/etc/passwd',
    ],
    ...['a\0b', 'x'.repeat(5000), Buffer.from('file'), Buffer.from([255, 254]), new URL('file:///etc'), '/bin/true'],
  );
  const names = check.array(
    check.oneof(
      { weight: 6, arbitrary: check.constantFrom<unknown>(...api.RIGHTS) },
      check.constantFrom<unknown>('FIONREAD', 'FIONBIO', 'getfl', 'setfl', 'all', 0, 5, -1, 2 ** 32),
      check.anything(),
    ),
    { maxLength: 6 },
  );
  const hostile = check.constantFrom<unknown>(
    Object.defineProperty({}, 'fd', { get: throwing, enumerable: true }),
    Object.defineProperty({}, 'rights', { get: throwing, enumerable: true }),
    // fast-check itself looks for a symbol in every value.
    new Proxy({}, { get: (_, key) => typeof key === 'string' && throwing(), ownKeys: throwing }),
    { [Symbol.iterator]: throwing },
    { [Symbol.iterator]: () => ({ next: throwing }) },
    { [Symbol.iterator]: () => ({}) },
    { [Symbol.toPrimitive]: throwing },
    { address: throwing },
    { fd: new Opened('file'), address: throwing },
    api.Rights.of('read'),
    Symbol('s'),
    throwing,
    AbortSignal.abort(),
    AbortSignal.abort(mine),
    new AbortController().signal,
    new Uint8Array(new SharedArrayBuffer(16)),
    structuredClone(new ArrayBuffer(8)),
    new Uint8Array(16),
  );
  const text = check.constantFrom(
    'utf8',
    'base64',
    'none such',
    'r',
    'w+',
    'a',
    'wx',
    'SIGTERM',
    'SIGNONE',
    'ignore',
    'pipe',
  );
  const plain = check.oneof(
    { weight: 3, arbitrary: file as fc.Arbitrary<unknown> },
    { weight: 3, arbitrary: number },
    { weight: 3, arbitrary: path },
    { weight: 2, arbitrary: text },
    { weight: 2, arbitrary: names },
    { weight: 2, arbitrary: hostile },
    check.boolean(),
    check.constant('all'),
    check.string(),
    check.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
  );
  const options = check.dictionary(
    check.constantFrom(
      ...[
        'fd',
        'rights',
        'ioctls',
        'fcntls',
        'encoding',
        'flag',
        'mode',
        'recursive',
        'force',
        'withFileTypes',
        'signal',
      ],
      ...[
        'length',
        'offset',
        'position',
        'buffer',
        'start',
        'end',
        'highWaterMark',
        'autoClose',
        'emitClose',
        'bigint',
      ],
      ...[
        'stdio',
        'argv0',
        'cwd',
        'env',
        'user',
        'group',
        'groups',
        'session',
        'descriptors',
        'limits',
        'noNewPrivileges',
      ],
      ...['capabilityMode', 'jail', 'daemon', 'owned', 'name', 'path', 'jid', 'host.hostname', 'ip4.addr', 'ip6.addr'],
      ...[
        'allow.raw_sockets',
        'children.max',
        'meta',
        'meta.key',
        'persist',
        'vnet',
        'ip4',
        'backlog',
        'dying',
        'parent',
      ],
      ...['servers', 'sockets', 'directories', 'unlisted', 'prewarm', 'coreDumps', 'newPrivileges', 'drainTimeout'],
    ),
    plain,
    { maxKeys: 4, noNullPrototype: true },
  );
  const value = check.oneof(
    { weight: 4, arbitrary: plain },
    { weight: 1, arbitrary: options as fc.Arbitrary<unknown> },
  );
  // What hardly ever comes about by itself: a call that goes all the way, of which only such a one leaks.
  const likely = check.array<unknown>(
    check.constantFrom<unknown>('file', 'folder', 'link', 'new', 'folder/new', Buffer.from('content')),
    { minLength: 1, maxLength: 2 },
  );
  // Standard streams and the runtime's own are not for playing with.
  const reserved = (input: unknown, depth = 0): boolean => {
    if (typeof input === 'number') return Number.isInteger(input) && input >= 0 && input < 200_000 && depth > 0;
    if (typeof input !== 'object' || input === null || depth > 3) return false;
    const fields = ['fd', '_handle'].map((key) => Object.getOwnPropertyDescriptor(input, key)?.value as unknown);
    return fields.some((field) => reserved(field, depth + 1));
  };
  /** Where a number alone is a descriptor. */
  const takesDescriptor = (name: string) => /^(get|limit)(Rights|Ioctls|Fcntls)$|^spawn$|\.(of|from)$/.test(name);

  // --- What is public. ---

  /** Makes, for one call, an instance of each class that has some. */
  const instances: Record<string, () => object | Promise<object>> = {
    Capability: () =>
      api.Capability.of(fs.openSync(join(home, 'file'), 'r+'), api.Rights.of('pread', 'pwrite', 'fstat', 'event')),
    Directory: () => api.Directory.open(home),
    FileHandle: async () => {
      const directory = api.Directory.open(home);
      try {
        return await directory.open('file', 'r+');
      } finally {
        directory.close();
      }
    },
    ProcessDescriptor: () => api.spawn('/bin/sh', ['-c', 'exit 3'], { stdio: 'ignore' }),
    Rights: () => api.Rights.of('pread', 'fstat'),
    // Only root has jails.
    ...(process.geteuid?.() === 0
      ? {
          Jail: () => api.Jail.create({}),
          JailDescriptor: () => api.Jail.create({}, { owned: true }),
          Capsule: () => api.Capsule.spawn('/bin/sh', ['-c', 'exit 3'], { jail: { path: '/' }, stdio: 'ignore' }),
        }
      : {}),
  };
  const functions = new Map<string, (instance: object | undefined, args: unknown[]) => unknown>();
  const isClass = (candidate: unknown) => /^class\b/.test(Function.prototype.toString.call(candidate));
  const addMembers = (of: object, separator: string, receiver: (instance: object | undefined) => object) => {
    for (const [key, { get, value: member }] of Reflect.ownKeys(of).map(
      (key) => [key, Object.getOwnPropertyDescriptor(of, key) as PropertyDescriptor] as const,
    )) {
      if (key === 'constructor') continue;
      const name = `${separator}${typeof key === 'symbol' ? `[${key.description}]` : key}`;
      if (get !== undefined) functions.set(name, (instance) => get.call(receiver(instance)));
      else if (typeof member === 'function') {
        functions.set(name, (instance, args) => Reflect.apply(member as Call, receiver(instance), args));
      }
    }
  };
  const addPrototype = (name: string, prototype: object) => addMembers(prototype, `${name}#`, (it) => it as object);
  for (const [name, exported] of modules.flatMap((module) => Object.entries(module))) {
    if (typeof exported !== 'function') {
      if (typeof exported === 'object' && exported !== null) addMembers(exported, `${name}.`, () => exported);
    } else if (isClass(exported)) {
      functions.set(`new ${name}`, (_, args) => Reflect.construct(exported, args));
      addMembers(exported, `${name}.`, () => exported);
      addPrototype(name, exported.prototype as object);
    } else functions.set(name, (_, args) => Reflect.apply(exported as Call, undefined, args));
  }
  furnish();
  const handle = await instances.FileHandle?.();
  addPrototype('FileHandle', Object.getPrototypeOf(handle) as object);
  await (handle as { close(): Promise<void> }).close();

  // --- Calls. ---

  const pause = (ms: number) => new Promise<'pending'>((resolve) => setTimeout(resolve, ms, 'pending'));

  /** Ends whatever a call has given, or an instance. */
  const end = async (thing: unknown): Promise<void> => {
    if (Array.isArray(thing)) {
      for (const one of thing) await end(one);
      return;
    }
    if (typeof thing !== 'object' || thing === null || thing instanceof api.Rights) return;
    if (thing instanceof api.Jail) {
      try {
        thing.remove();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
      }
      return;
    }
    const { destroy, on, close, return: finish } = thing as Record<string, Call | undefined>;
    if (destroy !== undefined && on !== undefined) {
      // A stream or a socket.
      on.call(thing, 'error', () => {});
      destroy.call(thing);
      // Its event may not come: a stream can be told to keep it to itself.
      for (let look = 0; look < 10_000 && !(thing as { closed?: boolean }).closed; look++) await pause(1);
    } else if (on !== undefined && close !== undefined) {
      const closed = new Promise((resolve) => on.call(thing, 'close', resolve));
      close.call(thing);
      await closed;
      // A readline interface leaves what it reads from to its user.
      await end((thing as { input?: unknown }).input);
    } else if (typeof close === 'function') await close.call(thing);
    else if (typeof finish === 'function') await finish.call(thing);
  };

  const kinds: Record<string, number> = {};
  const count = (kind: string) => {
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  };
  /** Says what kind of answer an error is; throws it when it is none that anybody expects. */
  const judge = (name: string, error: unknown) => {
    if (error === mine) return count("the caller's own");
    if (!(error instanceof Error)) throw new Error(`${name} threw no Error: ${String(error)}`);
    const { code, errno, syscall } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ERR_')) return count('argument error');
    if (typeof code === 'string' && typeof errno === 'number' && errno < 0 && typeof syscall === 'string') {
      return count('system error');
    }
    if (error.name === 'AbortError') return count('aborted');
    if (error.cause === mine || error.message.startsWith('mine\n')) return count("the caller's own");
    // The language's own complaint about an iterator that is none.
    if (error instanceof TypeError && /is not (a function|iterable|an object)|not an object/.test(error.message)) {
      return count('no iterator');
    }
    throw error;
  };

  const descriptors = () => fs.readdirSync('/dev/fd').sort();
  const instanceOf = async (name: string) => {
    const [, owner] = /^(\w+)#/.exec(name) ?? [];
    if (owner === undefined) return undefined;
    const make = instances[owner];
    if (make === undefined) throw new Error(`There is no instance to call ${name} on`);
    return await make();
  };

  /** Arguments as text; those that throw when looked at have none. */
  const shown = (args: unknown): string => {
    try {
      return check.stringify(args);
    } catch {
      return 'arguments that throw';
    }
  };

  // A wait that nothing ends is the end of the process, without a word.
  let current = '';
  process.once('exit', () => {
    if (current !== '') process.stderr.write(`${current} never came back`);
  });
  const callOnce = async (name: string, args: unknown[]): Promise<void> => {
    current = `${name} with ${shown(args)}`;
    furnish();
    const instance = await instanceOf(name);
    try {
      const answer = Promise.resolve(functions.get(name)?.(instance, open(args) as unknown[]));
      // A wait for what nobody does ends when its object does.
      answer.catch(() => {});
      const settled = answer.then(
        () => 'settled' as const,
        () => 'settled' as const,
      );
      if ((await Promise.race([settled, pause(100)])) === 'pending') {
        await end(instance);
        if ((await Promise.race([settled, pause(60_000)])) === 'pending') throw new Error(`${name} goes on for ever`);
      }
      const given = await answer;
      if (name === 'Directory#openSync') fs.closeSync(given as number);
      await end(given);
      count('value');
    } catch (error) {
      judge(name, error);
    } finally {
      // Inside a jail, the end of the jail would be the end of this process.
      if (only === undefined) await end(instance);
      closeOpened();
      current = '';
    }
  };

  const calls: Record<string, number> = {};
  const argumentsOf = (name: string) =>
    check
      .oneof(check.array(value, { maxLength: 4 }), likely)
      .filter((args) => !args.some((arg) => reserved(arg, takesDescriptor(name) ? 1 : 0)));
  const property = (name: string) =>
    check.asyncProperty(argumentsOf(name), async (args) => {
      const before = String(descriptors());
      calls[name] = (calls[name] ?? 0) + 1;
      await callOnce(name, args);
      // Children end, and streams close, in their own time.
      for (let wait = 1; String(descriptors()) !== before; wait *= 2) {
        if (wait > 10_000) throw new Error(`descriptors were ${before}, are ${descriptors()}`);
        await pause(wait);
      }
    });

  const all = [...functions.keys()].filter((name) => instances.Jail !== undefined || !/^Jail\w*#/.test(name));
  const complain = async (): Promise<string | undefined> => {
    if (only !== undefined) {
      const [args = []] = check.sample(argumentsOf(only), { numRuns: 1, seed });
      await callOnce(only, args);
      return undefined;
    }
    const within = all.filter((name) => !excluded.includes(name));
    // What is opened once, and on first use, is not a leak.
    for (const name of within) {
      try {
        await callOnce(name, []);
      } catch (error) {
        return `${name} without arguments: ${(error as Error).stack}`;
      }
    }
    const until = Date.now() + seconds * 1000;
    for (let round = 0; round === 0 || Date.now() < until; round++) {
      for (const name of within) {
        const details = await check.check(property(name), { seed: seed + round, numRuns: runs });
        if (details.failed) {
          const error = details.errorInstance instanceof Error ? details.errorInstance.stack : details.errorInstance;
          return `${name}, seed ${seed + round}: ${String(error)}\nfor ${shown(details.counterexample)}`;
        }
      }
    }
    if (api.isSandboxed()) return 'it is in capability mode';
    return api.isJailed() ? 'it is in a jail' : undefined;
  };
  try {
    const complaint = await complain();
    return { names: all, calls, kinds, ...(complaint === undefined ? {} : { complaint }) };
  } finally {
    // Not by path where that is refused now.
    if (!api.isSandboxed()) fs.rmSync(home, { recursive: true, force: true });
  }
}

const require = createRequire(import.meta.url);
const dist = fileURLToPath(new URL('../../dist/', import.meta.url));

/** Constructors that TypeScript does not let a user call: `new Jail`. */
function privateConstructors(): string[] {
  const declarations = readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.d.ts') && !path.startsWith('freebsd-tests'))
    .map((path) => readFileSync(join(dist, path), 'utf8'));
  const classes = declarations.flatMap((text) => text.split(/^export declare class /m).slice(1));
  return classes.filter((text) => text.includes('private constructor')).map((text) => `new ${/^\w+/.exec(text)?.[0]}`);
}

const order: Order = {
  fastCheck: pathToFileURL(require.resolve('fast-check')).href,
  testing: pathToFileURL(join(dist, 'testing.js')).href,
  seed: Number(process.env.CAPSULE_PROPERTY_SEED ?? Math.trunc(Math.random() * 2 ** 31)),
  seconds: Number(process.env.CAPSULE_PROPERTY_SECONDS ?? 0),
  runs: 12,
  excluded: [...Object.keys(IRREVERSIBLE), ...privateConstructors()],
};
console.log(`CAPSULE_PROPERTY_SEED=${order.seed}`);

test('any arguments to anything public', { timeout: (order.seconds + 600) * 1000 }, async () => {
  const timeoutMs = (order.seconds + 540) * 1000;
  const outcome = await childOutcome(callWithAnything, { input: order, timeoutMs });
  expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '' });
  expect(outcome.error).toBeUndefined();
  const { complaint, names, calls, kinds } = outcome.result as Verdict;
  expect(complaint).toBeUndefined();
  // It did get everywhere.
  expect(names.filter((name) => (calls[name] ?? 0) < order.runs && !order.excluded.includes(name))).toEqual([]);
  for (const kind of ['value', 'argument error', 'system error']) {
    expect([kind, (kinds[kind] ?? 0) > 0]).toEqual([kind, true]);
  }
});

// A name that is none would exclude nothing, and be excluded by nobody.
test.each(Object.entries(IRREVERSIBLE))('any arguments to %s, in processes of its own (%s)', async (name) => {
  for (let run = 0; run < 4; run++) {
    const outcome = await childOutcome(callWithAnything, {
      input: { ...order, seed: order.seed + run, only: name },
      timeoutMs: 100_000,
    });
    expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '' });
    const noJails = /^(Jail|Capsule#)/.test(name) && process.geteuid?.() !== 0;
    expect(outcome.error).toBeUndefined();
    if (!noJails) expect(outcome.result?.names).toContain(name);
  }
});
