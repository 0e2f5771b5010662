/** Processes as descriptors: what starts, what does not, and that nothing is left of what did not. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import fs, { chmodSync, closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { getRights, limitRights, listDescriptors, ProcessDescriptor, spawn } from 'freebsd-capsule';
import { caught } from '../support/caught.ts';
import { temporaryDirectory } from '../support/descriptors.ts';
import { childOutcome, inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { eventually } from '../support/processes.ts';
import {
  findHelper,
  requireFreeBSD,
  requireHelper,
  requireRoot,
  requireSimulation,
  requireUnjailed,
  requireUnprivileged,
} from '../support/requirements.ts';
import { leavingNothing, type Options, shell, text } from '../support/spawned.ts';

kernelTest('spawn() runs a program, feeds it and tells how it ended', async () => {
  await leavingNothing(async () => {
    using child = spawn('/bin/sh', ['-c', 'cat; echo error >&2; exit 7']);
    assert.ok((child.pid ?? 0) > 1);
    assert.ok(child.fd > 2);
    child.stdin?.end('to standard input\n');
    const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), child.exited]);
    assert.equal(stdout, 'to standard input\n');
    assert.equal(stderr, 'error\n');
    const { resourceUsage, ...rest } = status;
    assert.deepEqual(rest, { code: 7, signal: null, coreDumped: false });
    assert.ok((resourceUsage?.maxRSS ?? 0) > 100);
    assert.equal(await child.exited, status);
    assert.equal(await child.wait(), status);
  });
});

kernelTest('a name is looked for by PATH, arguments and environment arrive as they are', async () => {
  const env = { PATH: '/nowhere:/bin:/usr/bin', ODD: 'a=b c', EMPTY: '', LEFT_OUT: undefined };
  using child = spawn('sh', ['-c', 'printf "%s|" "$0" "$@" "$ODD" "$EMPTY" "$LEFT_OUT" "$HOME"', 'x', 'ä "'], {
    env,
    argv0: 'other',
  });
  assert.equal(await text(child.stdout), 'x|ä "|a=b c||||');
});

kernelTest('cwd is a path or a directory', async () => {
  const directory = temporaryDirectory();
  mkdirSync(`${directory.path}/inside`);
  const { stdout } = await shell('pwd', { cwd: `${directory.path}/inside` });
  assert.match(stdout, /\/inside\n$/);
  const fd = openSync(`${directory.path}/inside`, 'r');
  assert.match((await shell('pwd', { cwd: { fd } })).stdout, /\/inside\n$/);
  closeSync(fd);
  directory.remove();
});

kernelTest('the child has its standard streams and what is given to it, nothing else', async () => {
  const directory = temporaryDirectory();
  const path = `${directory.path}/file`;
  writeFileSync(path, 'content');
  const result = await inChild(
    async (capsule, file) => {
      const fs = process.getBuiltinModule('node:fs');
      const [a, b] = [fs.openSync(file, 'r'), fs.openSync('/etc/passwd', 'r')];
      const child = capsule.spawn(
        '/bin/sh',
        ['-c', 'for n in 0 1 2 3 4 5 6 7 8 9; do (: <&$n) 2>/dev/null && echo $n; done; cat <&9'],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
          descriptors: new Map([
            [5, b],
            [4, a],
            [9, a],
          ]),
        },
      );
      let out = '';
      for await (const chunk of child.stdout ?? []) out += String(chunk);
      return out;
    },
    { input: path },
  );
  assert.equal(result, '0\n1\n2\n4\n5\n9\ncontent');
  directory.remove();
});

kernelTest('descriptors and stdio can be limited for the child alone', async () => {
  const directory = temporaryDirectory();
  const path = `${directory.path}/file`;
  writeFileSync(path, 'content\n');
  const fd = openSync(path, 'r+');
  await leavingNothing(async () => {
    const { stdout } = await shell('cat <&5', { descriptors: { 5: { fd, rights: ['read', 'fstat', 'seek'] } } });
    assert.equal(stdout, 'content\n');
  });
  assert.ok(getRights(fd).has('write'));
  limitRights(fd, ['read', 'fstat']);
  await leavingNothing(() => {
    const error = caught(() => spawn('/bin/sh', [], { descriptors: { 5: { fd, rights: ['write'] } } }));
    assert.equal(error.code, 'ENOTCAPABLE');
    assert.equal(error.syscall, 'cap_rights_limit');
    assert.equal(error.fd, fd);
  });
  closeSync(fd);
  directory.remove();
});

kernelTest('the kernel refuses the child what its descriptor was not given', { needs: [requireRoot] }, async () => {
  const directory = temporaryDirectory();
  const path = `${directory.path}/file`;
  writeFileSync(path, 'content\n');
  const fd = openSync(path, 'r+');
  const { stdout, stderr, code } = await shell('cat <&5 && echo more >&5', {
    descriptors: { 5: { fd, rights: ['read', 'fstat'] } },
  });
  assert.equal(stdout, 'content\n');
  assert.notEqual(code, 0, stderr);
  assert.equal(readFileSync(path, 'utf8'), 'content\n');
  closeSync(fd);
  directory.remove();
});

kernelTest('what cannot start is an error of the step, with its place, and leaves nothing', async () => {
  const directory = temporaryDirectory();
  const plain = `${directory.path}/plain`;
  writeFileSync(plain, 'no program\n');
  const script = `${directory.path}/script`;
  writeFileSync(script, '#!/nowhere/interpreter\n');
  chmodSync(script, 0o755);
  const noFormat = `${directory.path}/no-format`;
  writeFileSync(noFormat, 'what is this\n');
  chmodSync(noFormat, 0o755);
  const failure = (file: string | number, options: Options = {}) => {
    const { code, syscall, path, message, errno } = caught(() => spawn(file, [], options));
    assert.ok((errno ?? 0) < 0);
    return [code, syscall, path, message.split('\n')[0]];
  };
  const closed = openSync(plain, 'r');
  await leavingNothing(() => {
    const missing = `${directory.path}/missing`;
    const wrong = (code: string, textOf: string, syscall: string, path: string) => [
      code,
      syscall,
      path,
      `${code}: ${textOf}, ${syscall} '${path}'`,
    ];
    const nothing = 'no such file or directory';
    assert.deepEqual(failure(missing), wrong('ENOENT', nothing, 'execve', missing));
    assert.deepEqual(failure('no-such-program-here'), wrong('ENOENT', nothing, 'execve', 'no-such-program-here'));
    assert.deepEqual(failure(plain), wrong('EACCES', 'permission denied', 'execve', plain));
    assert.deepEqual(failure(directory.path), wrong('EACCES', 'permission denied', 'execve', directory.path));
    assert.deepEqual(failure(`${plain}/below`), wrong('ENOTDIR', 'not a directory', 'execve', `${plain}/below`));
    assert.deepEqual(failure(script), wrong('ENOENT', nothing, 'execve', script));
    assert.equal(failure(noFormat)[0], 'ENOEXEC');
    assert.deepEqual(failure('/bin/sh', { cwd: missing }), wrong('ENOENT', nothing, 'chdir', missing));
    assert.deepEqual(failure('/bin/sh', { cwd: plain }), wrong('ENOTDIR', 'not a directory', 'chdir', plain));
  });
  closeSync(closed);
  await leavingNothing(() => {
    const error = caught(() => spawn('/bin/sh', [], { descriptors: { 3: closed } }));
    assert.deepEqual([error.code, error.syscall, error.fd], ['EBADF', 'cap_rights_get', closed]);
    assert.equal(caught(() => spawn(closed)).code, 'EBADF');
    assert.equal(caught(() => spawn('/bin/sh', [], { cwd: { fd: closed } })).code, 'EBADF');
    assert.equal(caught(() => spawn('/bin/sh', [], { stdio: ['pipe', 'pipe', closed] })).code, 'EBADF');
  });
  directory.remove();
});

kernelTest('a user that does not exist, or that one may not become', { needs: [requireUnprivileged] }, async () => {
  await leavingNothing(() => {
    assert.equal(caught(() => spawn('/bin/sh', [], { user: 'no-such-user' })).code, 'ERR_INVALID_ARG_VALUE');
    assert.equal(caught(() => spawn('/bin/sh', [], { group: 'no-such-group' })).code, 'ERR_INVALID_ARG_VALUE');
    const error = caught(() => spawn('/bin/sh', [], { user: 'root' }));
    assert.deepEqual([error.code, error.syscall], ['EPERM', 'setgroups']);
  });
});

kernelTest('root gives a child another user and groups', { needs: [requireRoot] }, async () => {
  const { stdout } = await shell('id -u; id -g; id -G', { user: 'nobody' });
  const [uid, gid, groups] = stdout.split('\n');
  assert.equal(uid, '65534');
  assert.equal(gid, '65534');
  // Until 14.x the group itself is one of them.
  const others = (list = '', own = '') => list.split(' ').filter((group) => group !== '' && group !== own);
  assert.deepEqual(others(groups, '65534'), []);
  const other = await shell('id -u; id -g; id -G', { user: 1, group: 'wheel', groups: [5, 'daemon'] });
  const [otherUid, otherGid, otherGroups] = other.stdout.trim().split('\n');
  assert.deepEqual([otherUid, otherGid], ['1', '0']);
  assert.deepEqual(others(otherGroups, '0').sort(), ['1', '5']);
});

kernelTest('a jail that is not there is an error, of root too', { needs: [requireFreeBSD] }, async () => {
  await leavingNothing(() => {
    const refused = (jail: string | number) => {
      const error = caught(() => spawn('/bin/sh', [], { jail })) as NodeJS.ErrnoException & { jail?: unknown };
      return [error.code, error.syscall, error.jail];
    };
    assert.deepEqual(refused('no-such-jail'), ['ENOENT', 'jail_get', 'no-such-jail']);
    const code = process.geteuid?.() === 0 ? 'EINVAL' : 'EPERM';
    assert.deepEqual(refused(999_999), [code, 'jail_attach', 999_999]);
  });
});

kernelTest('a child starts in a jail, by name and by number', { needs: [requireRoot, requireUnjailed] }, async () => {
  const jail = (...args: string[]) => {
    const { status, stderr } = spawnSync('/usr/sbin/jail', args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  };
  jail('-c', 'name=capsule-spawn', 'path=/', 'host.hostname=inside.example', 'persist');
  try {
    const jid = Number(spawnSync('/usr/sbin/jls', ['-j', 'capsule-spawn', 'jid'], { encoding: 'utf8' }).stdout);
    await leavingNothing(async () => {
      const script = 'hostname; sysctl -n security.jail.jailed; pwd; id -u';
      const named = await shell(script, { jail: 'capsule-spawn', cwd: '/etc', user: 'nobody' });
      assert.equal(named.stdout, 'inside.example\n1\n/etc\n65534\n', named.stderr);
      assert.equal((await shell('hostname', { jail: jid })).stdout, 'inside.example\n');
      const error = caught(() => spawn('/bin/sh', [], { jail: jid, cwd: '/nowhere' }));
      assert.deepEqual([error.code, error.syscall, error.path], ['ENOENT', 'chdir', '/nowhere']);
    });
  } finally {
    jail('-r', 'capsule-spawn');
  }
});

kernelTest('a session, limits and no new privileges', async () => {
  const { stdout } = await shell('ulimit -n; ulimit -c; ulimit -Hn', {
    limits: { nofile: { soft: 40, hard: 50 }, core: 0 },
  });
  assert.equal(stdout, '40\n0\n50\n');
  assert.equal((await shell('exit 0', { session: true, noNewPrivileges: true })).code, 0);
});

kernelTest('a limit that only root may raise', { needs: [requireUnprivileged] }, async () => {
  await shell('exit 0', { limits: { nofile: { soft: 40, hard: 40 } } });
  await leavingNothing(() => {
    const error = caught(() => spawn('/bin/sh', [], { limits: { nofile: { soft: 0, hard: 2 ** 52 } } }));
    assert.deepEqual([error.code, error.syscall], ['EPERM', 'setrlimit']);
  });
});

kernelTest('signals have their default actions in the child, and none is blocked', async () => {
  // The runtime ignores SIGPIPE; a child that inherited that would end with an error message instead.
  const { code, signal } = await shell('kill -PIPE $$; sleep 5; exit 1');
  assert.deepEqual([code, signal], [null, 'SIGPIPE']);
});

kernelTest('kill() signals, and tells when there is nobody left', async () => {
  await leavingNothing(async () => {
    using child = spawn('/bin/sleep', ['100']);
    child.kill(0);
    child.kill('SIGSTOP');
    child.kill('SIGCONT');
    child.kill();
    const { code, signal, coreDumped } = await child.exited;
    assert.deepEqual([code, signal, coreDumped], [null, 'SIGTERM', false]);
    const error = caught(() => child.kill());
    assert.deepEqual([error.code, error.errno, error.syscall, error.fd], ['ESRCH', -3, 'pdkill', child.fd]);
    child.close();
    child.close();
    assert.equal(child.fd, -1);
    assert.equal(caught(() => child.kill()).code, 'ERR_INVALID_ARG_VALUE');
  });
});

kernelTest('a child that ends before anybody looks is still told of', async () => {
  await leavingNothing(async () => {
    using child = spawn('/bin/sh', ['-c', 'exit 3'], { stdio: 'ignore' });
    // Nothing of the loop runs meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
    assert.equal((await child.exited).code, 3);
  });
});

kernelTest('closing kills, unless it is a daemon', async () => {
  const directory = temporaryDirectory();
  const alive = (pid: number) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  await leavingNothing(async () => {
    const child = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    const pid = child.pid as number;
    const exited = child.exited;
    assert.ok(alive(pid));
    child.close();
    await assert.rejects(exited, { code: 'ERR_INVALID_STATE' });
    assert.ok(await eventually(() => !alive(pid)));
  });
  const mark = `${directory.path}/mark`;
  const daemon = spawn('/bin/sh', ['-c', `sleep 1; echo alive > ${mark}`], { stdio: 'ignore', daemon: true });
  daemon.close();
  const wrote = await eventually(() => {
    try {
      return readFileSync(mark, 'utf8') === 'alive\n';
    } catch {
      return false;
    }
  });
  assert.ok(wrote, 'the daemon was killed');
  directory.remove();
});

kernelTest('an AbortSignal ends the child, or the waiting', async () => {
  await leavingNothing(async () => {
    const controller = new AbortController();
    using child = spawn('/bin/sleep', ['100'], { signal: controller.signal });
    const patience = new AbortController();
    const waiting = child.wait({ signal: patience.signal });
    patience.abort(new Error('enough'));
    await assert.rejects(waiting, { name: 'AbortError', code: 'ABORT_ERR' });
    controller.abort();
    assert.equal((await child.wait({ signal: new AbortController().signal })).signal, 'SIGTERM');
    assert.equal(caught(() => spawn('/bin/sleep', ['100'], { signal: controller.signal })).name, 'AbortError');
  });
});

kernelTest('rights of a process descriptor say what may be done with it', async () => {
  await leavingNothing(async () => {
    using child = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    const info = listDescriptors().find(({ fd }) => fd === child.fd);
    assert.deepEqual([info?.kind, info?.pid, info?.closeOnExec], ['process', child.pid, true]);
    limitRights(child, ['pdkill', 'event']);
    child.kill('SIGKILL');
    const { signal, resourceUsage } = await child.exited;
    assert.deepEqual([signal, resourceUsage], ['SIGKILL', undefined]);
  });
  await leavingNothing(async () => {
    using child = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    limitRights(child, ['pdgetpid', 'pdwait']);
    const error = caught(() => child.kill());
    assert.deepEqual([error.code, error.syscall, error.fd], ['ENOTCAPABLE', 'pdkill', child.fd]);
  });
});

kernelTest('a descriptor from elsewhere is adopted', async () => {
  await leavingNothing(async () => {
    using child = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    const adopted = ProcessDescriptor.from({ fd: child.fd });
    assert.equal(adopted.pid, child.pid);
    assert.equal(adopted.stdin, null);
    adopted.kill('SIGINT');
    // Both are told.
    const [one, other] = await Promise.all([child.exited, adopted.exited]);
    assert.deepEqual([one.signal, other.signal], ['SIGINT', 'SIGINT']);
  });
  const file = openSync('/etc/passwd', 'r');
  assert.deepEqual(
    [caught(() => ProcessDescriptor.from(file)).code, caught(() => ProcessDescriptor.from(file)).syscall],
    ['EBADF', 'pdgetpid'],
  );
  limitRights(file, ['read']);
  assert.equal(caught(() => ProcessDescriptor.from(file)).code, 'ERR_INVALID_ARG_VALUE');
  closeSync(file);
});

kernelTest('1,000 children at once, each told of as it ended', { timeoutMs: 600_000 }, async () => {
  await leavingNothing(async () => {
    const signals = ['SIGTERM', 'SIGKILL', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const;
    const wanted: string[] = [];
    const children: ProcessDescriptor[] = [];
    for (let index = 0; index < 1000; index++) {
      children.push(spawn('/bin/sleep', ['1000'], { stdio: 'ignore', env: {} }));
    }
    assert.equal(new Set(children.map(({ pid }) => pid)).size, 1000);
    for (const [index, child] of children.entries()) {
      const signal = signals[index % signals.length] as (typeof signals)[number];
      wanted.push(signal);
      child.kill(signal);
    }
    const statuses = await Promise.all(children.map((child) => child.exited));
    assert.deepEqual(
      statuses.map(({ signal }) => signal),
      wanted,
    );
    for (const child of children) child.close();
  });
});

kernelTest('a full table of descriptors is EMFILE, and leaves nothing', async () => {
  const result = await inChild(
    async (capsule) => {
      const fs = process.getBuiltinModule('node:fs');
      const first = capsule.spawn('/bin/sh', ['-c', 'exit 0'], { stdio: 'ignore' });
      await first.exited;
      first.close();
      const before = capsule.listDescriptors().length;
      const fill: number[] = [];
      try {
        for (;;) fill.push(fs.openSync('/dev/null', 'r'));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
      }
      const codes: unknown[] = [];
      for (let freed = 0; freed < 30; freed++) {
        try {
          capsule.spawn('/bin/sh', ['-c', 'exit 0']).close();
          codes.push('started');
          break;
        } catch (error) {
          codes.push((error as NodeJS.ErrnoException).code);
        }
        fs.closeSync(fill.pop() as number);
      }
      for (const fd of fill) fs.closeSync(fd);
      await new Promise((resolve) => setTimeout(resolve, 200));
      codes.push(capsule.listDescriptors().length - before);
      return codes;
    },
    { execArgv: [], timeoutMs: 60_000 },
  );
  assert.deepEqual(result.slice(-2), ['started', 0]);
  assert.deepEqual([...new Set(result.slice(0, -2))], ['EMFILE']);
});

kernelTest('a child ends with its descriptor, whoever closes it', async () => {
  // Through the module: what Bun imports by name, the simulated kernel does not see.
  const ways = {
    closeSync: async (fd: number) => fs.closeSync(fd),
    // Behind what keeps every thread of the pool for a while.
    close: async (fd: number) => {
      const busy = Array.from({ length: 4 }, () => promisify(pbkdf2)('text', 'salt', 200_000, 64, 'sha512'));
      await promisify(fs.close)(fd);
      await Promise.all(busy);
    },
  };
  for (const way of Object.values(ways)) {
    const child = spawn('/bin/sleep', ['1000'], { stdio: ['ignore', 'pipe', 'ignore'] }).unref();
    await way(child.fd);
    // It holds the other end while it runs.
    assert.equal(await text(child.stdout), '');
  }
});

kernelTest('a running child keeps the program, unless it is told not to', () => {
  const url = pathToFileURL(createRequire(import.meta.url).resolve('freebsd-capsule')).href;
  const told: Record<string, string> = {};
  // Those that are not waited for run for longer than a slow machine takes to end the program.
  for (const [calls, seconds] of [
    ['', 1],
    ['.unref()', 30],
    ['.unref().ref()', 1],
    ['.ref().unref()', 30],
  ] as const) {
    const program = `import(${JSON.stringify(url)}).then(({ spawn }) => {
      const child = spawn('/bin/sleep', ['${seconds}'], { stdio: 'ignore' })${calls};
      child.exited.then(() => console.log('told of its end'));
    });`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', program], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.deepEqual({ calls, status, stderr }, { calls, status: 0, stderr: '' });
    told[calls] = stdout.trim();
  }
  const atItsEnd = 'told of its end';
  assert.deepEqual(told, { '': atItsEnd, '.unref()': '', '.unref().ref()': atItsEnd, '.ref().unref()': '' });
});

kernelTest('a worker that is terminated while it waits takes its children along', async () => {
  const result = await inChild(
    async (capsule) => {
      const { Worker } = process.getBuiltinModule('node:worker_threads');
      // What the package opens once for this thread.
      const own = capsule.spawn('/bin/sh', ['-c', 'exit 0'], { stdio: 'ignore' });
      await own.exited;
      own.close();
      const url = process
        .getBuiltinModule('node:module')
        .createRequire(process.argv[1] as string)
        .resolve('freebsd-capsule');
      const program = `
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(url)}).then(async ({ spawn }) => {
        const child = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
        parentPort.postMessage(child.pid);
        await child.exited;
      });`;
      const processes = () => capsule.listDescriptors().filter(({ kind }) => kind === 'process').length;
      const counts = [];
      const left = [];
      for (let round = 0; round < 3; round++) {
        const worker = new Worker(program, { eval: true });
        const pid = await new Promise<number>((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        });
        counts.push(processes());
        await worker.terminate();
        for (let wait = 0; wait < 100 && processes() > 0; wait++)
          await new Promise((resolve) => setTimeout(resolve, 50));
        counts.push(processes());
        try {
          for (let wait = 0; wait < 100; wait++) {
            process.kill(pid, 0);
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          left.push(pid);
        } catch {}
      }
      return { counts, left };
    },
    { timeoutMs: 100_000 },
  );
  assert.deepEqual(result, { counts: [1, 0, 1, 0, 1, 0], left: [] });
});

kernelTest(
  'in capability mode: running children go on, by path nothing starts, and signals need no number',
  async () => {
    const result = await inChild(async (capsule) => {
      const before = capsule.spawn('/bin/cat');
      const sleeper = capsule.spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
      const fs = process.getBuiltinModule('node:fs');
      const script = fs.openSync(process.argv[1] as string, 'r');
      capsule.enter();
      const refusal = (file: string | number, options = {}) => {
        try {
          capsule.spawn(file, [], { stdio: 'inherit', ...options });
        } catch (error) {
          const { code, syscall, message } = error as NodeJS.ErrnoException;
          return [code, syscall, message.includes('static executable'), capsule.isCapabilityError(error)];
        }
        return 'started';
      };
      const byPath = refusal('/bin/cat');
      const directory = refusal('/bin/cat', { cwd: '/' })[1];
      const groups = refusal('/bin/cat', { group: 1 })[1];
      before.stdin?.end('inside');
      let out = '';
      for await (const chunk of before.stdout ?? []) out += String(chunk);
      const { code } = await before.exited;
      sleeper.kill();
      const { signal, resourceUsage } = await sleeper.exited;
      sleeper.close();
      before.close();
      fs.closeSync(script);
      return { byPath, directory, groups, out, code, signal, usage: resourceUsage !== undefined };
    });
    assert.deepEqual(result, {
      byPath: ['ECAPMODE', 'execve', true, true],
      directory: 'chdir',
      groups: 'setgroups',
      out: 'inside',
      code: 0,
      signal: 'SIGTERM',
      usage: true,
    });
  },
);

kernelTest('a process that was sealed keeps its children: streams, signals, and the news of their end', async () => {
  const result = await inChild(async (capsule) => {
    const cat = capsule.spawn('/bin/cat');
    const sleeper = capsule.spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    const { report } = await capsule.seal();
    const of = (fd: number) => report.descriptors.find(({ before }) => before.fd === fd);
    const kept = [...(of(sleeper.fd)?.after?.rights ?? [])];
    const queues = report.descriptors.filter(({ before }) => before.kind === 'kqueue');
    cat.stdin?.end('inside');
    let out = '';
    for await (const chunk of cat.stdout ?? []) out += String(chunk);
    sleeper.kill('SIGKILL');
    const [one, other] = await Promise.all([cat.exited, sleeper.exited]);
    cat.close();
    sleeper.close();
    return {
      kept,
      owners: [...new Set(queues.map(({ before }) => before.owner))],
      out,
      one: one.code,
      other: other.signal,
    };
  });
  assert.deepEqual(result, {
    kept: ['event', 'pdgetpid', 'pdwait', 'pdkill'],
    owners: ['runtime'],
    out: 'inside',
    one: 0,
    other: 'SIGKILL',
  });
});

kernelTest(
  'by descriptor a dynamic executable starts outside, a script nowhere, and both are explained inside',
  async () => {
    const directory = temporaryDirectory();
    const path = `${directory.path}/script`;
    writeFileSync(path, '#!/bin/sh\n');
    chmodSync(path, 0o755);
    const result = await inChild(
      async (capsule, script) => {
        const fs = process.getBuiltinModule('node:fs');
        const files = [fs.openSync(process.execPath, 'r'), fs.openSync(script, 'r')];
        const sleep = fs.openSync(process.execPath, 'r');
        const outside = capsule.spawn(sleep, ['--version'], { stdio: ['ignore', 'pipe', 'inherit'] });
        let out = '';
        for await (const chunk of outside.stdout ?? []) out += String(chunk);
        const { code } = await outside.exited;
        outside.close();
        capsule.limitRights(sleep, ['read', 'fstat']);
        const codeOf = (call: () => { close(): void }) => {
          try {
            call().close();
          } catch (error) {
            const { code: name, syscall, message, fd } = error as NodeJS.ErrnoException & { fd?: number };
            return [name, syscall, message.includes('static executable'), typeof fd];
          }
          return 'started';
        };
        const lacking = codeOf(() => capsule.spawn(sleep, [], { stdio: 'inherit' }));
        const before = codeOf(() => capsule.spawn(process.execPath, [], { stdio: 'inherit', capabilityMode: true }));
        const byDescriptor = codeOf(() => capsule.spawn(fs.openSync(script, 'r'), [], { stdio: 'inherit' }));
        capsule.enter();
        const inside = files.map((fd) => codeOf(() => capsule.spawn(fd, [], { stdio: 'inherit' })));
        return { version: /^v?\d/.test(out), code, lacking, before, byDescriptor, inside };
      },
      { input: path },
    );
    assert.deepEqual(result, {
      version: true,
      code: 0,
      lacking: ['ENOTCAPABLE', 'fexecve', false, 'number'],
      before: ['ECAPMODE', 'fexecve', true, 'undefined'],
      byDescriptor: ['ENOEXEC', 'fexecve', false, 'number'],
      inside: [
        ['ECAPMODE', 'fexecve', true, 'number'],
        ['ECAPMODE', 'fexecve', true, 'number'],
      ],
    });
    directory.remove();
  },
);

kernelTest(
  'in capability mode a static executable starts by its descriptor, with what it is given',
  {
    needs: [requireHelper],
  },
  async () => {
    const directory = temporaryDirectory();
    writeFileSync(`${directory.path}/table`, 'bytes\n');
    const result = await inChild(
      async (capsule, { helper, folder }) => {
        const fs = process.getBuiltinModule('node:fs');
        const file = fs.openSync(helper, 'r');
        const table = fs.openSync(`${folder}/table`, 'r');
        const log = fs.openSync(`${folder}/log`, 'a+');
        capsule.limitRights(file, ['fexecve', 'pread']);
        capsule.enter();
        const answers: unknown[] = [];
        for (let round = 0; round < 3; round++) {
          const child = capsule.spawn(file, [], {
            env: {},
            descriptors: { 3: { fd: table, rights: ['pread'] }, 4: { fd: log, rights: ['write'] } },
          });
          child.stdin?.end('a\nb\n');
          let out = '';
          for await (const chunk of child.stdout ?? []) out += String(chunk);
          const { code } = await child.exited;
          child.close();
          answers.push([out, code]);
        }
        return answers;
      },
      { input: { helper: findHelper() as string, folder: directory.path } },
    );
    const rest = 'no files, no writing to the table, no reading of the log';
    const expected = requireFreeBSD.missing() === undefined ? rest : 'FILES, no writing to the table, READS THE LOG';
    assert.deepEqual(result, Array(3).fill([`4 bytes, 2 lines; ${expected}\n`, 0]));
    assert.equal(readFileSync(`${directory.path}/log`, 'utf8').split('\n').length, 4);
    directory.remove();
  },
);

kernelTest(
  'capabilityMode starts a static executable in capability mode, by its path',
  {
    needs: [requireHelper],
  },
  async () => {
    const directory = temporaryDirectory();
    writeFileSync(`${directory.path}/table`, 'bytes\n');
    const table = openSync(`${directory.path}/table`, 'r');
    const log = openSync(`${directory.path}/log`, 'a+');
    using child = spawn(findHelper() as string, [], { capabilityMode: true, descriptors: { 3: table, 4: log } });
    child.stdin?.end();
    const expected = requireFreeBSD.missing() === undefined ? 'no files' : 'FILES';
    assert.equal((await text(child.stdout)).split(',')[1], ` 0 lines; ${expected}`);
    assert.equal((await child.exited).code, 0);
    closeSync(table);
    closeSync(log);
    directory.remove();
  },
);

kernelTest('a process limit is EAGAIN, and leaves nothing', { needs: [requireUnprivileged] }, async () => {
  const result = await inChild(
    async (capsule) => {
      const options = { stdio: 'ignore', env: {} } as const;
      const first = capsule.spawn('/bin/sleep', ['0'], options);
      await first.exited;
      first.close();
      const before = capsule.listDescriptors().length;
      const children = [];
      let refusal: unknown;
      for (let count = 0; count < 300 && refusal === undefined; count++) {
        try {
          children.push(capsule.spawn('/bin/sleep', ['1000'], options));
        } catch (error) {
          const { code, syscall } = error as NodeJS.ErrnoException;
          refusal = [code, syscall?.replace('pdrfork', 'pdfork'), error instanceof Error];
        }
      }
      const more = capsule.listDescriptors().length - before - children.length;
      const pids = children.map(({ pid }) => pid as number);
      for (const child of children) child.close();
      // There is room again, and nobody is left.
      const again = capsule.spawn('/bin/sleep', ['0'], options);
      const { code } = await again.exited;
      again.close();
      const left = pids.filter((pid) => {
        try {
          process.kill(pid, 0);
          return true;
        } catch {
          return false;
        }
      });
      return { refusal, more, code, left, after: capsule.listDescriptors().length - before };
    },
    // On some hosts threads count too.
    { runtime: '/bin/sh', execArgv: ['-c', 'ulimit -u 200; exec "$0" "$@"', process.execPath], timeoutMs: 100_000 },
  );
  assert.deepEqual(result, { refusal: ['EAGAIN', 'pdfork', true], more: 0, code: 0, left: [], after: 0 });
});

kernelTest('a child that is killed before it executes the file is an error, and leaves nothing', async () => {
  const directory = temporaryDirectory();
  // Each look at a place follows many links over many components: the child uses up its CPU time on the way.
  const links = 25;
  for (let link = 0; link < links; link++) {
    symlinkSync(`${'./'.repeat(450)}link-${link + 1}`, `${directory.path}/link-${link}`);
  }
  const PATH = Array(60_000).fill('link-0').join(':');
  await leavingNothing(() => {
    const { code, syscall, message } = caught(() =>
      spawn('no-such-program', [], {
        cwd: directory.path,
        env: { PATH },
        capabilityMode: true,
        limits: { cpu: 1, core: 0 },
      }),
    );
    assert.deepEqual([code, syscall?.replace('pdrfork', 'pdfork')], ['ECHILD', 'pdfork']);
    assert.match(message, /^ECHILD: no child processes, pdr?fork\nThe child was killed before it executed the file$/);
  });
  directory.remove();
});

kernelTest('a FIFO is no program, and is not waited for', async () => {
  const directory = temporaryDirectory();
  const path = `${directory.path}/fifo`;
  assert.equal(spawnSync('mkfifo', ['-m', '755', path]).status, 0);
  await leavingNothing(() => {
    for (const capabilityMode of [false, true]) {
      const { code } = caught(() => spawn(path, [], { capabilityMode }));
      assert.ok(code === 'EACCES' || code === 'EINVAL', code);
    }
  });
  directory.remove();
});

kernelTest('descriptors change places, whatever their numbers here', async () => {
  const directory = temporaryDirectory();
  const result = await inChild(
    async (capsule, folder) => {
      const fs = process.getBuiltinModule('node:fs');
      for (const name of ['a', 'b', 'c']) fs.writeFileSync(`${folder}/${name}`, name);
      const warm = capsule.spawn('/bin/sh', ['-c', 'exit 0']);
      await warm.exited;
      warm.close();
      const read = async (options: object, script: string) => {
        const child = capsule.spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
        const streams = [child.stdout, child.stderr].map(async (stream) => {
          let text = '';
          for await (const chunk of stream ?? []) text += String(chunk);
          return text;
        });
        const texts = await Promise.all(streams);
        await child.exited;
        child.close();
        return texts;
      };
      // /dev/fd would open them anew on some systems; dd reads from where it is put.
      const cat = (...fds: number[]) => fds.map((fd) => `cat <&${fd}`).join('; ');
      const open = (name: string) => fs.openSync(`${folder}/${name}`, 'r');
      const answers: unknown[] = [];
      // Two low numbers that this process has, whatever they are, each given under the other's.
      const [low, high] = [open('a'), open('b')];
      const swapped = new Map([
        [low, high],
        [high, low],
      ]);
      // A shell names only one digit: so it is told what is where by a program.
      const script = `
        const fs = require('node:fs');
        console.log([${low}, ${high}].map((fd) => fs.readFileSync(fd, 'utf8')).join());`;
      const program = capsule.spawn(process.execPath, ['-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
        descriptors: swapped,
      });
      let out = '';
      for await (const chunk of program.stdout ?? []) out += String(chunk);
      program.close();
      answers.push(out.trim());
      fs.closeSync(low);
      fs.closeSync(high);
      // All single digits in the child are taken by files, in the opposite order of their numbers here.
      const files = ['a', 'b', 'c', 'a', 'b', 'c', 'a'].map(open);
      const descriptors = new Map(files.map((fd, index) => [9 - index, fd]));
      answers.push((await read({ descriptors }, cat(3, 4, 5, 6, 7, 8, 9)))[0]);
      for (const fd of files) fs.closeSync(fd);
      // Standard output and error change places.
      const [one, two] = [fs.openSync(`${folder}/one`, 'w+'), fs.openSync(`${folder}/two`, 'w+')];
      await read({ stdio: ['ignore', two, one] }, 'echo out; echo err >&2');
      answers.push(['one', 'two'].map((name) => fs.readFileSync(`${folder}/${name}`, 'utf8')));
      return answers;
    },
    { input: directory.path },
  );
  assert.deepEqual(result, ['b,a', 'acbacba', ['err\n', 'out\n']]);
  directory.remove();
});

kernelTest("this process's own standard streams change places", async () => {
  const { stdout, stderr, result } = await childOutcome(async (capsule) => {
    const child = capsule.spawn('/bin/sh', ['-c', 'echo to-out; echo to-err >&2'], { stdio: ['ignore', 2, 1] });
    const { code } = await child.exited;
    child.close();
    return code;
  });
  assert.equal(result, 0);
  assert.match(stdout, /to-err\n/);
  assert.equal(stderr, 'to-out\n');
});

kernelTest('a number is as high as the limit of open files allows', async () => {
  const result = await inChild(
    async (capsule) => {
      const fs = process.getBuiltinModule('node:fs');
      const null_ = fs.openSync('/dev/null', 'r');
      const first = capsule.spawn('/bin/sh', ['-c', 'exit 0'], { stdio: 'ignore' });
      await first.exited;
      first.close();
      const before = capsule.listDescriptors().length;
      const start = async (number: number) => {
        try {
          const child = capsule.spawn('/bin/sh', ['-c', 'exit 0'], {
            stdio: 'ignore',
            descriptors: new Map([[number, null_]]),
          });
          const { code } = await child.exited;
          child.close();
          return code;
        } catch (error) {
          const { code, syscall, fd } = error as NodeJS.ErrnoException & { fd?: number };
          return [code, syscall, fd === null_];
        }
      };
      const answers = [await start(199), await start(200), await start(65_535)];
      return [...answers, capsule.listDescriptors().length - before];
    },
    // Both limits, since the runtime raises the first as far as it may.
    { runtime: '/bin/sh', execArgv: ['-c', 'ulimit -n 200; exec "$0" "$@"', process.execPath] },
  );
  assert.deepEqual(result, [0, ['EMFILE', 'dup2', true], ['EMFILE', 'dup2', true], 0]);
});

kernelTest('standard streams of this process may be closed', async () => {
  const directory = temporaryDirectory();
  const path = `${directory.path}/result`;
  await childOutcome(
    async (capsule, file) => {
      const fs = process.getBuiltinModule('node:fs');
      // What is loaded with the first use could get one of the numbers: Bun keeps files of modules open.
      capsule.listDescriptors();
      for (const fd of [0, 1, 2]) fs.closeSync(fd);
      let inherited: unknown = 'started';
      try {
        capsule.spawn('/bin/sh', [], { stdio: ['inherit', 'ignore', 'ignore'] }).close();
      } catch (error) {
        const { code, fd } = error as NodeJS.ErrnoException & { fd?: number };
        inherited = [code, fd];
      }
      const child = capsule.spawn('/bin/sh', ['-c', 'cat; echo error >&2; exit 5']);
      child.stdin?.end('through');
      const texts = await Promise.all(
        [child.stdout, child.stderr].map(async (stream) => {
          let text = '';
          for await (const chunk of stream ?? []) text += String(chunk);
          return text;
        }),
      );
      const { code } = await child.exited;
      child.close();
      fs.writeFileSync(file, JSON.stringify([inherited, texts, code]));
      // For what reports the result.
      while (fs.openSync('/dev/null', 'r+') < 2);
    },
    { input: path },
  );
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), [['EBADF', 0], ['through', 'error\n'], 5]);
  directory.remove();
});

kernelTest('a parent that ignores SIGCHLD is told all the same', async () => {
  const result = await inChild(
    async (capsule) => {
      const child = capsule.spawn('/bin/sh', ['-c', 'exit 6'], { stdio: 'ignore' });
      const { code, resourceUsage } = await child.exited;
      child.close();
      return [code, resourceUsage !== undefined];
    },
    { runtime: '/bin/sh', execArgv: ['-c', 'trap "" CHLD; exec "$0" "$@"', process.execPath] },
  );
  assert.deepEqual(result, [6, true]);
});

kernelTest('the child ignores and blocks nothing', async () => {
  const { stdout } = await shell(
    process.platform === 'linux'
      ? 'exec grep -E "^Sig(Blk|Ign)" /proc/self/status'
      : 'exec ps -o sigmask= -o sigignore= -p $$',
    { env: { PATH: '/bin:/usr/bin' } },
  );
  const masks = stdout.match(/(?<=\s|^)[0-9a-f]+(?=\s|$)/g) ?? [];
  assert.equal(masks.length, 2, stdout);
  // FreeBSD counts as ignored those whose default action is nothing: SIGURG, SIGCHLD, SIGIO, SIGWINCH, SIGINFO.
  const harmless = process.platform === 'linux' ? 0 : [16, 20, 23, 28, 29].reduce((all, n) => all + 2 ** (n - 1), 0);
  const [blocked, ignored] = masks.map((mask) => BigInt(`0x${mask}`));
  assert.equal(blocked, 0n, stdout);
  assert.equal((ignored ?? 0n) & ~BigInt(harmless), 0n, stdout);
});

kernelTest('too many arguments are E2BIG', async () => {
  await leavingNothing(() => {
    const { code, syscall } = caught(() => spawn('/bin/sh', Array(100).fill('x'.repeat(100_000))));
    assert.deepEqual([code, syscall], ['E2BIG', 'execve']);
  });
});

kernelTest('what fails after the start ends the child', async () => {
  await leavingNothing(() => {
    const signal = {
      aborted: false,
      addEventListener() {
        throw new Error('no listeners here');
      },
    } as unknown as AbortSignal;
    assert.equal(caught(() => spawn('/bin/sleep', ['100'], { signal })).message, 'no listeners here');
  });
});

kernelTest('a signal that aborts while the arguments are read starts nothing', async () => {
  await leavingNothing(() => {
    const controller = new AbortController();
    const options = {
      signal: controller.signal,
      get limits() {
        controller.abort();
        return {};
      },
    };
    assert.equal(caught(() => spawn('/bin/sleep', ['100'], options)).name, 'AbortError');
  });
});

kernelTest('a rejection that nobody waits for ends nothing', async () => {
  const result = await inChild(async (capsule) => {
    const child = capsule.spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    child.close();
    const other = capsule.spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    const adopted = capsule.ProcessDescriptor.from(other.fd);
    capsule.limitRights(adopted, ['pdgetpid']);
    const rejected = await adopted.exited.catch((error: NodeJS.ErrnoException) => error.code);
    other.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    return rejected;
  });
  assert.equal(result, 'ENOTCAPABLE');
});

kernelTest('a descriptor that another thread closes and opens is given or is EBADF, and nothing is left', async () => {
  const result = await inChild(
    async (capsule) => {
      const fs = process.getBuiltinModule('node:fs');
      const { Worker } = process.getBuiltinModule('node:worker_threads');
      const first = capsule.spawn('/bin/sh', ['-c', 'exit 0'], { stdio: 'ignore' });
      await first.exited;
      first.close();
      const target = fs.openSync('/dev/null', 'r');
      const stop = new Int32Array(new SharedArrayBuffer(8));
      const worker = new Worker(
        `const { workerData: [fd, stop] } = require('node:worker_threads');
         const fs = require('node:fs');
         Atomics.store(stop, 1, 1);
         Atomics.notify(stop, 1);
         while (Atomics.load(stop, 0) === 0) {
           try { fs.closeSync(fd); } catch {}
           // Whatever number it gets; the lowest is this one, unless the other thread was faster.
           const opened = fs.openSync('/dev/null', 'r');
           if (opened !== fd) fs.closeSync(opened);
         }`,
        { eval: true, workerData: [target, stop] },
      );
      const failed = new Promise<never>((_, reject) => worker.once('error', reject));
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      failed.catch(() => {});
      while (Atomics.load(stop, 1) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      const outcomes = new Set<unknown>();
      for (let round = 0; round < 60; round++) {
        try {
          // No pipes: the other thread would close one that gets its number.
          const child = capsule.spawn('/bin/sh', ['-c', 'exit 0'], { stdio: 0, descriptors: { 7: target } });
          // The other thread may close this one at any moment, and nobody is told of the end of a child that is nobody's.
          if (child.fd !== target) outcomes.add((await child.exited).code);
          child.close();
        } catch (error) {
          outcomes.add((error as NodeJS.ErrnoException).code);
        }
      }
      Atomics.store(stop, 0, 1);
      await Promise.race([ended, failed]);
      // ECHILD: the number was the process descriptor's for a moment, and whoever closes that kills.
      return [...outcomes].filter((outcome) => !([0, 'EBADF', 'ECHILD'] as unknown[]).includes(outcome));
    },
    { timeoutMs: 100_000 },
  );
  assert.deepEqual(result, []);
});

kernelTest(
  'a process receives the descriptor of its sibling, and does what its rights allow',
  { needs: [requireFreeBSD] },
  async () => {
    const rights = {
      all: ['pdkill', 'pdwait', 'pdgetpid', 'event'],
      'no pdkill': ['pdwait', 'pdgetpid', 'event'],
      'no event': ['pdkill', 'pdwait', 'pdgetpid'],
      'no pdwait': ['pdkill', 'pdgetpid', 'event'],
      'no pdgetpid': ['pdkill', 'pdwait', 'event'],
    } as const;
    const module = import.meta.resolve('freebsd-capsule');
    const program = `
    import(${JSON.stringify(module)}).then(async ({ ProcessDescriptor, explainCapabilityError }) => {
      const sibling = ProcessDescriptor.from(3);
      const answer = { pid: sibling.pid };
      const tell = (error) => [error.code, error.syscall, error.message.split(': ').at(-1), explainCapabilityError(error)?.includes("'" + error.message.split("'").at(-2) + "'")];
      try { sibling.kill('SIGINT'); } catch (error) { answer.kill = tell(error); }
      try {
        if (answer.kill === undefined) {
          const { signal, resourceUsage } = await sibling.exited;
          answer.ended = [signal, resourceUsage !== undefined];
        }
      } catch (error) { answer.ended = tell(error); }
      console.log(JSON.stringify(answer));
      process.exit();
    });`;
    await leavingNothing(async () => {
      for (const [what, list] of Object.entries(rights)) {
        using sibling = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
        using child = spawn(process.execPath, ['-e', program], {
          stdio: ['ignore', 'pipe', 'inherit'],
          descriptors: { 3: { fd: sibling, rights: list } },
        });
        const answer = JSON.parse(await text(child.stdout)) as Record<string, unknown>;
        const pid = what === 'no pdgetpid' ? {} : { pid: sibling.pid };
        if (what === 'no pdkill') {
          const lacks = "the process descriptor lacks 'pdkill'";
          assert.deepEqual(answer, { ...pid, kill: ['ENOTCAPABLE', 'pdkill', lacks, true] });
          assert.doesNotThrow(() => sibling.kill(0));
        } else if (what === 'no event') {
          const lacks = "the process descriptor lacks 'event'";
          assert.deepEqual(answer, { ...pid, ended: ['ENOTCAPABLE', 'kevent', lacks, true] });
          assert.equal((await sibling.exited).signal, 'SIGINT');
        } else {
          const mine = await sibling.exited;
          assert.equal(mine.signal, 'SIGINT');
          const [signal, told] = answer.ended as [string, boolean];
          assert.deepEqual({ ...answer, ended: signal }, { ...pid, ended: 'SIGINT' });
          // The usage goes to whoever asks first; who lacks the right does not get it.
          assert.notEqual(told, mine.resourceUsage !== undefined);
          if (what === 'no pdwait') assert.equal(told, false);
        }
        // The copy of the child is gone with it; this one does not depend on it.
        assert.ok(getRights(sibling).has('fstat'));
      }
    });
  },
);

kernelTest(
  'a sealed process starts a static executable, gives it two descriptors, and signals it',
  { needs: [requireHelper] },
  async () => {
    const directory = temporaryDirectory();
    writeFileSync(`${directory.path}/table`, 'bytes\n');
    const result = await inChild(
      async (capsule, { helper, folder }) => {
        const fs = process.getBuiltinModule('node:fs');
        const file = fs.openSync(helper, 'r');
        const table = fs.openSync(`${folder}/table`, 'r');
        const log = fs.openSync(`${folder}/log`, 'a+');
        const nothing = fs.openSync('/dev/null', 'r+');
        await capsule.seal({
          descriptors: [
            { fd: file, rights: ['fexecve', 'read', 'seek', 'fstat'] },
            { fd: table, rights: ['read', 'seek'] },
            { fd: log, rights: ['write'] },
            { fd: nothing, rights: ['read', 'write'] },
          ],
        });
        const descriptors = { 3: { fd: table, rights: ['pread'] }, 4: { fd: log, rights: ['write'] } } as const;
        // What is opened once.
        const first = capsule.spawn(file, [], { env: {}, stdio: [nothing, nothing, nothing], descriptors });
        await first.exited;
        first.close();
        const before = capsule.listDescriptors().length;
        const one = capsule.spawn(file, [], { env: {}, descriptors });
        one.stdin?.end('a\n');
        let out = '';
        for await (const chunk of one.stdout ?? []) out += String(chunk);
        const { code } = await one.exited;
        one.close();
        // This one waits for its standard input, which stays open.
        const two = capsule.spawn(file, [], { env: {}, stdio: ['pipe', nothing, nothing], descriptors });
        two.kill('SIGKILL');
        const { signal } = await two.exited;
        two.close();
        const refusal = (call: () => { close(): void }) => {
          try {
            call().close();
          } catch (error) {
            return [(error as NodeJS.ErrnoException).code, (error as NodeJS.ErrnoException).syscall];
          }
          return 'started';
        };
        const refused = [
          refusal(() => capsule.spawn(file, [], { stdio: 'ignore' })),
          refusal(() => capsule.spawn(file, [], { descriptors: { 3: { fd: table, rights: ['write'] } } })),
          refusal(() => capsule.spawn(table, [])),
          refusal(() => capsule.spawn(helper, [])),
        ].map((answer) => (answer === 'started' ? answer : answer[0]));
        await new Promise((resolve) => setTimeout(resolve, 200));
        return { out, code, signal, refused, more: capsule.listDescriptors().length - before };
      },
      { input: { helper: findHelper() as string, folder: directory.path } },
    );
    const { out, refused, ...rest } = result;
    assert.match(out, /^2 bytes, 1 lines; /);
    if (requireFreeBSD.missing() === undefined) assert.match(out, /no files, no writing to the table, no reading/);
    assert.deepEqual(rest, { code: 0, signal: 'SIGKILL', more: 0 });
    assert.equal(refused[1], 'ENOTCAPABLE');
    assert.equal(refused[2], 'ENOTCAPABLE');
    assert.equal(refused[3], 'ECAPMODE');
    assert.notEqual(refused[0], 'started');
    directory.remove();
  },
);

kernelTest(
  'of a process that is not its own child, the simulation tells no end rather than a wrong one',
  { needs: [requireSimulation] },
  async () => {
    const module = import.meta.resolve('freebsd-capsule');
    const program = `
      import(${JSON.stringify(module)}).then(async ({ ProcessDescriptor }) => {
        const sibling = ProcessDescriptor.from(3);
        const refusal = await sibling.exited.catch((error) => [error.code, error.syscall]);
        sibling.kill('SIGINT');
        console.log(JSON.stringify([sibling.pid, ...refusal]));
        process.exit();
      });`;
    await leavingNothing(async () => {
      using sibling = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
      using child = spawn(process.execPath, ['-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
        descriptors: { 3: sibling },
      });
      assert.deepEqual(JSON.parse(await text(child.stdout)), [sibling.pid, 'ENOSYS', 'kevent']);
      assert.equal((await sibling.exited).signal, 'SIGINT');
    });
  },
);
