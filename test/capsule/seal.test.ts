/** Every seal is in a child process: there is no way back. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isSandboxed, listDescriptors } from 'freebsd-capsule';
import { afterAll, describe, expect, test } from 'vitest';
import { openDescriptors, temporaryDirectory } from '../support/descriptors.ts';
import { childOutcome, inChild } from '../support/in-child.ts';

const directory = temporaryDirectory();
afterAll(() => directory.remove());

const root = process.geteuid?.() === 0;
const NOTHING_CHANGED = /\nseal stopped at '[a-z ]+'; nothing was changed$/;
const STEPS = [
  ...['check', 'prewarm', 'drain', 'limit', 'core dumps', 'new privileges', 'debugger', 'user', 'enter', 'verify'],
];

/** What this process would hand down besides standard streams, having got it itself from whoever started the tests. */
const inherited = listDescriptors()
  .filter(({ fd, closeOnExec }) => fd > 2 && !closeOnExec)
  .map(({ fd }) => fd);

describe('seal', () => {
  test('takes every step, in order, and reports what the kernel then says', async () => {
    const { result, stdout, stderr, status } = await childOutcome(async (api) => {
      const capsule = await api.seal();
      console.log('still talking');
      console.error('and complaining');
      return {
        sandboxed: api.isSandboxed(),
        report: capsule.report,
        text: `${capsule.report}`,
        now: api.listDescriptors(),
        cwd: process.cwd(),
      };
    });
    expect(status).toBe(0);
    expect(stdout).toContain('still talking\n');
    expect(stderr).toContain('and complaining\n');
    expect(result?.cwd).toBe(process.cwd());
    expect(result?.sandboxed).toBe(true);
    const { steps, descriptors, kernel } = result?.report ?? {};
    expect(steps?.map(({ name }) => name)).toEqual(STEPS);
    expect(steps?.filter(({ state }) => state === 'left').map(({ name }) => name)).toEqual(['user']);
    expect(kernel?.kind).toBe(process.platform === 'freebsd' ? 'freebsd' : 'simulated');
    if (kernel?.kind === 'simulated') expect(result?.text).toContain('nothing is protected');

    // What the report says is what the kernel says.
    const reported = descriptors?.map(({ before, after }) => [before.fd, after?.rights, after?.ioctls, after?.fcntls]);
    expect(reported).toEqual(result?.now.map(({ fd, rights, ioctls, fcntls }) => [fd, rights, ioctls, fcntls]));
    expect(descriptors?.map(({ before }) => before.fd)).toEqual(
      [...(descriptors ?? [])].map(({ before }) => before.fd).sort((a, b) => a - b),
    );
    // And none has all it had: a fresh descriptor has some sixty rights.
    for (const { before, after } of descriptors ?? []) {
      expect(before.rights.size ?? Object.keys(before.rights).length).toBeGreaterThan(50);
      expect([before.fd, Object.keys(after?.rights ?? {}).length < 12]).toEqual([before.fd, true]);
      expect(after?.ioctls).not.toBe('all');
    }
    expect(isSandboxed()).toBe(false);
  });

  test('leaves standard streams what they need for their kind and direction', async () => {
    const streams = await inChild(async (api) => {
      const { report } = await api.seal();
      return report.descriptors
        .filter(({ before }) => before.fd < 3)
        .map(({ before, after }) => ({ owner: before.owner, ...after, rights: [...(after?.rights ?? [])] }));
    });
    // /dev/null to read from, and two pipes (or socket pairs) to write to.
    expect(streams[0]).toEqual({
      owner: 'stdio',
      rights: ['read', 'fcntl', 'fstat', 'event'],
      ioctls: [],
      fcntls: ['getfl', 'setfl'],
    });
    for (const { owner, rights } of streams.slice(1)) {
      expect(owner).toBe('stdio');
      expect(rights).toContain('write');
    }
  });

  test('leaves the plan what it names, and nothing else', async () => {
    const result = await inChild(async (api) => {
      const fs = process.getBuiltinModule('node:fs');
      const [kept, whole, none, stranger] = ['/etc/passwd', '/dev/null', '/dev/zero', '/etc/hosts'].map((path) =>
        fs.openSync(path, 'r'),
      ) as [number, number, number, number];
      const { report } = await api.seal({
        descriptors: [
          {
            fd: kept,
            rights: ['pread', 'ioctl', 'fcntl', 'fstat'],
            ioctls: ['FIONREAD', 'FIOCLEX'],
            fcntls: ['getfl'],
          },
          {
            fd: { fd: whole },
            rights: api.getRights(whole),
            ioctls: 'all',
            fcntls: ['getfl', 'setfl', 'getown', 'setown'],
          },
          { fd: none, rights: [] },
        ],
      });
      const of = (fd: number) => {
        const entry = report.descriptors.find(({ before }) => before.fd === fd);
        return [entry?.before.owner, entry?.after, [...api.getRights(fd)], api.getIoctls(fd), api.getFcntls(fd)];
      };
      const buffer = Buffer.alloc(4);
      fs.readSync(kept, buffer, 0, 4, 0);
      let refused: unknown;
      try {
        fs.readSync(none, buffer);
      } catch (error) {
        refused = Math.abs((error as NodeJS.ErrnoException).errno as number);
      }
      return {
        kept: of(kept),
        whole: of(whole).slice(3),
        none: of(none),
        stranger: of(stranger),
        refused,
        read: buffer.toString(),
      };
    });
    const keptRights = ['read', 'seek', 'fcntl', 'fstat', 'ioctl'];
    expect(result.kept).toEqual([
      'caller',
      { rights: keptRights, ioctls: ['FIONREAD', 'FIOCLEX'], fcntls: ['getfl'] },
      keptRights,
      ['FIONREAD', 'FIOCLEX'],
      ['getfl'],
    ]);
    expect(result.whole).toEqual(['all', ['getfl', 'setfl', 'getown', 'setown']]);
    expect(result.none).toEqual(['caller', { rights: [], ioctls: [], fcntls: [] }, [], [], []]);
    // The least for a file that is read.
    expect(result.stranger).toEqual([
      'caller',
      { rights: ['read', 'seek', 'fstat'], ioctls: [], fcntls: [] },
      ['read', 'seek', 'fstat'],
      [],
      [],
    ]);
    expect(result.refused).toBe(93);
    expect(result.read).toBe('root');
  });

  test('never gives back what a descriptor had lost before', async () => {
    const [rights, fcntls] = await inChild(async (api) => {
      const fs = process.getBuiltinModule('node:fs');
      const fd = fs.openSync('/etc/passwd', 'r');
      api.limitRights(fd, ['fstat']);
      api.limitFcntls(1, ['getfl']);
      await api.seal();
      return [[...api.getRights(fd)], api.getFcntls(1)];
    });
    expect(rights).toEqual(['fstat']);
    expect(fcntls).toEqual(['getfl']);
  });

  test('leaves on what the plan says, and says so', async () => {
    const steps = await inChild(async (api) => {
      const { report } = await api.seal({ coreDumps: true, newPrivileges: true, debugger: true });
      return report.steps;
    });
    const left = steps.filter(({ state }) => state === 'left');
    expect(left.map(({ name, detail }) => [name, detail]).slice(0, 3)).toEqual([
      ['core dumps', 'plan.coreDumps'],
      ['new privileges', 'plan.newPrivileges'],
      ['debugger', 'plan.debugger'],
    ]);
  });

  test.runIf(process.platform === 'linux')('turns core dumps off', async () => {
    const limit = await inChild(async (api) => {
      const fs = process.getBuiltinModule('node:fs');
      const fd = fs.openSync('/proc/self/limits', 'r');
      await api.seal({ descriptors: [{ fd, rights: ['read', 'seek', 'fstat'] }] });
      return /Max core file size +(\S+) +(\S+)/.exec(fs.readFileSync(fd, 'utf8'))?.slice(1);
    });
    expect(limit).toEqual(['0', '0']);
  });
});

describe('a plan that cannot be followed', () => {
  test('is refused with nothing changed, whatever is wrong with it', async () => {
    const { answers, before, after, sealed } = await inChild(async (api) => {
      const fs = process.getBuiltinModule('node:fs');
      const fd = fs.openSync('/etc/passwd', 'r');
      const closed = fs.openSync('/etc/passwd', 'r');
      fs.closeSync(closed);
      const throwing = {
        get servers() {
          throw new RangeError('mine');
        },
      };
      const plans: Record<string, unknown> = {
        null: null,
        number: 5,
        'unknown key': { server: [] },
        'servers no list': { servers: 5 },
        'servers closed': { servers: [closed] },
        'servers a file': { servers: [fd] },
        'servers NaN': { servers: [Number.NaN] },
        'sockets a file': { sockets: [fd] },
        'descriptors closed': { descriptors: [{ fd: closed, rights: [] }] },
        'descriptors without rights': { descriptors: [{ fd }] },
        'unknown right': { descriptors: [{ fd, rights: ['nope'] }] },
        'unknown ioctl': { descriptors: [{ fd, rights: ['ioctl'], ioctls: ['NOPE'] }] },
        'unknown fcntl': { descriptors: [{ fd, rights: ['fcntl'], fcntls: ['nope'] }] },
        'fcntls no list': { descriptors: [{ fd, rights: ['fcntl'], fcntls: 5 }] },
        twice: {
          descriptors: [
            { fd, rights: [] },
            { fd, rights: [] },
          ],
        },
        'prewarm no function': { prewarm: [5] },
        unlisted: { unlisted: 'keep' },
        drainTimeout: { drainTimeout: -1 },
        user: { user: 'no-such-user' },
        group: { group: 'no-such-group' },
        coreDumps: { coreDumps: 'no' },
        'throwing getter': throwing,
        'the last one is wrong': {
          coreDumps: true,
          unlisted: 'close',
          descriptors: [{ fd, rights: ['read'] }],
          debugger: 0,
        },
      };
      const state = () =>
        JSON.stringify([api.listDescriptors(), api.isSandboxed(), process.getuid?.(), process.getgroups?.()]);
      const before = state();
      const answers: [string, unknown, string, unknown, boolean][] = [];
      for (const [name, plan] of Object.entries(plans)) {
        let called = false;
        if (plan !== null && typeof plan === 'object' && !('prewarm' in plan)) {
          Object.assign(plan, {
            prewarm: [
              () => {
                called = true;
              },
            ],
          });
        }
        try {
          await api.seal(plan as never);
          answers.push([name, 'sealed', '', [], called]);
        } catch (error) {
          const { code, message, steps, name: kind } = error as NodeJS.ErrnoException & { steps: unknown };
          answers.push([name, code ?? kind, message, steps, called]);
        }
      }
      const after = state();
      // And after all of them it can still be sealed.
      await api.seal();
      return { answers, before, after, sealed: api.isSandboxed() };
    });
    expect(answers.map(([name, code]) => [name, code])).toEqual([
      ['null', 'ERR_INVALID_ARG_TYPE'],
      ['number', 'ERR_INVALID_ARG_TYPE'],
      ['unknown key', 'ERR_INVALID_ARG_VALUE'],
      ['servers no list', 'ERR_INVALID_ARG_TYPE'],
      ['servers closed', 'ERR_INVALID_ARG_VALUE'],
      ['servers a file', 'ERR_INVALID_ARG_VALUE'],
      ['servers NaN', 'ERR_OUT_OF_RANGE'],
      ['sockets a file', 'ERR_INVALID_ARG_VALUE'],
      ['descriptors closed', 'ERR_INVALID_ARG_VALUE'],
      ['descriptors without rights', 'ERR_INVALID_ARG_TYPE'],
      ['unknown right', 'ERR_INVALID_ARG_VALUE'],
      ['unknown ioctl', 'ERR_INVALID_ARG_VALUE'],
      ['unknown fcntl', 'ERR_INVALID_ARG_VALUE'],
      ['fcntls no list', 'ERR_INVALID_ARG_TYPE'],
      ['twice', 'ERR_INVALID_ARG_VALUE'],
      ['prewarm no function', 'ERR_INVALID_ARG_TYPE'],
      ['unlisted', 'ERR_INVALID_ARG_VALUE'],
      ['drainTimeout', 'ERR_OUT_OF_RANGE'],
      ['user', 'ERR_INVALID_ARG_VALUE'],
      ['group', 'ERR_INVALID_ARG_VALUE'],
      ['coreDumps', 'ERR_INVALID_ARG_TYPE'],
      ['throwing getter', 'RangeError'],
      ['the last one is wrong', 'ERR_INVALID_ARG_TYPE'],
    ]);
    for (const [name, , message, steps, called] of answers) {
      expect([name, NOTHING_CHANGED.test(message), steps, called]).toEqual([name, true, [], false]);
    }
    expect(after).toBe(before);
    expect(sealed).toBe(true);
  });
});

describe('descriptors that the plan does not name', () => {
  /** Opens two strangers and one that is planned, and seals with `unlisted`. */
  const sealWith = (unlisted: 'limit' | 'close' | 'fail') =>
    inChild(
      async (api, how) => {
        const fs = process.getBuiltinModule('node:fs');
        const [planned, file, folder] = ['/etc/passwd', '/etc/hosts', '/etc'].map((path) => fs.openSync(path, 'r')) as [
          number,
          number,
          number,
        ];
        const before = JSON.stringify(api.listDescriptors());
        let failure: { code?: string; message: string; steps: unknown } | undefined;
        let report: unknown;
        try {
          ({ report } = await api.seal({ unlisted: how, descriptors: [{ fd: planned, rights: ['read'] }] }));
        } catch (error) {
          const { code, message, steps } = error as NodeJS.ErrnoException & { steps: unknown };
          failure = { ...(code === undefined ? {} : { code }), message, steps };
        }
        const after = api.listDescriptors();
        return {
          ...{ failure, planned, file, folder, unchanged: JSON.stringify(after) === before },
          ...{ report: JSON.stringify(report), sandboxed: api.isSandboxed(), after },
        };
      },
      { input: unlisted },
    );

  test("'fail' names them, and changes nothing", async () => {
    const { failure, file, folder, unchanged, sandboxed, planned } = await sealWith('fail');
    expect(failure?.code).toBe('ERR_INVALID_STATE');
    expect(failure?.message).toMatch(NOTHING_CHANGED);
    expect(failure?.message).toContain(`${file} (file /etc/hosts), ${folder} (directory /etc)`);
    expect(failure?.message).not.toContain(`${planned} (`);
    expect(failure?.steps).toEqual([]);
    expect(unchanged).toBe(true);
    expect(sandboxed).toBe(false);
  });

  test("'limit' leaves them the least for their kind", async () => {
    const { failure, file, folder, after, sandboxed } = await sealWith('limit');
    expect(failure).toBeUndefined();
    expect(sandboxed).toBe(true);
    expect(after.find(({ fd }) => fd === file)?.rights).toEqual(['read', 'seek', 'fstat']);
    // A directory would be a way to open files.
    expect(after.find(({ fd }) => fd === folder)?.rights).toEqual([]);
  });

  test("'close' closes them, and keeps the number from being used again", async () => {
    const { failure, file, folder, planned, after, report } = await sealWith('close');
    expect(failure).toBeUndefined();
    for (const fd of [file, folder]) {
      expect(after.find((descriptor) => descriptor.fd === fd)?.rights).toEqual([]);
      const entry = JSON.parse(report).descriptors.find((each: { before: { fd: number } }) => each.before.fd === fd);
      expect(entry.before.path).toBe(fd === file ? '/etc/hosts' : '/etc');
      expect(entry).not.toHaveProperty('after');
    }
    expect(after.find(({ fd }) => fd === planned)?.rights).toEqual(['read']);
  });

  test("'fail' has no quarrel with the runtime's own, nor with standard streams", async () => {
    expect(
      await inChild(
        async (api, strangers) => {
          for (const fd of strangers) process.getBuiltinModule('node:fs').closeSync(fd);
          await api.seal({ unlisted: 'fail' });
          return api.isSandboxed();
        },
        { input: inherited },
      ),
    ).toBe(true);
  });
});

describe('prewarm', () => {
  test('callbacks are called in turn, each awaited, before anything is limited', async () => {
    const log = await inChild(async (api) => {
      const fs = process.getBuiltinModule('node:fs');
      const log: string[] = [];
      await api.seal({
        prewarm: [
          async () => {
            log.push('first');
            await new Promise((resolve) => setTimeout(resolve, 30));
            log.push('first done');
          },
          () => log.push(`second ${api.isSandboxed()} ${api.getIoctls(1)}`),
          () => log.push(`third ${fs.readFileSync('/etc/passwd', 'utf8').slice(0, 4)}`),
        ],
      });
      return log;
    });
    expect(log).toEqual(['first', 'first done', 'second false all', 'third root']);
  });

  test('what a callback opens is limited too', async () => {
    const rights = await inChild(async (api) => {
      const fs = process.getBuiltinModule('node:fs');
      let fd = -1;
      await api.seal({
        prewarm: [
          () => {
            fd = fs.openSync('/etc/passwd', 'r');
          },
        ],
      });
      return [...api.getRights(fd)];
    });
    expect(rights).toEqual(['read', 'seek', 'fstat']);
  });

  test.each(['throw', 'reject', 'DOMException', 'frozen', 'string', 'nothing'])(
    'a callback that fails (%s) stops the seal, with nothing changed',
    async (how) => {
      const result = await inChild(
        async (api, kind) => {
          const mine: Record<string, unknown> = {
            throw: new RangeError('mine'),
            reject: new RangeError('mine'),
            DOMException: new DOMException('mine', 'AbortError'),
            frozen: Object.freeze(new RangeError('mine')),
            string: 'mine',
          };
          const before = JSON.stringify(api.listDescriptors());
          let later = false;
          const fail = () => {
            if (kind === 'reject') return Promise.reject(mine[kind]);
            throw mine[kind];
          };
          const failure = await api
            .seal({
              prewarm: [
                fail,
                () => {
                  later = true;
                },
              ],
            })
            .then(
              () => undefined,
              (error: Error & { steps: { name: string }[] }) => error,
            );
          const unchanged = JSON.stringify(api.listDescriptors()) === before;
          // It can be tried again.
          const sandboxed = api.isSandboxed();
          await api.seal();
          return {
            ...{ unchanged, later, sandboxed, again: api.isSandboxed() },
            ...{ message: failure?.message, stack: failure?.stack, isError: failure instanceof Error },
            steps: failure?.steps.map(({ name }) => name),
            same: failure === mine[kind],
            caused: failure?.cause === mine[kind],
          };
        },
        { input: how },
      );
      expect(result).toMatchObject({ unchanged: true, later: false, sandboxed: false, again: true, isError: true });
      expect(result.message).toContain(how === 'nothing' ? 'undefined' : 'mine');
      expect(result.message).toMatch(/\nseal stopped at 'prewarm'; nothing was changed$/);
      // What an uncaught error prints.
      expect(result.stack).toContain("seal stopped at 'prewarm'; nothing was changed");
      expect(result.steps).toEqual(['check']);
      const changeable = how === 'throw' || how === 'reject';
      expect([result.same, result.caused]).toEqual(changeable ? [true, false] : [false, true]);
    },
  );

  test('a callback that closes what the plan names stops the seal', async () => {
    const result = await inChild(async (api) => {
      const fs = process.getBuiltinModule('node:fs');
      const fd = fs.openSync('/etc/passwd', 'r');
      const failure = await api
        .seal({ descriptors: [{ fd, rights: ['read'] }], prewarm: [() => fs.closeSync(fd)] })
        .catch((error: Error & { code: string; steps: { name: string }[] }) => error);
      const { code, message, steps } = failure as Error & { code: string; steps: { name: string }[] };
      return {
        code,
        message,
        steps: steps.map(({ name }) => name),
        fd,
        sandboxed: api.isSandboxed(),
        all: api.getIoctls(1),
      };
    });
    expect(result).toMatchObject({ code: 'ERR_INVALID_STATE', sandboxed: false, all: 'all' });
    expect(result.message).toContain(`Descriptor ${result.fd} of the plan was closed while the seal was under way`);
    expect(result.message).toMatch(/\nseal stopped at 'limit'; nothing was changed$/);
    expect(result.steps).toEqual(['check', 'prewarm', 'drain']);
  });

  test("a callback that opens something is refused under 'fail'", async () => {
    const result = await inChild(
      async (api, strangers) => {
        const fs = process.getBuiltinModule('node:fs');
        for (const fd of strangers) fs.closeSync(fd);
        const failure = await api
          .seal({ unlisted: 'fail', prewarm: [() => fs.openSync('/etc/passwd', 'r')] })
          .catch((error: Error) => error);
        return [(failure as Error).message, api.isSandboxed(), api.getIoctls(1)];
      },
      { input: inherited },
    );
    expect(result[0]).toContain('(file /etc/passwd)');
    expect(result[0]).toMatch(/\nseal stopped at 'limit'; nothing was changed$/);
    expect(result.slice(1)).toEqual([false, 'all']);
  });
});

describe('work in flight', () => {
  test('is waited for, and finished before the seal', async () => {
    const [content, order] = await inChild(async (api) => {
      const fs = process.getBuiltinModule('node:fs');
      const order: string[] = [];
      const reading = Promise.all(Array.from({ length: 20 }, () => fs.promises.readFile('/etc/passwd', 'utf8'))).then(
        (texts) => {
          order.push('read');
          return texts.map((text) => text.slice(0, 4));
        },
      );
      await reading;
      await api.seal();
      order.push('sealed');
      return [await reading, order];
    });
    expect(new Set(content)).toEqual(new Set(['root']));
    expect(order).toEqual(['read', 'sealed']);
  });

  test('that does not finish stops the seal, with nothing changed', async () => {
    const fifo = join(directory.path, 'fifo');
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
    const result = await inChild(
      async (api, path) => {
        const fs = process.getBuiltinModule('node:fs');
        const before = JSON.stringify(api.listDescriptors());
        // Nobody writes: a thread of the pool waits inside open(2).
        const opening = fs.promises.open(path, 'r');
        const failure = (await api.seal({ drainTimeout: 200 }).catch((error) => error)) as NodeJS.ErrnoException & {
          steps: { name: string }[];
        };
        const unchanged = JSON.stringify(api.listDescriptors()) === before;
        const sandboxed = api.isSandboxed();
        // The pool is free again, but for that thread.
        const content = await fs.promises.readFile('/etc/passwd', 'utf8');
        fs.closeSync(fs.openSync(path, 'r+'));
        await (await opening).close();
        await api.seal();
        const { code, syscall, message, steps } = failure;
        return {
          ...{ code, syscall, message, unchanged, sandboxed, again: api.isSandboxed() },
          ...{ steps: steps.map(({ name }) => name), content: content.slice(0, 4) },
        };
      },
      { input: fifo },
    );
    expect(result).toMatchObject({ code: 'ETIMEDOUT', syscall: 'seal', unchanged: true, sandboxed: false });
    expect(result).toMatchObject({ again: true, content: 'root', steps: ['check', 'prewarm'] });
    expect(result.message).toContain('within 200 ms');
    expect(result.message).toMatch(/\nseal stopped at 'drain'; nothing was changed$/);
  });

  test('an exit while the pool is held is not held up', async () => {
    const outcome = await childOutcome(
      async (api) => {
        const { createRequire } = process.getBuiltinModule('node:module');
        const main = createRequire(`${process.cwd()}/x.js`).resolve('freebsd-capsule');
        const { native } = createRequire(main)('./binding.js') as typeof import('../../lib/binding.ts');
        const binding = native('test');
        const exitOnceHeld = () => (binding.poolHeld() > 0 ? process.exit(7) : setImmediate(exitOnceHeld));
        exitOnceHeld();
        await api.seal();
      },
      // The hold by itself ends after 30 seconds.
      { timeoutMs: 20_000 },
    );
    expect(outcome).toMatchObject({ status: 7, signal: null });
  });

  test('a pool of another size is held as a whole', async () => {
    for (const size of ['1', '9']) {
      const detail = await inChild(
        async (api) => (await api.seal()).report.steps.find(({ name }) => name === 'drain')?.detail,
        { env: { UV_THREADPOOL_SIZE: size } },
      );
      expect(detail).toBe(`all ${size} threads of the pool held outside the kernel`);
    }
  });
});

// Node 20 may use io_uring on Linux, and then refuses to change users itself.
const ownUsers = { UV_USE_IO_URING: '0' };

describe('the user', () => {
  test('cannot be switched without privilege, and then nothing is called sealed', async () => {
    const result = await inChild(
      async (api, switchFirst) => {
        // Loads the addon, which another user might not be allowed to read.
        api.isSandboxed();
        if (switchFirst) {
          process.setgroups?.([]);
          process.setgid?.(12_345);
          process.setuid?.(12_345);
        }
        const failure = (await api.seal({ user: 0 }).catch((error) => error)) as NodeJS.ErrnoException & {
          steps: { name: string }[];
        };
        const { code, errno, message, syscall, steps } = failure;
        return {
          ...{ code, errno, message, syscall, steps: steps.map(({ name }) => name) },
          ...{ sandboxed: api.isSandboxed(), uid: process.getuid?.(), ioctls: api.getIoctls(1) },
        };
      },
      { input: root, env: ownUsers },
    );
    expect(result).toMatchObject({ code: 'EPERM', errno: -1, sandboxed: false, syscall: 'setgroups' });
    expect(result.uid).toBe(root ? 12_345 : process.getuid?.());
    expect(result.steps).toEqual(STEPS.slice(0, STEPS.indexOf('user')));
    expect(result.message).toContain("seal stopped at 'user'; this process is NOT sealed, but for good: ");
    expect(result.message).toMatch(/\d+ descriptors limited, core dumps, new privileges, debugger, perhaps user$/);
    expect(result.ioctls).toEqual([]);
  });

  test.runIf(root)('is switched, with no other groups left', async () => {
    const result = await inChild(
      async (api) => {
        process.setgroups?.([0, 1, 2, 3]);
        const { report } = await api.seal({ user: 54_321, group: 12_345 });
        const ids = [process.getuid?.(), process.geteuid?.(), process.getgid?.(), process.getegid?.()];
        return { ids, groups: process.getgroups?.(), step: report.steps.find(({ name }) => name === 'user') };
      },
      { env: ownUsers },
    );
    expect(result.ids).toEqual([54_321, 54_321, 12_345, 12_345]);
    expect(new Set(result.groups)).toEqual(new Set([12_345]));
    expect(result.step).toEqual({ name: 'user', state: 'done', detail: 'uid 54321, gid 12345, no other groups' });
  });

  test.runIf(root)('stays when only the group is given', async () => {
    const ids = await inChild(async (api) => {
      await api.seal({ group: 12_345 });
      return [process.getuid?.(), process.getgid?.(), process.getgroups?.()];
    });
    expect(ids).toEqual([0, 12_345, [12_345]]);
  });
});

describe('sealing more than once', () => {
  test('at the same time: one seals, the others are refused', async () => {
    const outcomes = await inChild(async (api) => {
      const settled = await Promise.allSettled([api.seal(), api.seal(), api.seal({ servers: 5 as never })]);
      return settled.map((each) =>
        each.status === 'fulfilled' ? 'sealed' : [each.reason.code, each.reason.message, api.isSandboxed()],
      );
    });
    const refused = ['ERR_INVALID_STATE', 'A seal of this process is under way', true];
    expect(outcomes).toEqual(['sealed', refused, refused]);
  });

  test('one after the other: the second is refused, and says so', async () => {
    const result = await inChild(async (api) => {
      const { report } = await api.seal();
      const before = JSON.stringify(api.listDescriptors());
      const failure = (await api.seal().catch((error) => error)) as NodeJS.ErrnoException;
      return [report.steps.length, failure.code, failure.message, JSON.stringify(api.listDescriptors()) === before];
    });
    expect(result[0]).toBe(STEPS.length);
    expect(result[1]).toBe('ERR_INVALID_STATE');
    expect(result[2]).toContain('This process is in capability mode already');
    expect(result[3]).toBe(true);
  });

  test('after enter(): refused', async () => {
    const failure = await inChild(async (api) => {
      api.enter();
      return api.seal().then(
        () => 'sealed',
        (error) => error.code,
      );
    });
    expect(failure).toBe('ERR_INVALID_STATE');
  });
});

/**
 * A client in a process of its own, started before the seal. For each line it reads, it asks the server twice, over a
 * connection that it keeps and over a new one, and writes the two answers as a line.
 */
const CLIENT = `
  const [kind, where] = JSON.parse(process.argv[1]);
  const http = require('node:http');
  const https = require('node:https');
  const http2 = require('node:http2');
  const net = require('node:net');
  const options = { ...where, rejectUnauthorized: false };
  const overSocket = (socket) => new Promise((resolve, reject) => {
    socket.once('data', (data) => resolve(String(data))).once('error', reject);
    socket.write('ask');
  });
  const overHttp = (module, agent) => new Promise((resolve, reject) => {
    module.get({ ...options, path: '/', agent }, (response) => {
      let body = '';
      response.on('data', (data) => { body += data; }).on('end', () => resolve(body));
    }).on('error', reject);
  });
  const overSession = (session) => new Promise((resolve, reject) => {
    let body = '';
    session.once('error', reject);
    session.request({ ':path': '/' })
      .on('data', (data) => { body += data; }).on('end', () => resolve(body)).on('error', reject);
  });
  let kept;
  const clients = {
    net: [() => overSocket(kept ??= net.connect(where)), () => overSocket(net.connect(where))],
    http: [() => overHttp(http, kept ??= new http.Agent({ keepAlive: true, maxSockets: 1 })), () => overHttp(http, false)],
    https: [() => overHttp(https, kept ??= new https.Agent({ keepAlive: true, maxSockets: 1 })), () => overHttp(https, false)],
    http2: [
      () => overSession(kept ??= http2.connect('http://' + where.host + ':' + where.port)),
      () => overSession(http2.connect('http://' + where.host + ':' + where.port)),
    ],
  };
  process.stdin.on('data', async () => {
    try {
      const answers = [];
      for (const ask of clients[kind]) answers.push(await ask());
      console.log(JSON.stringify(answers));
    } catch (error) {
      console.log(JSON.stringify(String(error)));
    }
  });
`;

/** What the servers of all these modules have in common. */
interface TestServer {
  readonly fd: number;
  listen(where: object, listening: (value?: unknown) => void): void;
  address(): string | { address: string; port: number };
}

describe('a server goes on serving', () => {
  const fixture = (name: string) =>
    readFileSync(fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url)), 'utf8');
  const tls = { key: fixture('localhost-key.pem'), cert: fixture('localhost-cert.pem') };

  test.each([
    ['net', { host: '127.0.0.1' }],
    ['net', { host: '0.0.0.0' }],
    ['net', { host: '::1' }],
    ['net', { path: 'net' }],
    ['http', { host: '127.0.0.1' }],
    ['http', { path: 'http' }],
    ['https', { host: '127.0.0.1' }],
    ['http2', { host: '127.0.0.1' }],
  ])('%s at %o, over old and new connections', async (kind, at) => {
    const where = 'path' in at ? { path: join(directory.path, `${at.path}.socket`) } : at;
    const { before, after, report, widened, listening } = await inChild(
      async (api, [kind, where, tls, client]) => {
        const builtin = (name: string) =>
          process.getBuiltinModule(name) as never as { createServer(...args: unknown[]): TestServer };
        const answer = (_request: unknown, response: { end(text: string): void }) => response.end('answered');
        const server =
          kind === 'net'
            ? builtin('node:net').createServer(
                (socket: { on(event: string, listener: () => void): void; write(text: string): void }) => {
                  socket.on('data', () => socket.write('answered'));
                  socket.on('error', () => {});
                },
              )
            : builtin(`node:${kind}`).createServer(kind === 'https' ? tls : {}, answer);
        await new Promise((resolve) => server.listen({ port: 0, ...where }, resolve));
        const address = server.address();
        const target: { path?: string; host?: string; port?: number } =
          typeof address === 'string' ? { path: address } : { host: address.address, port: address.port };
        if (target.host === '0.0.0.0') target.host = '127.0.0.1';

        const { spawn } = process.getBuiltinModule('node:child_process');
        const { stdin, stdout } = spawn(process.execPath, ['-e', client, JSON.stringify([kind, target])], {
          stdio: ['pipe', 'pipe', 'inherit'],
        });
        const ask = () => {
          stdin.write('\n');
          return new Promise((resolve) => stdout.once('data', (data) => resolve(JSON.parse(String(data)))));
        };

        const before = await ask();
        const { report } = await api.seal({ servers: [server] });
        const after = [await ask(), await ask()];
        let widened: unknown;
        try {
          api.limitRights(server, ['accept', 'connect', 'read']);
        } catch (error) {
          widened = (error as NodeJS.ErrnoException).code;
        }
        stdin.end();
        return { before, after, report, widened, listening: api.getRights(server) };
      },
      { input: [kind, where, tls, CLIENT] as const },
    );
    expect(before).toEqual(['answered', 'answered']);
    expect(after).toEqual([
      ['answered', 'answered'],
      ['answered', 'answered'],
    ]);
    expect(widened).toBe('ENOTCAPABLE');

    const owned = report.descriptors.filter((descriptor) => descriptor.before.owner === 'server');
    const servers = owned.filter((descriptor) => descriptor.before.listening);
    expect(servers).toHaveLength(1);
    expect(servers[0]?.after?.rights).toEqual(listening);
    // Without one of these nobody is served on a real kernel; the simulated one does not look at sockets.
    expect(listening).toEqual(expect.arrayContaining(['accept', 'read', 'write', 'event', 'shutdown']));
    // The kept connection came in through the server, and can do what it could, but accept.
    const connections = owned.filter((descriptor) => !descriptor.before.listening);
    expect(connections.length).toBeGreaterThanOrEqual(1);
    for (const { after: limits } of owned) {
      for (const right of ['bind', 'connect', 'listen', 'ioctl', 'fcntl']) expect(limits?.rights).not.toContain(right);
    }
    for (const { after: limits } of connections) expect(limits?.rights).not.toContain('accept');
  });

  test('several servers at once, and a connection that the process made', async () => {
    const result = await inChild(
      async (api, strangers) => {
        for (const fd of strangers) process.getBuiltinModule('node:fs').closeSync(fd);
        const net = process.getBuiltinModule('node:net');
        const listen = async () => {
          const server = net.createServer((socket) => socket.on('data', (data) => socket.write(`echo ${data}`)));
          await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
          return server;
        };
        const servers = [await listen(), await listen()];
        const clients = await Promise.all(
          servers.map(async (server) => {
            const client = net.connect((server.address() as { port: number }).port, '127.0.0.1');
            await new Promise((resolve) => client.once('connect', resolve));
            return client;
          }),
        );
        const { report } = await api.seal({ servers: new Set(servers), sockets: clients, unlisted: 'fail' });
        const echoes = await Promise.all(
          clients.map((client, index) => {
            client.write(`${index}`);
            return new Promise((resolve) => client.once('data', (data) => resolve(String(data))));
          }),
        );
        return [
          echoes,
          report.steps[0]?.detail,
          report.descriptors.filter(({ before }) => before.owner === 'socket').length,
        ];
      },
      { input: inherited },
    );
    expect(result).toEqual([['echo 0', 'echo 1'], '2 servers, 2 sockets, 0 others', 2]);
  });
});

test('nothing of all this happened to the process of the tests', () => {
  expect(isSandboxed()).toBe(false);
  expect(openDescriptors().slice(0, 3)).toEqual([0, 1, 2]);
});
