/** What seal() does to the process itself: standard streams, descriptors, limits, user, and what it waits for. */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compiled } from '../support/compiled.ts';
import { childOutcome, inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { requireFreeBSD, requireRoot, requireRuntime, requireUnprivileged } from '../support/requirements.ts';

kernelTest('seal({}) keeps the runtime, its timers, its pool and standard streams alive', async () => {
  const outcome = await childOutcome(async (capsule) => {
    const before = process.cwd();
    await capsule.seal({});
    const crypto = process.getBuiltinModule('node:crypto');
    const zlib = process.getBuiltinModule('node:zlib');
    const hash = await new Promise<string>((resolve, reject) => {
      crypto.scrypt('a', 'b', 8, (error, key) => (error ? reject(error) : resolve(key.toString('hex'))));
    });
    const zipped = await new Promise<number>((resolve, reject) => {
      zlib.gzip('x'.repeat(1000), (error, data) => (error ? reject(error) : resolve(data.length)));
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    console.log('out');
    console.error('err');
    return {
      hash,
      zipped: zipped > 0,
      sandboxed: capsule.isSandboxed(),
      sameDirectory: process.cwd() === before,
      year: new Date(0).getFullYear() >= 1969,
      stdin: process.stdin.fd,
    };
  });
  assert.equal(outcome.error, undefined, outcome.error?.stack);
  assert.deepEqual(outcome.result, {
    hash: outcome.result?.hash,
    zipped: true,
    sandboxed: true,
    sameDirectory: true,
    year: true,
    stdin: 0,
  });
  assert.match(outcome.result?.hash ?? '', /^[0-9a-f]{16}$/);
  assert.equal(outcome.stdout, 'out\n');
  assert.equal(outcome.stderr, 'err\n');
  assert.equal(outcome.status, 0);
});

/** A program that seals itself, copies a line from standard input to standard output, and exits with 5. */
const STDIO_PROGRAM = `
  const { seal } = await import(process.argv[1]);
  await seal({});
  process.stdin.once('data', (chunk) => {
    process.stdout.write('got ' + chunk);
    console.error('and said so');
    process.exitCode = 5;
    process.stdin.destroy();
  });
`;

kernelTest('standard streams on files work after the seal, and the exit status is its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'capsule-'));
  try {
    const input = join(folder, 'in');
    const output = join(folder, 'out');
    const errors = join(folder, 'err');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(input, 'a line\n');
    const files = [openSync(input, 'r'), openSync(output, 'w'), openSync(errors, 'a')];
    const child = spawn(process.execPath, ['--input-type=module', '-e', STDIO_PROGRAM, packageUrl()], {
      stdio: [files[0], files[1], files[2]],
    });
    const [status, signal] = (await once(child, 'exit')) as [number | null, string | null];
    for (const fd of files) closeSync(fd);
    assert.equal(readFileSync(errors, 'utf8'), 'and said so\n');
    assert.equal(readFileSync(output, 'utf8'), 'got a line\n');
    assert.deepEqual([status, signal], [5, null]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

kernelTest('standard streams on pipes work after the seal, and the exit status is its own', async () => {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', STDIO_PROGRAM, packageUrl()],
    { input: 'a line\n', encoding: 'utf8', timeout: 60_000 },
  );
  assert.deepEqual([stderr, stdout, status, signal], ['and said so\n', 'got a line\n', 5, null]);
});

/** The package as a child outside the test's folders can import it. */
function packageUrl(): string {
  return import.meta.resolve?.('freebsd-capsule') ?? compiled('../dist/index.js');
}

kernelTest(
  "Node needs 'fstat' and 'fcntl' on standard streams: without them it aborts at exit",
  { needs: [requireFreeBSD, requireRuntime('node')] },
  async () => {
    const ending = async (rights: readonly ('write' | 'event' | 'fstat' | 'fcntl')[]): Promise<string> => {
      const outcome = await childOutcome(
        (capsule, rights) => {
          capsule.limitRights(2, rights);
        },
        { input: rights },
      );
      return `${outcome.signal ?? outcome.status}`;
    };
    assert.equal(await ending(['write', 'event', 'fstat', 'fcntl']), '0');
    assert.equal(await ending(['write', 'event', 'fstat']), 'SIGABRT');
    assert.equal(await ending(['write', 'event', 'fcntl']), 'SIGABRT');
  },
);

for (const without of ['kqueue_event', 'kqueue_change'] as const) {
  kernelTest(
    `event queues need '${without}': without it nothing is ever received`,
    { needs: [requireFreeBSD] },
    async () => {
      const echoes = async (without: 'kqueue_event' | 'kqueue_change' | null): Promise<string> =>
        await inChild(
          async (capsule, without) => {
            const net = process.getBuiltinModule('node:net');
            const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
            await new Promise<void>((resolve) => server.once('listening', () => resolve()));
            const { port } = server.address() as import('node:net').AddressInfo;
            const rights = capsule.Rights.of('kqueue', 'event');
            for (const { fd, kind } of capsule.listDescriptors()) {
              if (kind === 'kqueue') capsule.limitRights(fd, without === null ? rights : rights.without(without));
            }
            return await new Promise<string>((resolve) => {
              const socket = net.connect(port, '127.0.0.1');
              socket.on('data', (data) => resolve(String(data)));
              socket.on('error', (error) => resolve(String(error)));
              setTimeout(() => socket.write('echo'), 200);
              setTimeout(() => resolve('nothing'), 3000);
            });
          },
          { input: without },
        );
      assert.equal(await echoes(null), 'echo');
      assert.notEqual(await echoes(without), 'echo');
    },
  );
}

kernelTest('every descriptor is in the report, with rights as the kernel reads them back', async () => {
  const seen = await inChild(async (capsule) => {
    const fs = process.getBuiltinModule('node:fs');
    const fd = fs.openSync('/etc/passwd', 'r');
    const directory = fs.openSync('/', 'r');
    const before = capsule.listDescriptors().map((descriptor) => descriptor.fd);
    const { report } = await capsule.seal({});
    const wrong = report.descriptors
      .filter(({ before, after }) => after !== undefined && !capsule.getRights(before.fd).equals(after.rights))
      .map(({ before }) => before.fd);
    const listed = report.descriptors.map(({ before }) => before.fd);
    const rightsOf = (number: number) => [...capsule.getRights(number)];
    return {
      missing: before.filter((number) => !listed.includes(number)),
      wrong,
      file: rightsOf(fd),
      directory: rightsOf(directory),
      steps: report.steps.map(({ name, state }) => `${name} ${state}`),
      text: report.toString().includes('cap_enter(2)'),
      unlimited: report.descriptors.filter(({ after }) => after?.rights.has('mmap_x')).length,
    };
  });
  assert.deepEqual(seen, {
    missing: [],
    wrong: [],
    file: ['read', 'seek', 'fstat'],
    directory: [],
    steps: [
      'check done',
      'prewarm done',
      'drain done',
      'limit done',
      'core dumps done',
      'new privileges done',
      'debugger done',
      'user left',
      'enter done',
      'verify done',
    ],
    text: true,
    unlimited: 0,
  });
});

kernelTest("unlisted: 'fail' names the strangers and changes nothing", async () => {
  const seen = await inChild(async (capsule) => {
    const fd = process.getBuiltinModule('node:fs').openSync('/etc/passwd', 'r');
    // What the test was started with may hold strangers too.
    const all = capsule.getRights(fd);
    let message = '';
    try {
      await capsule.seal({ unlisted: 'fail' });
    } catch (error) {
      message = `${(error as NodeJS.ErrnoException).code} ${(error as Error).message}`;
    }
    const changed = capsule.listDescriptors().filter(({ rights }) => !rights.equals(all)).length;
    return { named: message.includes(`${fd} (file /etc/passwd)`), message, changed, mode: capsule.isSandboxed() };
  });
  assert.match(seen.message, /^ERR_INVALID_STATE /);
  assert.match(seen.message, /nothing was changed/);
  assert.deepEqual([seen.named, seen.changed, seen.mode], [true, 0, false]);
});

kernelTest("unlisted: 'close' closes the file and keeps its number from being used again", async () => {
  const seen = await inChild(async (capsule) => {
    const fs = process.getBuiltinModule('node:fs');
    const stranger = fs.openSync('/etc/passwd', 'r');
    const kept = fs.openSync('/etc/passwd', 'r');
    const { report } = await capsule.seal({ unlisted: 'close', descriptors: [{ fd: kept, rights: ['read'] }] });
    let code = '';
    try {
      fs.readSync(stranger, Buffer.alloc(1));
    } catch (error) {
      code = `${Math.abs((error as NodeJS.ErrnoException).errno ?? 0)}`;
    }
    return {
      code,
      rights: [...capsule.getRights(stranger)],
      kept: fs.readSync(kept, Buffer.alloc(4)),
      reported: report.descriptors.find(({ before }) => before.fd === stranger)?.after === undefined,
    };
  });
  assert.deepEqual(seen, { code: '93', rights: [], kept: 4, reported: true });
});

kernelTest('a file-system call that is inside the kernel is waited for, and then refuses the seal', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'capsule-'));
  try {
    const fifo = join(folder, 'fifo');
    assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
    const seen = await inChild(
      async (capsule, fifo) => {
        const fs = process.getBuiltinModule('node:fs');
        // Blocks a thread of the pool until somebody writes.
        const opening = fs.promises.open(fifo, 'r');
        const all = capsule.getRights(0);
        let refusal = '';
        try {
          await capsule.seal({ drainTimeout: 500 });
        } catch (error) {
          refusal = `${(error as NodeJS.ErrnoException).code} ${(error as Error).message}`;
        }
        const untouched = capsule.getRights(0).equals(all) && !capsule.isSandboxed();
        const writer = fs.openSync(fifo, 'w');
        await (await opening).close();
        fs.closeSync(writer);
        const { report } = await capsule.seal({});
        return {
          refusal,
          untouched,
          drained: report.steps.some(({ name, state }) => name === 'drain' && state === 'done'),
        };
      },
      { input: fifo },
    );
    assert.match(seen.refusal, /^ETIMEDOUT .*nothing was changed/s);
    assert.deepEqual([seen.untouched, seen.drained], [true, true]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

kernelTest('file-system work that is queued behind the seal is refused, not done with the old credential', async () => {
  const seen = await inChild(async (capsule) => {
    const fs = process.getBuiltinModule('node:fs');
    const outcomes: string[] = [];
    let stop = false;
    // Asks for a file again and again, across the seal.
    const reader = (async () => {
      while (!stop) {
        const asked = capsule.isSandboxed() ? 'sealed' : 'before';
        outcomes.push(
          await fs.promises.readFile('/etc/passwd').then(
            () => `${asked}: read`,
            (error) => `${asked}: ${capsule.isCapabilityError(error) ? 'refused' : String(error)}`,
          ),
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await capsule.seal({});
    await new Promise((resolve) => setTimeout(resolve, 200));
    stop = true;
    await reader;
    return [...new Set(outcomes)];
  });
  // What was asked for just before may have been behind the seal in the queue.
  assert.deepEqual(
    seen.filter((outcome) => outcome !== 'before: refused'),
    ['before: read', 'sealed: refused'],
  );
});

kernelTest('core dumps, set-id and tracing are off after the seal, or left when the plan says so', async () => {
  const sealed = await inChild(async (capsule) => {
    const { report } = await capsule.seal({});
    return report.steps.map(({ name, state }) => [name, state]);
  });
  const left = await inChild(async (capsule) => {
    const { report } = await capsule.seal({ coreDumps: true, newPrivileges: true, debugger: true });
    return report.steps.map(({ name, state }) => [name, state]);
  });
  for (const name of ['core dumps', 'new privileges', 'debugger']) {
    assert.equal(Object.fromEntries(sealed)[name], 'done');
    assert.equal(Object.fromEntries(left)[name], 'left');
  }
});

kernelTest(
  'after the seal a process of the same user cannot trace it',
  { needs: [requireUnprivileged, requireFreeBSD] },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'capsule-'));
    const traced = async (plan: object): Promise<number | null> => {
      const program = `
      const { seal } = await import(process.argv[1]);
      await seal(${JSON.stringify(plan)});
      console.log('sealed');
      setTimeout(() => {}, 60_000);
    `;
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, packageUrl()], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      const { status } = spawnSync('ktrace', ['-f', join(folder, 'trace'), '-p', String(child.pid)]);
      child.kill('SIGKILL');
      return status;
    };
    try {
      assert.equal(await traced({ debugger: true }), 0);
      assert.notEqual(await traced({}), 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

kernelTest('plan.user and plan.group drop root and its groups', { needs: [requireRoot] }, async () => {
  const seen = await inChild(async (capsule) => {
    const { report } = await capsule.seal({ user: 'nobody' });
    const refused = (call: () => unknown): string => {
      try {
        call();
        return 'allowed';
      } catch {
        return 'refused';
      }
    };
    return {
      ids: [process.getuid?.(), process.geteuid?.(), process.getgid?.(), process.getegid?.()],
      groups: [...new Set(process.getgroups?.())],
      back: refused(() => process.setuid?.(0)),
      step: report.steps.find(({ name }) => name === 'user')?.state,
    };
  });
  const [uid] = seen.ids;
  assert.notEqual(uid, 0);
  assert.deepEqual(seen.ids, [uid, uid, seen.ids[2], seen.ids[2]]);
  assert.deepEqual(seen.groups, [seen.ids[2]]);
  assert.deepEqual([seen.back, seen.step], ['refused', 'done']);
});

kernelTest(
  'plan.user without privilege is refused, and the error says what was done',
  { needs: [requireUnprivileged] },
  async () => {
    const seen = await inChild(async (capsule) => {
      try {
        await capsule.seal({ user: 'root' });
        return undefined;
      } catch (error) {
        const { code, syscall, message } = error as NodeJS.ErrnoException;
        const steps = (error as { steps?: readonly { name: string }[] }).steps?.map(({ name }) => name);
        return { code, syscall, message, steps, sandboxed: capsule.isSandboxed() };
      }
    });
    assert.equal(seen?.code, 'EPERM');
    assert.equal(seen?.syscall, 'setgroups');
    assert.match(seen?.message ?? '', /NOT sealed.*descriptors limited/s);
    assert.deepEqual(seen?.steps, ['check', 'prewarm', 'drain', 'limit', 'core dumps', 'new privileges', 'debugger']);
    assert.equal(seen?.sandboxed, false);
  },
);
