/** Processes as descriptors, where something is in the way: no room, a number that is another's, no right to signal. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
// Through the module, which Bun's simulation sees.
import fs from 'node:fs';
import { createServer } from 'node:net';
import { type ProcessDescriptor, spawn } from 'freebsd-capsule';
import { caught } from '../support/caught.ts';
import { temporaryDirectory } from '../support/descriptors.ts';
import { childOutcome, inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';
import {
  type Requirement,
  requireFreeBSD,
  requireJails,
  requireRelease,
  requireRoot,
  requireUnjailed,
} from '../support/requirements.ts';
import { leavingNothing, shell, text } from '../support/spawned.ts';

const requireInherited: Requirement = {
  missing: () =>
    process.versions.bun !== undefined && process.platform === 'linux'
      ? 'on Linux Bun makes all that it is started with close-on-exec'
      : undefined,
};

const SLEEP = ['/bin/sleep', ['100'], { stdio: 'inherit' }] as const;

for (const stdio of ['pipe', 'ignore'] as const) {
  kernelTest(`without a descriptor to spare, and nothing set up yet: EMFILE, and no child (${stdio})`, async () => {
    const { failures, left, children, code } = await inChild(
      async (capsule, streams) => {
        const fs = process.getBuiltinModule('node:fs');
        const { spawnSync } = process.getBuiltinModule('node:child_process');
        const held: number[] = [];
        try {
          for (;;) held.push(fs.openSync('/dev/null', 'r'));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
        }
        const failures: unknown[] = [];
        let child: ReturnType<typeof capsule.spawn> | undefined;
        while (child === undefined) {
          try {
            child = capsule.spawn('/bin/sh', ['-c', 'exit 3'], { stdio: streams });
          } catch (error) {
            const { code, syscall } = error as NodeJS.ErrnoException;
            failures.push(`${code} ${syscall}`);
            if (failures.length > 60) throw error;
            fs.closeSync(held.pop() as number);
          }
        }
        for (const fd of held) fs.closeSync(fd);
        const { code } = await child.exited;
        const left = capsule.listDescriptors().filter(({ kind }) => kind === 'process').length;
        child.close();
        // Without LD_PRELOAD: the ps of Linux does not come to its end with the library of a sanitizer.
        const ps = ['-ax', '-o', 'ppid=', '-o', 'pid='];
        const { stdout, pid } = spawnSync('/bin/ps', ps, { encoding: 'utf8', env: {} });
        const pairs = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
        const children = pairs.filter(([parent, number]) => parent === process.pid && number !== pid).length;
        return { failures, left, children, code };
      },
      // Few descriptors, so that they run out soon.
      { input: stdio, runtime: '/bin/sh', execArgv: ['-c', 'ulimit -n 128; exec "$0" "$@"', process.execPath] },
    );
    assert.deepEqual({ left, children, code }, { left: 1, children: 0, code: 3 });
    const first = stdio === 'pipe' ? 'EMFILE socketpair' : 'EMFILE open';
    for (const expected of [first, 'EMFILE kqueue']) assert.ok(failures.includes(expected), failures.join());
    for (const failure of failures) {
      assert.match(String(failure), /^EMFILE (open|socketpair|kqueue|pdr?fork|fcntl)$/, failures.join());
    }
  });
}

/** Closes the descriptor past its object, and starts another process that gets its number. */
function startOver(first: ProcessDescriptor): ProcessDescriptor {
  const { fd } = first;
  fs.closeSync(fd);
  const second = spawn(...SLEEP);
  assert.equal(second.fd, fd, 'the number was not given out again');
  return second;
}

kernelTest("an object whose number has come to be another child's does nothing to that one", async () => {
  await leavingNothing(async () => {
    const controller = new AbortController();
    const first = spawn(SLEEP[0], SLEEP[1], { ...SLEEP[2], signal: controller.signal });
    const { exited } = first;
    using second = startOver(first);
    controller.abort();
    assert.equal(first.fd, -1);
    assert.equal(caught(() => first.kill('SIGKILL')).code, 'ERR_INVALID_ARG_VALUE');
    first.close();
    await assert.rejects(exited, { code: 'ERR_INVALID_STATE' });
    second.kill('SIGINT');
    // Neither of the signals that the other one was to get.
    assert.equal((await second.exited).signal, 'SIGINT');
  });
});

kernelTest("an object whose number has come to be a file's leaves it alone", async () => {
  await leavingNothing(async () => {
    const child = spawn(...SLEEP);
    const { fd } = child;
    fs.closeSync(fd);
    const files: number[] = [];
    while (!files.includes(fd)) files.push(fs.openSync('/dev/null', 'r'));
    const { code, syscall } = caught(() => child.kill());
    assert.deepEqual([code, syscall], ['EBADF', 'pdgetpid']);
    assert.equal(caught(() => child.close()).code, 'EBADF');
    assert.ok(fs.fstatSync(fd).isCharacterDevice());
    await assert.rejects(child.exited, { code: 'ERR_INVALID_STATE' });
    child.close();
    for (const file of files) fs.closeSync(file);
  });
});

kernelTest("an object whose number has come to be another thread's child does nothing to that one", async () => {
  const result = await inChild(
    async (capsule) => {
      const fs = process.getBuiltinModule('node:fs');
      const { Worker } = process.getBuiltinModule('node:worker_threads');
      const url = process
        .getBuiltinModule('node:module')
        .createRequire(process.argv[1] as string)
        .resolve('freebsd-capsule');
      const worker = new Worker(
        `const { parentPort } = require('node:worker_threads');
         import(${JSON.stringify(url)}).then(async ({ spawn }) => {
           const start = () => spawn('/bin/sleep', ['100'], { stdio: 'inherit' });
           // What is opened once.
           start().close();
           let child;
           parentPort.on('message', async (message) => {
             if (message === 'start') {
               child = start();
               parentPort.postMessage(child.fd);
             } else {
               child.kill('SIGINT');
               const { signal } = await child.exited;
               child.close();
               parentPort.postMessage(signal);
             }
           });
           parentPort.postMessage('ready');
         });`,
        { eval: true },
      );
      const answer = () =>
        new Promise<unknown>((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        });
      await answer();
      const start = () => capsule.spawn('/bin/sleep', ['100'], { stdio: 'inherit' });
      start().close();
      const child = start();
      const adopted = capsule.ProcessDescriptor.from(child.fd);
      const { fd } = child;
      fs.closeSync(fd);
      const next = answer();
      worker.postMessage('start');
      const same = (await next) === fd;
      const codeOf = (call: () => void) => {
        try {
          call();
          return 'done';
        } catch (error) {
          return (error as NodeJS.ErrnoException).code;
        }
      };
      const codes = [codeOf(() => child.kill('SIGKILL')), codeOf(() => adopted.kill('SIGKILL'))];
      const watched = await adopted.exited.catch((error: NodeJS.ErrnoException) => error.code);
      codes.push(codeOf(() => child.close()));
      const end = answer();
      worker.postMessage('end');
      const signal = await end;
      await worker.terminate();
      return { same, codes, watched, signal };
    },
    { timeoutMs: 60_000 },
  );
  assert.deepEqual(result, { same: true, codes: ['EBADF', 'EBADF', 'EBADF'], watched: 'EBADF', signal: 'SIGINT' });
});

kernelTest('two objects of one descriptor are told the same, and closing either closes both', async () => {
  const result = await inChild(async (capsule) => {
    const fs = process.getBuiltinModule('node:fs');
    const { ProcessDescriptor } = capsule;
    const start = () => capsule.spawn('/bin/sleep', ['100'], { stdio: 'inherit' });
    const codeOf = (promise: Promise<unknown>) => promise.catch((error: NodeJS.ErrnoException) => error.code);
    const child = start();
    const twin = ProcessDescriptor.from(child.fd);
    const ends = [codeOf(child.exited), codeOf(twin.exited)];
    const { fd } = child;
    twin.close();
    const codes = await Promise.all(ends);
    const numbers = [child.fd, twin.fd];
    const files: number[] = [];
    while (!files.includes(fd)) files.push(fs.openSync('/dev/null', 'r'));
    child.close();
    const open = fs.fstatSync(fd).isCharacterDevice();
    for (const file of files) fs.closeSync(file);
    // Without the right to tell who it is, the newest has it.
    const old = start();
    capsule.limitRights(old, ['pdkill', 'event']);
    const heir = ProcessDescriptor.from({ fd: old.fd });
    const before = await codeOf(old.exited);
    heir.kill('SIGINT');
    const { signal } = await heir.exited;
    heir.close();
    return { codes, numbers, open, gone: old.fd, before, signal };
  });
  assert.deepEqual(result, {
    codes: ['ERR_INVALID_STATE', 'ERR_INVALID_STATE'],
    numbers: [-1, -1],
    open: true,
    gone: -1,
    before: 'ERR_INVALID_STATE',
    signal: 'SIGINT',
  });
});

kernelTest(
  'an adopted descriptor is close-on-exec, also one that tells no number',
  { needs: [requireInherited] },
  async () => {
    const module = import.meta.resolve('freebsd-capsule');
    const program = `
    import(${JSON.stringify(module)}).then(({ ProcessDescriptor, listDescriptors }) => {
      const flags = () => [40, 41].map((number) => listDescriptors().find(({ fd }) => fd === number)?.closeOnExec);
      const before = flags();
      const pids = [40, 41].map((fd) => typeof ProcessDescriptor.from(fd).pid);
      console.log(JSON.stringify([before, pids, flags()]));
      process.exit();
    });`;
    await leavingNothing(async () => {
      using sibling = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
      using child = spawn(process.execPath, ['-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
        // Beyond the numbers that the runtime itself makes close-on-exec when it starts.
        descriptors: { 40: sibling, 41: { fd: sibling, rights: ['event', 'pdkill'] } },
      });
      // The simulated kernel's rights do not reach another process.
      const limited = requireFreeBSD.missing() === undefined ? 'undefined' : 'number';
      assert.deepEqual(JSON.parse(await text(child.stdout)), [
        [false, false],
        ['number', limited],
        [true, true],
      ]);
    });
  },
);

kernelTest('in capability mode, what needs a path or another identity is ECAPMODE, and leaves nothing', async () => {
  const result = await inChild(async (capsule) => {
    const fs = process.getBuiltinModule('node:fs');
    const file = fs.openSync(process.execPath, 'r');
    const options = {
      cwd: { cwd: '/' },
      directory: { cwd: { fd: fs.openSync('/', 'r') } },
      'jail by name': { jail: 'somewhere' },
      'jail by number': { jail: 1 },
      'user by name': { user: 'root' },
      'user by number': { user: 1 },
      'user and group': { user: 1, group: 1 },
      'group by name': { group: 'daemon' },
      'group by number': { group: 1 },
      groups: { groups: [] },
      'groups by name': { groups: ['daemon'] },
      noNewPrivileges: { noNewPrivileges: true },
      ignore: { stdio: 'ignore' },
    } as const;
    capsule.enter();
    const started = (extra: object) => {
      try {
        capsule.spawn(file, [], { stdio: 'inherit', ...extra }).close();
        return 'started';
      } catch (error) {
        const { code, errno, syscall } = error as NodeJS.ErrnoException;
        return `${code} ${errno} ${syscall}${capsule.isCapabilityError(error) ? '' : ', which is not told'}`;
      }
    };
    // What is opened once.
    started({});
    const before = capsule.listDescriptors().length;
    const answers = Object.entries(options).map(([name, extra]) => [name, started(extra)]);
    return { answers: Object.fromEntries(answers), more: capsule.listDescriptors().length - before };
  });
  assert.deepEqual(result, {
    answers: {
      cwd: 'ECAPMODE -94 chdir',
      directory: 'ECAPMODE -94 fchdir',
      'jail by name': 'ECAPMODE -94 jail_get',
      'jail by number': 'ECAPMODE -94 jail_get',
      'user by name': 'ECAPMODE -94 getpwnam_r',
      'user by number': 'ECAPMODE -94 getpwuid_r',
      'user and group': 'ECAPMODE -94 setgroups',
      'group by name': 'ECAPMODE -94 getgrnam_r',
      'group by number': 'ECAPMODE -94 setgroups',
      groups: 'ECAPMODE -94 setgroups',
      'groups by name': 'ECAPMODE -94 getgrnam_r',
      noNewPrivileges: 'ECAPMODE -94 procctl',
      ignore: 'ECAPMODE -94 open',
    },
    more: 0,
  });
});

kernelTest('a name is searched as by execvp(3): past what is no place, and what is there is remembered', async () => {
  const directory = temporaryDirectory();
  const at = (name: string) => `${directory.path}/${name}`;
  fs.symlinkSync('loop', at('loop'));
  fs.writeFileSync(at('file'), '');
  fs.mkdirSync(at('plain'));
  fs.writeFileSync(at('plain/program'), '#!/bin/sh\n');
  fs.mkdirSync(at('right'));
  fs.writeFileSync(at('right/program'), '#!/bin/sh\nexit 7\n', { mode: 0o755 });
  fs.mkdirSync(at('closed'), { mode: 0 });
  const nowhere = [at('loop'), at('file'), at('missing'), `/${'x'.repeat(300)}`];
  // Root gets into any directory; nobody else knows of a file in this one.
  const unseen = [...nowhere, at('closed')];
  const env = (...places: string[]) => ({ env: { PATH: places.join(':') } });
  await leavingNothing(async () => {
    for (const places of [unseen, [at('plain'), ...unseen]]) {
      using child = spawn('program', [], { ...env(...places, at('right')), stdio: 'ignore' });
      assert.equal((await child.exited).code, 7);
    }
    for (const capabilityMode of [false, true]) {
      const syscall = capabilityMode ? 'open' : 'execve';
      const refusal = (file: string, ...places: string[]) => {
        const error = caught(() => spawn(file, [], { ...env(...places), capabilityMode }));
        assert.deepEqual([error.syscall, error.path], [syscall, file]);
        return error.code;
      };
      for (const place of unseen) assert.equal(refusal('program', place), 'ENOENT');
      assert.equal(refusal('program', ...unseen), 'ENOENT');
      // A path is not searched: its own error is told.
      assert.equal(refusal(at('loop/program')), 'ELOOP');
      assert.equal(refusal(at('file/program')), 'ENOTDIR');
      assert.equal(refusal(`/${'x'.repeat(300)}/program`), 'ENAMETOOLONG');
      // The simulated kernel's host has no O_EXEC, and says so when the file is executed.
      if (capabilityMode && requireFreeBSD.missing() !== undefined) continue;
      assert.equal(refusal('program', ...unseen, at('plain'), ...unseen), 'EACCES');
      assert.equal(refusal('program', at('plain')), 'EACCES');
      assert.equal(refusal(at('plain/program')), 'EACCES');
    }
  });
  fs.chmodSync(at('closed'), 0o755);
  directory.remove();
});

kernelTest(
  'noNewPrivileges: a set-user-id and a set-group-id program get nothing, which they do without',
  { needs: [requireRoot, requireUnjailed] },
  async () => {
    const directory = temporaryDirectory();
    fs.chmodSync(directory.path, 0o755);
    const program = `${directory.path}/id`;
    fs.copyFileSync('/usr/bin/id', program);
    fs.chmodSync(program, 0o6755);
    await leavingNothing(async () => {
      const ids = async (noNewPrivileges: boolean) => {
        const { stdout } = await shell('"$0" -u; "$0" -ru; "$0" -g; "$0" -rg'.replaceAll('$0', program), {
          user: 1001,
          group: 1001,
          noNewPrivileges,
        });
        return stdout.trim().split('\n');
      };
      // Effective and real user, effective and real group.
      assert.deepEqual(await ids(false), ['0', '1001', '0', '1001']);
      assert.deepEqual(await ids(true), ['1001', '1001', '1001', '1001']);
    });
    directory.remove();
  },
);

kernelTest('what is no file is no program, is not waited for, and nothing of it is read', async () => {
  const directory = temporaryDirectory();
  const path = `${directory.path}/fifo`;
  assert.equal(spawnSync('mkfifo', ['-m', '755', path]).status, 0);
  const fifo = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  fs.writeSync(fifo, '#!/bin/sh\n');
  const device = fs.openSync('/dev/zero', 'r');
  const folder = fs.openSync('/', 'r');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await leavingNothing(() => {
    using child = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    for (const capabilityMode of [false, true]) {
      for (const file of [fifo, device, folder, child.fd, server]) {
        const error = caught(() => spawn(file as number, [], { stdio: 'ignore', capabilityMode }));
        assert.equal(error.syscall, 'fexecve');
        assert.match(String(error.code), /^(EACCES|EBADF)$/);
        assert.ok((error.fd ?? -1) >= 0);
      }
    }
  });
  const bytes = Buffer.alloc(20);
  assert.equal(bytes.toString('utf8', 0, fs.readSync(fifo, bytes)), '#!/bin/sh\n');
  for (const fd of [fifo, device, folder]) fs.closeSync(fd);
  await new Promise((resolve) => server.close(resolve));
  directory.remove();
});

kernelTest(
  'a thread that does not start is an error, and no child',
  { needs: [requireRoot, requireUnjailed] },
  async () => {
    const result = await inChild(async (capsule) => {
      const { spawnSync } = process.getBuiltinModule('node:child_process');
      const run = (program: string, ...args: string[]) => spawnSync(program, args, { encoding: 'utf8' }).stdout.trim();
      const name = 'kern.threads.max_threads_per_proc';
      const usual = run('sysctl', '-n', name);
      // All threads of the runtime.
      await process.getBuiltinModule('node:fs/promises').readFile('/etc/passwd');
      const threads = run('ps', '-H', '-o', 'lwp=', '-p', String(process.pid)).split('\n').length;
      const count = () => capsule.listDescriptors().length;
      const start = () => {
        try {
          const child = capsule.spawn('/bin/sleep', ['100'], { stdio: 'inherit' });
          child.close();
          return 'started';
        } catch (error) {
          const { code, syscall } = error as NodeJS.ErrnoException;
          return `${code} ${syscall}`;
        }
      };
      const before = count();
      run('sysctl', `${name}=${threads}`);
      const answers = [start(), start()];
      run('sysctl', `${name}=${usual}`);
      const more = count() - before;
      return { answers, more, afterwards: start() };
    });
    assert.deepEqual(result, {
      answers: ['EAGAIN pthread_create', 'EAGAIN pthread_create'],
      more: 0,
      afterwards: 'started',
    });
  },
);

kernelTest(
  'an AbortSignal that may not end its process rejects its end, and throws to nobody',
  { needs: [requireJails] },
  async () => {
    const { result, error } = await childOutcome(async (capsule) => {
      const uncaught: string[] = [];
      process.on('uncaughtException', (error) => uncaught.push(error.message));
      const controllers = [new AbortController(), new AbortController()] as const;
      const start = (signal: AbortSignal) => capsule.spawn('/bin/sleep', ['100'], { stdio: 'ignore', signal });
      const [foreign, limited] = [start(controllers[0].signal), start(controllers[1].signal)];
      capsule.limitRights(limited, ['event', 'pdgetpid', 'fstat', 'pdwait']);
      // The children stay root's.
      await capsule.seal({ user: 1001, group: 1001 });
      for (const controller of controllers) controller.abort();
      const ends = await Promise.all(
        [foreign, limited].map((child) =>
          child.exited.then(
            () => 'ended',
            (error: NodeJS.ErrnoException) => [error.code, error.syscall, error.message.includes('goes on')],
          ),
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
      // The kernel asks nobody when the last descriptor goes.
      foreign.close();
      limited.close();
      return { ends, uncaught };
    });
    assert.equal(error, undefined);
    assert.deepEqual(result, {
      ends: [
        ['EPERM', 'pdkill', true],
        ['ENOTCAPABLE', 'pdkill', true],
      ],
      uncaught: [],
    });
  },
);

kernelTest(
  'a worker that is terminated while it holds a process leaves no descriptor, no process and no jail',
  { needs: [requireJails, requireRelease(15.0)] },
  async () => {
    const result = await inChild(
      async (capsule) => {
        const { Worker } = process.getBuiltinModule('node:worker_threads');
        const url = process
          .getBuiltinModule('node:module')
          .createRequire(process.argv[1] as string)
          .resolve('freebsd-capsule');
        const program = `
          const { parentPort, workerData } = require('node:worker_threads');
          import(${JSON.stringify(url)}).then(({ Capsule }) => {
            // Bun forgets who subscribes before there is somebody to publish.
            require('node:diagnostics_channel').subscribe('freebsd-capsule:step', ({ step }) => {
              if (step !== 'seal') return;
              parentPort.postMessage(step);
              // It is held now, and stays so.
              Atomics.wait(workerData, 0, 0);
            });
            return Capsule.spawn('/bin/sleep', ['100'], { jail: { path: '/' }, stdio: 'inherit' });
          });`;
        const round = async () => {
          const worker = new Worker(program, { eval: true, workerData: new Int32Array(new SharedArrayBuffer(4)) });
          await new Promise((resolve, reject) => {
            worker.once('message', resolve);
            worker.once('error', reject);
          });
          const kinds = capsule.listDescriptors().map(({ kind }) => kind);
          await worker.terminate();
          return kinds.filter((kind) => kind === 'process').length;
        };
        const open = () => capsule.listDescriptors().length;
        const jails = () => capsule.Jail.list({ dying: true }).length;
        // What the runtime opens once, and what of the first round is closed later than its worker ends.
        await round();
        for (let same = 0, last = ''; same < 10; ) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          const now = `${open()} ${jails()}`;
          same = now === last ? same + 1 : 0;
          last = now;
        }
        const before = [open(), jails()];
        const held = [await round(), await round()];
        for (let wait = 0; wait < 200 && (open() !== before[0] || jails() !== before[1]); wait++) {
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return { held, more: [open() - (before[0] as number), jails() - (before[1] as number)] };
      },
      { timeoutMs: 100_000 },
    );
    assert.deepEqual(result, { held: [1, 1], more: [0, 0] });
  },
);
