/**
 * Whatever anything public is given, it answers with a value, an argument error or a system error. It does not crash,
 * hangs nothing and leaks no descriptor.
 *
 * What is public is read from the exports: each function, constructor, static, method and getter is called, with
 * arguments that it is likely to take, with those but for one place, and with anything. One that is new is among them at
 * once, or fails the test: for want of an instance to call it on, or because it never returned a value. What it takes
 * then has to be said in likely-arguments.ts.
 *
 * `CAPSULE_PROPERTY_SECONDS` goes on for so long, `CAPSULE_PROPERTY_SEED` does it again.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type fc from 'fast-check';
import type * as capsule from 'freebsd-capsule';
import { Jail } from 'freebsd-capsule';
import { expect, test } from 'vitest';
import { childOutcome } from '../support/in-child.ts';
import { firstUnmet, requireJails } from '../support/requirements.ts';
import { likelyArguments } from './likely-arguments.ts';

interface Order {
  /** Modules to import. */
  readonly fastCheck: string;
  readonly testing: string;
  readonly seed: number;
  /** Goes on with further seeds for so long; once at least. */
  readonly seconds: number;
  /** Of each name, in one round. */
  readonly runs: Readonly<Record<Source, number>>;
  /** Names that are not called. */
  readonly excluded: readonly string[];
  /** Names that return no value. */
  readonly valueless: readonly string[];
  /** Whether this process can have jails. */
  readonly jails: boolean;
  /** The source of likelyArguments. */
  readonly likely: string;
  /** Calls this one, once, and nothing else. */
  readonly only?: { readonly name: string; readonly source: Source };
}

/** Where the arguments of a call come from. */
type Source = 'likely' | 'mutated' | 'anything';

interface Verdict {
  /** Names of what is public: `limitRights`, `new Jail`, `Jail.create`, `Jail#set`. */
  readonly names: readonly string[];
  readonly calls: Readonly<Record<string, number>>;
  /** How many calls with likely arguments returned a value. */
  readonly values: Readonly<Record<string, number>>;
  /** What is to be called on an instance that this process cannot have. */
  readonly uncalled: readonly string[];
  /** Likely arguments of nothing that there is. */
  readonly unused: readonly string[];
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

/** What takes a jail: names that have no instance without one, and names that are called but return no value. */
const ON_JAILS = /^(Jail(Descriptor|Events)?|Capsule|SealReport)#/;
const OF_JAILS = ['Capsule.spawn', 'Jail.create', 'Jail.get', 'tempJail'];

/** Runs in a child. */
async function callWithAnything(
  api: typeof capsule,
  { fastCheck, testing, seed, seconds, runs, only, excluded, valueless, jails, likely }: Order,
): Promise<Verdict> {
  const { getEventListeners } = process.getBuiltinModule('node:events');
  const fs = process.getBuiltinModule('node:fs');
  const { tmpdir } = process.getBuiltinModule('node:os');
  const { join, resolve } = process.getBuiltinModule('node:path');
  const { getSystemErrorMap, types } = process.getBuiltinModule('node:util');
  // Not written as an import, which would be rewritten on the way here.
  const load = new Function('path', 'return import(path)') as (path: string) => Promise<unknown>;
  const check = (await load(fastCheck)) as typeof fc;
  const modules = [api, await load(testing)] as Record<string, unknown>[];

  type Call = (...args: unknown[]) => unknown;
  /** The caller's own error. Another each time, since text may be added to it. */
  class Mine extends RangeError {}
  const throwing = (): never => {
    throw new Mine('mine');
  };

  // --- What a call finds: a folder of its own, and what is made for it. ---

  const outside = fs.mkdtempSync(join(tmpdir(), 'freebsd-capsule-test-'));
  const outsideFile = join(outside, 'file');
  fs.writeFileSync(outsideFile, 'untouched\n');
  const home = join(outside, 'home');
  fs.mkdirSync(home);
  /** What no call may change, wherever its path leads. */
  const surroundings = () => {
    const { mode, uid, gid, mtimeMs, nlink } = fs.lstatSync(outsideFile);
    const found = { mode, uid, gid, mtimeMs, nlink, content: fs.readFileSync(outsideFile, 'utf8') };
    return JSON.stringify({ ...found, entries: fs.readdirSync(outside).sort() });
  };
  const untouched = surroundings();
  const checkSurroundings = (name: string) => {
    // Not by path where that is refused now.
    if (only !== undefined || surroundings() === untouched) return;
    throw new Error(`${name} reached outside: ${surroundings()}, was ${untouched}`);
  };
  /** Whatever the calls called it, which need not be UTF-8, and whatever mode they gave it. */
  const clear = (folder: Buffer) => {
    fs.chmodSync(folder, 0o700);
    for (const entry of fs.readdirSync(folder, { withFileTypes: true, encoding: 'buffer' })) {
      const path = Buffer.concat([folder, Buffer.from('/'), entry.name]);
      if (entry.isDirectory()) clear(path);
      else fs.unlinkSync(path);
    }
    fs.rmdirSync(folder);
  };
  const furnish = () => {
    clear(Buffer.from(home));
    fs.mkdirSync(join(home, 'folder/inner'), { recursive: true });
    fs.writeFileSync(join(home, 'file'), 'content\n');
    fs.symlinkSync('file', join(home, 'link'));
    fs.symlinkSync(outsideFile, join(home, 'way-out'));
  };
  const toEnd: unknown[] = [];
  /** Stands for what is made for the call: what a call limits, or closes, stays so. */
  class Fresh {
    readonly what: string;
    // Not among what is shown of it.
    readonly #make: () => unknown;
    constructor(what: string, make: () => unknown) {
      this.what = what;
      this.#make = make;
    }
    make() {
      return this.#make();
    }
  }
  const isPlain = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  /** What of a value may be made for a call. Looks at nothing that a getter gives. */
  const parts = (value: unknown): [string, unknown][] =>
    (Array.isArray(value) || isPlain(value)) && !types.isProxy(value)
      ? Object.entries(Object.getOwnPropertyDescriptors(value)).map(([key, { value: inner }]) => [key, inner])
      : [];
  const has = (value: unknown, wanted: (part: unknown) => boolean): boolean =>
    wanted(value) || parts(value).some(([, inner]) => has(inner, wanted));
  const made = (value: unknown): unknown => {
    if (value instanceof Fresh) return value.make();
    if (!has(value, (part) => part instanceof Fresh)) return value;
    const copy: object = Array.isArray(value) ? [] : {};
    for (const [key, inner] of parts(value)) if (key !== 'length') Reflect.set(copy, key, made(inner));
    return copy;
  };

  // --- Arguments. ---

  const opened = (path: string) =>
    new Fresh(`a descriptor of ${path}`, () => {
      const fd = fs.openSync(resolve(home, path), 'r');
      toEnd.push(fd);
      return fd;
    });
  const file = check.constantFrom(opened('file'), opened('/dev/null'), opened('folder'));
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
      outsideFile,
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
  const noIterable = { [Symbol.iterator]: () => ({}) };
  const aborted = AbortSignal.abort();
  const hostile = check.constantFrom<unknown>(
    Object.defineProperty({}, 'fd', { get: throwing, enumerable: true }),
    Object.defineProperty({}, 'rights', { get: throwing, enumerable: true }),
    // fast-check itself looks for a symbol in every value.
    new Proxy({}, { get: (_, key) => typeof key === 'string' && throwing(), ownKeys: throwing }),
    { [Symbol.iterator]: throwing },
    { [Symbol.iterator]: () => ({ next: throwing }) },
    noIterable,
    { [Symbol.toPrimitive]: throwing },
    { address: throwing },
    { fd: opened('file'), address: throwing },
    api.Rights.of('read'),
    Symbol('s'),
    throwing,
    aborted,
    AbortSignal.abort(Object.freeze(new Mine('mine'))),
    new Fresh('a signal', () => {
      const { signal } = new AbortController();
      toEnd.push(signal);
      return signal;
    }),
    new Uint8Array(new SharedArrayBuffer(16)),
    structuredClone(new ArrayBuffer(8)),
    new Uint8Array(16),
  );
  const text = check.constantFrom(
    'utf8',
    'buffer',
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
        'fs',
        'handle',
        'objectMode',
        'allowHalfOpen',
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
    ...(jails
      ? {
          Jail: () => api.Jail.create({}),
          JailDescriptor: () => api.Jail.create({ 'children.max': 2 }, { owned: true }),
          JailEvents: () => {
            const jail = api.Jail.create({});
            toEnd.push(jail);
            return jail.watch();
          },
          Capsule: () => api.Capsule.spawn('/bin/sh', ['-c', 'exit 3'], { jail: { path: '/' }, stdio: 'ignore' }),
          SealReport: async () => {
            const capsule = await api.Capsule.spawn('/bin/sh', ['-c', ':'], { jail: { path: '/' }, stdio: 'ignore' });
            toEnd.push(capsule);
            return capsule.report;
          },
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
  const ownerOf = (name: string) => /^(\w+)#/.exec(name)?.[1] ?? '';
  // An instance leaves something behind, which the one call would find: a thread, or the number of a jail.
  const unexported = Object.entries(instances).filter(([name]) => only === undefined && !(name in api));

  // --- Calls. ---

  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const outlasts = async (promise: Promise<unknown>, ms: number): Promise<boolean> => {
    const settled = promise.then(
      () => false,
      () => false,
    );
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<true>((resolve) => {
      timer = setTimeout(resolve, ms, true);
    });
    return await Promise.race([settled, late]).finally(() => clearTimeout(timer));
  };

  /** Ends whatever a call has given, or an instance. */
  const end = async (thing: unknown): Promise<void> => {
    if (Array.isArray(thing)) {
      for (const one of thing) await end(one);
      return;
    }
    if (typeof thing !== 'object' || thing === null || thing instanceof api.Rights) return;
    if (thing instanceof AbortSignal) {
      if (getEventListeners(thing, 'abort').length > 0) throw new Error('Somebody still listens to the signal');
      return;
    }
    if (thing instanceof api.Jail) {
      try {
        thing.remove();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
      }
      return;
    }
    const { destroy, on, emit, close, return: finish } = thing as Record<string, Call | undefined>;
    if (destroy !== undefined && on !== undefined) {
      // A stream or a socket.
      let told = false;
      on.call(thing, 'error', () => {});
      on.call(thing, 'close', () => {
        told = true;
      });
      destroy.call(thing);
      for (let look = 0; look < 10_000 && !(thing as { closed?: boolean }).closed; look++) await pause(1);
      await pause(0);
      // One that was told to keep it to itself (`emitClose`) does not tell the runtime either, which listens to a signal.
      if (!told) emit?.call(thing, 'close');
    } else if (on !== undefined && close !== undefined) {
      const closed = new Promise((resolve) => on.call(thing, 'close', resolve));
      close.call(thing);
      await closed;
      // A readline interface leaves what it reads from to its user.
      await end((thing as { input?: unknown }).input);
    } else if (typeof close === 'function') await close.call(thing);
    else if (typeof finish === 'function') await finish.call(thing);
  };

  /** What may close a descriptor that it is given, or gives something back that does. */
  const takesOver = /^(Capability\.of|ProcessDescriptor\.from|seal)$/;
  const endMade = async (name = '') => {
    for (const thing of toEnd.splice(0)) {
      if (typeof thing !== 'number') await end(thing);
      else {
        try {
          fs.closeSync(thing);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EBADF' || !takesOver.test(name)) {
            throw new Error(`${name} closed a descriptor of its caller's`, { cause: error });
          }
        }
      }
    }
  };

  const kinds: Record<string, number> = {};
  const count = (kind: string) => {
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  };

  /** Codes of argument errors, ours and the runtime's, each with the classes that it has in Node. */
  const CODES: Readonly<Record<string, readonly string[]>> = {
    ERR_INVALID_ARG_TYPE: ['TypeError'],
    ERR_INVALID_ARG_VALUE: ['TypeError', 'RangeError'],
    ERR_OUT_OF_RANGE: ['RangeError'],
    ERR_UNKNOWN_ENCODING: ['TypeError'],
    ERR_INVALID_STATE: ['Error'],
    ERR_FS_EISDIR: ['Error'],
  };
  /** Those that no runtime knows, by FreeBSD's numbers. */
  const CAPABILITY_ERRORS: Readonly<Record<string, number>> = { ENOTCAPABLE: -93, ECAPMODE: -94 };
  const isSystemError = ({ code, errno, syscall, message }: NodeJS.ErrnoException) =>
    // A wild pointer is a fault of the addon's.
    code !== 'EFAULT' &&
    typeof code === 'string' &&
    typeof errno === 'number' &&
    typeof syscall === 'string' &&
    message.startsWith(`${code}: `) &&
    (CAPABILITY_ERRORS[code] === errno || getSystemErrorMap().get(errno)?.[0] === code);
  const classOf = (error: Error) => [TypeError, RangeError].find((one) => error instanceof one)?.name ?? 'Error';

  const takesIterables =
    /^(limit(Rights|Ioctls|Fcntls)|Rights\.from|Capability(\.of|#limit)|Directory(\.open|#openDirectory(Sync)?)|(Directory|FileHandle)#(write|append)File|seal)$/;
  /** Says what kind of answer an error is; throws it when it is none that anybody expects. */
  const judge = (name: string, args: unknown, error: unknown) => {
    if (!(error instanceof Error)) throw new Error(`${name} threw no Error: ${String(error)}`);
    if (error instanceof Mine || error.cause instanceof Mine) return count("the caller's own");
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && Object.hasOwn(CODES, code) && CODES[code]?.includes(classOf(error))) {
      return count('argument error');
    }
    if (isSystemError(error)) return count('system error');
    if (error === aborted.reason || (error.name === 'AbortError' && code === 'ABORT_ERR')) return count('aborted');
    // The language's own complaint.
    if (error instanceof TypeError && takesIterables.test(name) && has(args, (part) => part === noIterable)) {
      return count('no iterable');
    }
    throw error;
  };

  const descriptors = () => fs.readdirSync('/dev/fd').sort();

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
  /** What ends with the instance alone. */
  const waits = /^(Jail(Descriptor)?#removed|JailEvents#next)$/;
  /** Whoever is found or listed was there before, and may be somebody's. */
  const findsJails = /^Jail\.(get|list|current)$/;
  const callOnce = async (name: string, args: unknown[]): Promise<'value' | 'error'> => {
    current = `${name} with ${shown(args)}`;
    let instance: object | undefined;
    try {
      furnish();
      instance = await instances[ownerOf(name)]?.();
      const given = made(args) as unknown[];
      try {
        const answer = Promise.resolve(functions.get(name)?.(instance, given));
        // A wait for what nobody does ends when its object does.
        answer.catch(() => {});
        if (waits.test(name) && (await outlasts(answer, 20))) await end(instance);
        if (await outlasts(answer, 60_000)) throw new Error(`${name} goes on for ever`);
        const value = await answer;
        if (name === 'Directory#openSync') fs.closeSync(value as number);
        if (!findsJails.test(name)) await end(value);
        count('value');
        return 'value';
      } catch (error) {
        judge(name, args, error);
        return 'error';
      }
    } finally {
      try {
        // Inside a jail, the end of the jail would be the end of this process.
        if (only === undefined) await end(instance);
        await endMade(name);
        checkSurroundings(name);
      } finally {
        current = '';
      }
    }
  };

  // --- Properties. ---

  const rows = (new Function(`return (${likely});`)() as typeof likelyArguments)(api, check, {
    ...{ home, jails, aborted },
    fresh: (what, make) => new Fresh(what, make),
    endLater: (thing) => void toEnd.push(thing),
  });
  const likelyOf = (name: string): fc.Arbitrary<unknown[]> => {
    const fitting = rows.filter(([names]) => names.test(name)).map(([, ...args]) => check.tuple(...args));
    return fitting.length === 0 ? check.constant([]) : check.oneof(...fitting);
  };
  /** One argument, or one property of one, is another. */
  const mutated = (args: unknown[], choice: number, other: unknown): unknown[] => {
    const places = args.flatMap((arg, index): [number, string?][] => [
      [index],
      ...(isPlain(arg) ? Object.keys(arg).map((key): [number, string] => [index, key]) : []),
    ]);
    const [index, key] = places[choice % places.length] ?? [0];
    return Object.assign([...args], {
      [index]: key === undefined ? other : { ...(args[index] as object), [key]: other },
    });
  };
  const argumentsOf = (name: string, source: Source): fc.Arbitrary<unknown[]> => {
    const arbitrary = {
      likely: () => likelyOf(name),
      mutated: () => check.tuple(likelyOf(name), check.nat(), value).map((parts) => mutated(...parts)),
      anything: () => check.array(value, { maxLength: 4 }),
    }[source]();
    return arbitrary.filter((args) => !args.some((arg) => reserved(arg, takesDescriptor(name) ? 1 : 0)));
  };

  const calls: Record<string, number> = {};
  const values: Record<string, number> = {};
  let patience = 10_000;
  const property = (name: string, source: Source) =>
    check.asyncProperty(argumentsOf(name, source), async (args) => {
      const before = String(descriptors());
      calls[name] = (calls[name] ?? 0) + 1;
      const answer = await callOnce(name, args);
      if (source === 'likely' && answer === 'value') values[name] = (values[name] ?? 0) + 1;
      // Children end, and streams close, in their own time.
      for (let wait = 1; String(descriptors()) !== before; wait *= 2) {
        if (wait > patience) {
          // Smaller arguments are looked for then, which is not to take as long each time.
          patience = 100;
          throw new Error(`descriptors were ${before}, are ${descriptors()}`);
        }
        await pause(wait);
      }
    });

  for (const [name, make] of unexported) {
    furnish();
    const instance = await make();
    addPrototype(name, Object.getPrototypeOf(instance) as object);
    await end(instance);
    await endMade();
  }
  const all = [...functions.keys()];
  const isCalled = (name: string) => ownerOf(name) === '' || instances[ownerOf(name)] !== undefined;
  const within = all.filter((name) => isCalled(name) && !excluded.includes(name));
  const lacking = () => within.filter((name) => values[name] === undefined && !valueless.includes(name));
  const complain = async (): Promise<string | undefined> => {
    if (only !== undefined) {
      const [args = []] = check.sample(argumentsOf(only.name, only.source), { numRuns: 1, seed });
      if ((await callOnce(only.name, args)) === 'value') values[only.name] = 1;
      return undefined;
    }
    // What is opened once, and on first use, is not a leak.
    for (const name of within) {
      try {
        await callOnce(name, []);
      } catch (error) {
        return `${name} without arguments: ${(error as Error).stack}`;
      }
    }
    const until = Date.now() + seconds * 1000;
    // What returned no value may have had bad luck with its arguments, but not for ever.
    for (let round = 0; round === 0 || Date.now() < until || (lacking().length > 0 && round < 20); round++) {
      for (const name of round === 0 || Date.now() < until ? within : lacking()) {
        for (const [source, numRuns] of Object.entries(runs) as [Source, number][]) {
          // Not the same for each name.
          const chosen = (seed + round * 7919 + all.indexOf(name) * 104_729) | 0;
          const details = await check.check(property(name, source), { seed: chosen, numRuns, endOnFailure: true });
          if (details.failed) {
            const error = details.errorInstance instanceof Error ? details.errorInstance.stack : details.errorInstance;
            return `${name}, round ${round}, ${source}: ${String(error)}\nfor ${shown(details.counterexample)}`;
          }
        }
      }
    }
    if (api.isSandboxed()) return 'it is in capability mode';
    return api.isJailed() ? 'it is in a jail' : undefined;
  };
  try {
    const complaint = await complain();
    return {
      ...{ names: all, calls, values, kinds },
      uncalled: all.filter((name) => !isCalled(name)),
      unused: rows
        .map(([names]) => names)
        .filter((names) => !all.some((name) => names.test(name)))
        .map(String),
      ...(complaint === undefined ? {} : { complaint }),
    };
  } finally {
    // Not by path where that is refused now.
    if (!api.isSandboxed()) clear(Buffer.from(outside));
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

const noJails = firstUnmet([requireJails]);
const order: Order = {
  fastCheck: pathToFileURL(require.resolve('fast-check')).href,
  testing: pathToFileURL(join(dist, 'testing.js')).href,
  seed: Number(process.env.CAPSULE_PROPERTY_SEED ?? Math.trunc(Math.random() * 2 ** 31)),
  seconds: Number(process.env.CAPSULE_PROPERTY_SECONDS ?? 0),
  runs: { likely: 4, mutated: 6, anything: 10 },
  excluded: [...Object.keys(IRREVERSIBLE), ...privateConstructors()],
  valueless: noJails === undefined ? [] : OF_JAILS,
  jails: noJails === undefined,
  likely: likelyArguments.toString(),
};
console.log(`CAPSULE_PROPERTY_SEED=${order.seed}`);

/** Throws where the environment promises what is missing. */
function checkPromise() {
  if (noJails?.promised !== undefined) {
    throw new Error(`${noJails.reason}, but CAPSULE_REQUIRE promises '${noJails.promised}'`);
  }
}

test('any arguments to anything public', { timeout: (order.seconds + 600) * 1000 }, async () => {
  checkPromise();
  const timeoutMs = (order.seconds + 540) * 1000;
  const outcome = await childOutcome(callWithAnything, { input: order, timeoutMs });
  expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '' });
  expect(outcome.error).toBeUndefined();
  const { complaint, names, calls, values, kinds, uncalled, unused } = outcome.result as Verdict;
  expect(complaint).toBeUndefined();
  // It did get everywhere.
  const [withoutInstance, withoutJail] = [false, true].map((jails) =>
    uncalled.filter((name) => (noJails !== undefined && ON_JAILS.test(name)) === jails),
  );
  expect(withoutInstance).toEqual([]);
  if (noJails !== undefined) {
    console.log(`Not called, since ${noJails.reason}: ${withoutJail?.join(', ')}, JailEvents#…, SealReport#…`);
    console.log(`Called without effect: ${OF_JAILS.join(', ')}`);
  }
  const TAKES = 'what a name takes is said in likely-arguments.ts';
  const called = names.filter((name) => !order.excluded.includes(name) && !uncalled.includes(name));
  const runs = Object.values(order.runs).reduce((sum, each) => sum + each);
  expect(called.filter((name) => (calls[name] ?? 0) < runs)).toEqual([]);
  expect(
    called.filter((name) => values[name] === undefined && !order.valueless.includes(name)),
    `no value: ${TAKES}`,
  ).toEqual([]);
  expect(order.valueless.filter((name) => !called.includes(name) || values[name] !== undefined)).toEqual([]);
  expect(noJails === undefined ? unused : [], `no such name: ${TAKES}`).toEqual([]);
  for (const kind of ['value', 'argument error', 'system error']) {
    expect([kind, (kinds[kind] ?? 0) > 0]).toEqual([kind, true]);
  }
});

// A name that is none would exclude nothing, and be excluded by nobody.
test.for(Object.entries(IRREVERSIBLE))(
  'any arguments to %s, in processes of its own (%s)',
  async ([name], { skip }) => {
    if (ON_JAILS.test(name)) {
      checkPromise();
      if (noJails !== undefined) skip(noJails.reason);
    }
    // A jail that a child is left in stays behind.
    const jids = () => (noJails === undefined ? Jail.list().map(({ jid }) => jid) : []);
    const before = jids();
    let values = 0;
    for (const [run, source] of (
      ['likely', 'likely', 'mutated', 'mutated', 'anything', 'anything'] as const
    ).entries()) {
      const outcome = await childOutcome(callWithAnything, {
        input: { ...order, seed: order.seed + run, only: { name, source } },
        timeoutMs: 100_000,
      });
      expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '' });
      expect(outcome.error).toBeUndefined();
      expect(outcome.result?.names).toContain(name);
      values += outcome.result?.values[name] ?? 0;
      for (const jid of jids().filter((other) => !before.includes(other))) Jail.get(jid).remove();
    }
    expect(values).toBeGreaterThan(0);
  },
);
