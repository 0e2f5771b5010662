/**
 * Whatever a public function is given, it answers with a value, an argument error or a system error. It does not crash,
 * and leaks no descriptor.
 */

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import * as capsule from 'freebsd-capsule';
import { expect, test } from 'vitest';
import { childOutcome } from '../support/in-child.ts';

const fastCheck = pathToFileURL(createRequire(import.meta.url).resolve('fast-check')).href;

interface Verdict {
  readonly calls: number;
  readonly kinds: Record<string, number>;
  readonly complaint?: string;
}

/**
 * Runs in a child: calls everything with anything. Descriptors are numbers above all that are open, or those of three
 * files opened for it; prewarm callbacks and throwing getters are among the values.
 */
async function callWithAnything(
  api: typeof capsule,
  { fastCheck, seed, runs }: { fastCheck: string; seed: number; runs: number },
): Promise<Verdict> {
  const fs = process.getBuiltinModule('node:fs');
  // Not written as an import, which would be rewritten on the way here.
  const check = (await new Function('path', 'return import(path)')(fastCheck)) as typeof fc;
  const mine = new RangeError('mine');
  const throwing = (): never => {
    throw mine;
  };
  const own = ['/etc/passwd', '/dev/null', '/etc'].map((path) => fs.openSync(path, 'r'));

  const fd = check.oneof(
    check.constantFrom(...own),
    check.integer({ min: 200_000, max: 2 ** 31 - 1 }),
    check.constantFrom(-1, Number.NaN, 0.5, 2 ** 31, 2 ** 53, Number.POSITIVE_INFINITY, -0.5),
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
    { fd: own[0], address: throwing },
    api.Rights.of('read'),
    Symbol('s'),
    () => own[0],
  );
  const value = check.oneof(
    { weight: 3, arbitrary: fd },
    { weight: 2, arbitrary: fd.map((number) => ({ fd: number })) },
    { weight: 4, arbitrary: names },
    { weight: 2, arbitrary: hostile },
    check.constant('all'),
    check.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
  );
  // Standard streams and the runtime's own are not for playing with.
  const reserved = (input: unknown, depth = 0): boolean => {
    if (typeof input === 'number')
      return Number.isInteger(input) && input >= 0 && input < 200_000 && !own.includes(input);
    if (typeof input !== 'object' || input === null || depth > 3) return false;
    const fields = ['fd', '_handle'].map((key) => Object.getOwnPropertyDescriptor(input, key)?.value as unknown);
    return fields.some((field) => reserved(field, depth + 1));
  };

  const rights = api.Rights.of('pread', 'fstat');
  const methods = [
    'has',
    'with',
    'without',
    'union',
    'intersection',
    'difference',
    'isSubsetOf',
    'isSupersetOf',
    'equals',
  ];
  type Call = (...args: unknown[]) => unknown;
  // To look only: what it opens would be open afterwards, and a FileHandle is nothing but one of those.
  const directory = api.Directory.open('/etc', { rights: api.Directory.READ });
  const directoryVerbs = [
    ...['readFile', 'readFileSync', 'writeFile', 'writeFileSync', 'copyFileSync', 'stat', 'statSync', 'lstatSync'],
    ...['mkdir', 'mkdirSync', 'rm', 'rmSync', 'rename', 'renameSync', 'linkSync', 'symlinkSync', 'readlinkSync'],
    ...['chmodSync', 'chownSync', 'utimesSync', 'access', 'accessSync', 'truncateSync', 'unlinkSync', 'rmdirSync'],
  ];
  const anything = api as unknown as Record<string, Call>;
  const functions: Record<string, Call> = {
    ...Object.fromEntries(
      [
        'getRights',
        'limitRights',
        'getIoctls',
        'limitIoctls',
        'getFcntls',
        'limitFcntls',
        'listDescriptors',
        'isSandboxed',
      ].map((name) => [name, anything[name] as Call]),
    ),
    isCapabilityError: anything.isCapabilityError as Call,
    // Where it starts something all the same, that is gone at once.
    spawn: (...args) => (api.spawn as (...args: unknown[]) => capsule.ProcessDescriptor)(...args).close(),
    ProcessDescriptor: (fd) => api.ProcessDescriptor.from(fd as number).close(),
    explainCapabilityError: anything.explainCapabilityError as Call,
    'Rights.of': api.Rights.of as unknown as Call,
    'Rights.from': api.Rights.from as unknown as Call,
    'Capability.of': (...args) => (api.Capability.of as unknown as Call)(...args),
    ...Object.fromEntries(
      methods.map((name) => [
        name,
        (...args: unknown[]) => (rights as unknown as Record<string, Call>)[name]?.(...args),
      ]),
    ),
    'Directory.open': (...args) => (api.Directory.open as unknown as Call)(...args.slice(0, 2)),
    ...Object.fromEntries(
      directoryVerbs.map((name) => [
        name,
        (...args: unknown[]) => (directory as unknown as Record<string, Call>)[name]?.(...args),
      ]),
    ),
    // A plan with one wrong entry at least, so that it never gets as far as changing anything.
    seal: (...args) => (api.seal as unknown as Call)({ servers: args, drainTimeout: -1 }),
    'seal with anything': (first) =>
      (api.seal as unknown as Call)(
        typeof first === 'object' && first !== null ? { ...first, unknown: 1 } : (first ?? null),
      ),
  };

  // Only root has one. Watching starts the event thread, whose queue is not a leak.
  const jail = process.geteuid?.() === 0 ? api.Jail.create({}, { owned: true }) : undefined;
  await jail?.watch().return?.();
  Object.assign(functions, {
    jailParameters: anything.jailParameters as Call,
    isJailed: anything.isJailed as Call,
    'Jail.get': (...args) => (api.Jail.get as unknown as Call)(...args),
    'Jail.list': (...args) => (api.Jail.list as unknown as Call)(...args),
    'Jail.create': (...args) => {
      const made = (api.Jail.create as unknown as Call)(...args);
      if (made instanceof api.JailDescriptor) made.close();
      else if (made instanceof api.Jail) made.remove();
    },
    'jail.get': (...args) => jail?.get(...(args as never[])),
    'jail.set': (...args) => jail?.set(...(args as [never])),
    'jail.create': (...args) => jail?.create(...(args as [never])).close(),
    'jail.watch': (...args) => jail?.watch(...(args as [])).return?.(),
  } satisfies Record<string, Call>);

  const isOpen = () =>
    Array.from({ length: 256 }, (_, number) => number).filter((number) => {
      try {
        fs.fstatSync(number);
        return true;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code !== 'EBADF';
      }
    });
  const before = String(isOpen());
  let calls = 0;
  const kinds: Record<string, number> = {};
  const count = (kind: string) => {
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  };

  const property = check.asyncProperty(
    check.constantFrom(...Object.keys(functions)),
    check.array(value, { maxLength: 4 }).filter((args) => !args.some((arg) => reserved(arg))),
    async (name, args) => {
      calls++;
      try {
        await functions[name]?.(...args);
        count('value');
      } catch (error) {
        if (error === mine) return count("the caller's own");
        if (!(error instanceof Error)) throw new Error(`${name} threw no Error: ${String(error)}`);
        const { code, errno, syscall } = error as NodeJS.ErrnoException;
        if (code?.startsWith('ERR_')) count('argument error');
        else if (typeof code === 'string' && typeof errno === 'number' && errno < 0 && typeof syscall === 'string') {
          count('system error');
        } else if (error.cause === mine || error.message.startsWith('mine\n')) count("the caller's own");
        else if (
          error instanceof TypeError &&
          /is not (a function|iterable|an object)|not an object/.test(error.message)
        ) {
          // The language's own complaint about an iterator that is none.
          count('no iterator');
        } else throw error;
      }
    },
  );
  const details = await check.check(property, { seed, numRuns: runs });
  const complaint = details.failed
    ? `${String(details.errorInstance)} for ${check.stringify(details.counterexample)}`
    : api.isSandboxed()
      ? 'it is in capability mode'
      : String(isOpen()) === before
        ? undefined
        : `descriptors were ${before}, are ${isOpen()}`;
  return { calls, kinds, ...(complaint === undefined ? {} : { complaint }) };
}

test.each([1, 2, 3, 4].map((_, index) => [fc.sample(fc.integer(), { numRuns: 1 })[0] as number, index]))(
  'any argument to any function (seed %i)',
  async (seed) => {
    const outcome = await childOutcome(callWithAnything, {
      input: { fastCheck, seed, runs: 1500 },
      timeoutMs: 100_000,
    });
    expect(outcome).toMatchObject({ status: 0, signal: null });
    expect(outcome.error).toBeUndefined();
    expect(outcome.result?.complaint).toBeUndefined();
    expect(outcome.result?.calls).toBeGreaterThanOrEqual(1500);
    // It did get everywhere.
    const { kinds } = outcome.result as Verdict;
    for (const kind of ['value', 'argument error', 'system error', "the caller's own"]) {
      expect([kind, (kinds[kind] ?? 0) > 0]).toEqual([kind, true]);
    }
  },
);

test('every exported function is among them, but those that cannot be taken back', () => {
  const source = callWithAnything.toString();
  const left = Object.keys(capsule).filter((name) => !source.includes(name));
  expect(left.sort()).toEqual(['enter', 'kernel']);
});
