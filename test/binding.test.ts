import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as capsule from 'freebsd-capsule';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type CraftedLibrary, craftLibrary } from './scripts/crafted-library.ts';
import { temporaryDirectory } from './support/descriptors.ts';
import { inChild } from './support/in-child.ts';

const onFreeBSD = process.platform === 'freebsd';
const notAskedFor = { env: { FREEBSD_CAPSULE_KERNEL: undefined } };

/** Every value that the package exports: the next test fails for one that is new and not put into a list. */
const NEEDS_A_KERNEL = [
  ...['enter', 'isSandboxed', 'getRights', 'limitRights', 'getIoctls', 'limitIoctls', 'getFcntls', 'limitFcntls'],
  ...['Capability', 'listDescriptors', 'ProcessDescriptor', 'seal', 'spawn', 'Directory'],
  ...['Jail', 'isJailed', 'jailParameters', 'Capsule'],
];
// A jail descriptor is made by a jail.
const NEEDS_NONE = ['Rights', 'RIGHTS', 'kernel', 'isCapabilityError', 'explainCapabilityError', 'JailDescriptor'];

test('each export is known to need a kernel or not', () => {
  expect(Object.keys(capsule).sort()).toEqual([...NEEDS_A_KERNEL, ...NEEDS_NONE].sort());
});

/** Calls everything that needs a kernel; runs in a child. */
async function callEverything(api: typeof capsule) {
  const { Capability, Rights } = api;
  const calls: [name: string, call: () => unknown][] = [
    ['enter', () => api.enter()],
    ['isSandboxed', () => api.isSandboxed()],
    ['getRights', () => api.getRights(0)],
    ['limitRights', () => api.limitRights(0, ['read'])],
    ['getIoctls', () => api.getIoctls(0)],
    ['limitIoctls', () => api.limitIoctls(0, ['FIONREAD'])],
    ['getFcntls', () => api.getFcntls(0)],
    ['limitFcntls', () => api.limitFcntls(0, ['getfl'])],
    ['Capability', () => Capability.of(0, Rights.of('read'))],
    ['listDescriptors', () => api.listDescriptors()],
    ['spawn', () => api.spawn('/bin/sh')],
    ['Directory', () => api.Directory.open('/')],
    ['ProcessDescriptor', () => api.ProcessDescriptor.from(0)],
    ['seal', () => api.seal({})],
    ['seal again', () => api.seal({})],
    ['Jail', () => api.Jail.create({})],
    ['Jail.get', () => api.Jail.get('web')],
    ['Jail.list', () => api.Jail.list()],
    ['Jail.current', () => api.Jail.current()],
    ['isJailed', () => api.isJailed()],
    ['jailParameters', () => api.jailParameters()],
    ['Capsule', () => api.Capsule.spawn('/bin/sh', [], { jail: { path: '/' } })],
  ];
  const answers: Record<string, { code?: string; errno?: number; syscall?: string; message?: string; stack?: string }> =
    {};
  for (const [name, call] of calls) {
    try {
      await call();
      answers[name] = { message: 'returned' };
    } catch (error) {
      const { code, errno, syscall, message, stack } = error as NodeJS.ErrnoException;
      answers[name] = { code, errno, syscall, message, stack } as (typeof answers)[string];
    }
  }
  return answers;
}

const SYSCALLS = {
  enter: 'cap_enter',
  isSandboxed: 'cap_getmode',
  getRights: 'cap_rights_get',
  limitRights: 'cap_rights_limit',
  getIoctls: 'cap_ioctls_get',
  limitIoctls: 'cap_ioctls_limit',
  getFcntls: 'cap_fcntls_get',
  limitFcntls: 'cap_fcntls_limit',
  Capability: 'cap_rights_limit',
  listDescriptors: 'sysctl',
  spawn: 'pdfork',
  Directory: 'open',
  ProcessDescriptor: 'pdgetpid',
  seal: 'cap_enter',
  'seal again': 'cap_enter',
  // First of all the kernel is asked which parameters it has.
  Jail: 'sysctl',
  'Jail.get': 'sysctl',
  'Jail.list': 'sysctl',
  'Jail.current': 'sysctl',
  isJailed: 'sysctl',
  jailParameters: 'sysctl',
  Capsule: 'pdfork',
};

describe.skipIf(onFreeBSD)('off FreeBSD, when the simulation is not asked for', () => {
  test('every call throws ENOSYS with the way to ask', async () => {
    const answers = await inChild(callEverything, notAskedFor);
    const { errno } = (await import('node:os')).constants;
    expect(Object.keys(answers)).toEqual(Object.keys(SYSCALLS));
    for (const [name, syscall] of Object.entries(SYSCALLS)) {
      const answer = answers[name] ?? {};
      expect({ name, ...answer }).toMatchObject({ name, code: 'ENOSYS', errno: -errno.ENOSYS, syscall });
      expect(answer.message?.split('\n')[0]).toBe(`ENOSYS: function not implemented, ${syscall}`);
      expect(answer.message).toContain(`This is ${process.platform}, not FreeBSD.`);
      expect(answer.message).toContain('FREEBSD_CAPSULE_KERNEL=simulated');
      expect(answer.stack).toContain(answer.message);
    }
  });

  test('another value of the variable does not ask, and is told', async () => {
    for (const value of ['', 'freebsd', 'real', '1', 'Simulated', 'simulated ']) {
      const answers = await inChild(callEverything, { env: { FREEBSD_CAPSULE_KERNEL: value } });
      for (const name of Object.keys(SYSCALLS)) expect([value, answers[name]?.code]).toEqual([value, 'ENOSYS']);
      if (value !== '') expect(answers.enter?.message).toContain(`it is set to '${value}'`);
      else expect(answers.enter?.message).not.toContain('it is set to');
    }
  });

  test('arguments are checked all the same, and first', async () => {
    const codes = await inChild((api) => {
      const anything = api as unknown as Record<string, (...args: unknown[]) => unknown>;
      const codeOf = (name: string, ...args: unknown[]) => {
        try {
          anything[name]?.(...args);
          return 'returned';
        } catch (error) {
          return (error as NodeJS.ErrnoException).code;
        }
      };
      return [
        ...['getRights', 'getIoctls', 'getFcntls'].map((name) => [codeOf(name, 'x'), codeOf(name, -1), codeOf(name)]),
        [codeOf('limitRights', 0, ['nope']), codeOf('limitRights', 1.5, ['read']), codeOf('limitRights', 0, 'read')],
        [codeOf('limitIoctls', 0, ['NOPE']), codeOf('limitIoctls', 1.5, []), codeOf('limitIoctls', 0, 'read')],
        [codeOf('limitFcntls', 0, ['nope']), codeOf('limitFcntls', 1.5, []), codeOf('limitFcntls', 0, 'getfl')],
      ];
    }, notAskedFor);
    expect(codes).toEqual([
      ...Array(3).fill(['ERR_INVALID_ARG_TYPE', 'ERR_OUT_OF_RANGE', 'ERR_INVALID_ARG_TYPE']),
      ...Array(3).fill(['ERR_INVALID_ARG_VALUE', 'ERR_OUT_OF_RANGE', 'ERR_INVALID_ARG_TYPE']),
    ]);
  });

  test('what needs no kernel works', async () => {
    const answers = await inChild((api) => {
      const refusal = Object.assign(new Error('EX'), { errno: -94, syscall: 'open' });
      const { inspect } = process.getBuiltinModule('node:util');
      return {
        kernel: api.kernel,
        inspected: inspect(api.kernel),
        rights: api.Rights.of('read', 'seek').without('read'),
        has: api.Rights.of('pread').has('seek'),
        count: api.RIGHTS.length,
        recognised: [api.isCapabilityError(refusal), api.isCapabilityError(new Error('x'))],
        explained: typeof api.explainCapabilityError(refusal),
        unexplained: api.explainCapabilityError(new Error('x')) === undefined,
      };
    }, notAskedFor);
    expect(answers).toEqual({
      kernel: { kind: 'none', release: '', osreldate: 0 },
      inspected: "{ kind: 'none', release: '', osreldate: 0 }",
      rights: ['seek'],
      has: true,
      count: capsule.RIGHTS.length,
      recognised: [true, false],
      explained: 'string',
      unexplained: true,
    });
  });

  test('asking later is asking', async () => {
    const answers = await inChild((api) => {
      let before: unknown;
      try {
        api.isSandboxed();
      } catch (error) {
        before = (error as NodeJS.ErrnoException).code;
      }
      process.env.FREEBSD_CAPSULE_KERNEL = 'simulated';
      return [before, api.kernel.kind, api.isSandboxed()];
    }, notAskedFor);
    expect(answers).toEqual(['ENOSYS', 'simulated', false]);
  });

  test('a server, whose descriptor the inventory would have to find, gives ENOSYS too', async () => {
    const codes = await inChild(
      (api) =>
        // As Bun's servers are: bound, and without a descriptor of their own.
        [{ address: () => ({ address: '127.0.0.1', port: 1 }) }, { address: { address: '127.0.0.1', port: 1 } }].map(
          (server) => {
            try {
              api.getRights(server as never);
              return 'returned';
            } catch (error) {
              return (error as NodeJS.ErrnoException).code;
            }
          },
        ),
      notAskedFor,
    );
    expect(codes).toEqual(['ENOSYS', 'ENOSYS']);
  });
});

test.runIf(onFreeBSD)('on FreeBSD the simulation cannot be asked for', async () => {
  const answers = await inChild(callEverything, { env: { FREEBSD_CAPSULE_KERNEL: 'simulated' } });
  for (const name of Object.keys(SYSCALLS)) expect(answers[name]?.code).toBe('ENOSYS');
});

describe('a copy of the package', () => {
  const directory = temporaryDirectory();
  afterAll(() => directory.remove());
  const root = join(directory.path, 'package');
  const inProject = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
  const addon = join(root, 'build/Release/freebsd_capsule.node');
  const prebuild = join(root, `prebuilds/${process.platform}-${process.arch}/freebsd-capsule.node`);
  const built = [inProject('build/Release/freebsd_capsule.node'), inProject(prebuild.slice(root.length + 1))].find(
    (path) => existsSync(path),
  ) as string;

  beforeEach(() => {
    rmSync(root, { recursive: true, force: true });
    for (const path of [addon, prebuild]) mkdirSync(join(path, '..'), { recursive: true });
    copyFileSync(inProject('package.json'), join(root, 'package.json'));
    cpSync(inProject('dist'), join(root, 'dist'), {
      recursive: true,
      filter: (path) => !path.includes('freebsd-tests'),
    });
  });

  /** Imports the copy, asks it a question twice, and returns what it said or threw. */
  function ask(before = '') {
    const program = `
      ${before}
      const capsule = await import(${JSON.stringify(pathToFileURL(join(root, 'dist/index.js')).href)});
      const answers = [];
      for (const question of [() => capsule.isSandboxed(), () => capsule.isSandboxed(), () => capsule.kernel.release]) {
        try {
          answers.push({ answer: question() });
        } catch (error) {
          answers.push({ ...error, message: error.message, cause: error.cause && String(error.cause) });
        }
      }
      console.log(JSON.stringify(answers));`;
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, ...(onFreeBSD ? {} : { FREEBSD_CAPSULE_KERNEL: 'simulated' }) },
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    type Answer = { answer?: unknown; code?: string; message?: string; cause?: string; syscall?: string };
    return JSON.parse(stdout) as [Answer, Answer, Answer];
  }

  test('with the addon where it is built works', () => {
    copyFileSync(built, addon);
    const [first, second, third] = ask();
    expect([first, second]).toEqual([{ answer: false }, { answer: false }]);
    expect(third.answer).toBe(capsule.kernel.release);
  });

  test('with the addon among the prebuilds works', () => {
    copyFileSync(built, prebuild);
    expect(ask()[0]).toEqual({ answer: false });
  });

  test('without an addon says where it looked and how to build one, each time', () => {
    for (const answer of ask()) {
      expect(answer.code).toBe('ENOSYS');
      expect(answer.message).toContain(`No addon for ${process.platform}-${process.arch} was found`);
      expect(answer.message).toContain(`${addon}: not there`);
      expect(answer.message).toContain(`${prebuild}: not there`);
      expect(answer.message).toMatch(/npm --prefix ".*" run setup/);
    }
  });

  test('with a file that is no addon says which and why, and does not look further', () => {
    writeFileSync(addon, 'this is text\n');
    copyFileSync(built, prebuild);
    for (const answer of ask()) {
      expect(answer.code).toBe('ENOSYS');
      expect(answer.message).toContain(`The addon ${addon} does not load: `);
      expect(answer.cause).toBeDefined();
      expect(answer.message).toContain(answer.cause);
      expect(answer.message).toMatch(/npm --prefix ".*" run setup/);
    }
  });

  test.each<[string, CraftedLibrary]>([
    ['of another machine', { machine: 183 }],
    ['for musl', { needed: ['libc.musl-x86_64.so.1'] }],
    ['of a newer C library', { needed: ['libc.so.6'], imports: ['from_the_future@GLIBC_9.9'] }],
  ])('with a prebuild %s says so, and what else there is', (_, library) => {
    writeFileSync(prebuild, craftLibrary(library));
    for (const answer of ask()) {
      expect(answer.code).toBe('ENOSYS');
      expect(answer.message).toContain(`The addon ${prebuild} does not load: `);
      expect(answer.message).toContain('Prebuilt addons come for FreeBSD 14 and newer');
      expect(answer.message).toMatch(/npm --prefix ".*" run setup/);
    }
  });

  test('on a machine that none was built for says so', () => {
    for (const answer of ask("Object.defineProperty(process, 'arch', { value: 'riscv64' });")) {
      expect(answer.code).toBe('ENOSYS');
      expect(answer.message).toContain(`No addon for ${process.platform}-riscv64 was found`);
      expect(answer.message).toMatch(/npm --prefix ".*" run setup/);
    }
  });

  test('with an empty file or a directory in its place says so', () => {
    writeFileSync(addon, '');
    expect(ask()[0]).toMatchObject({ code: 'ENOSYS', syscall: 'cap_getmode' });
    rmSync(addon);
    mkdirSync(addon);
    const [{ code, message }] = ask();
    expect(code).toBe('ENOSYS');
    expect(message).toContain(addon);
  });

  test.each(['freebsd', 'simulated'])('with an addon for the other kernel (%s) refuses it', (kind) => {
    const wanted = onFreeBSD ? 'freebsd' : 'simulated';
    if (kind === wanted) kind = 'netbsd';
    writeFileSync(addon, '');
    // Nothing here can build for another kernel, so the loader of addons is told to pretend.
    const [{ code, message }] = ask(`
      import { createRequire } from 'node:module';
      createRequire(${JSON.stringify(pathToFileURL(root).href)}).extensions['.node'] = (module) => {
        module.exports = { kernelKind: '${kind}' };
      };`);
    expect(code).toBe('ENOSYS');
    expect(message).toContain(`The addon ${addon} is for the ${kind} kernel, not ${wanted}.`);
  });
});
