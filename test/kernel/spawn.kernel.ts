/** Processes as descriptors: what starts, what does not, and that nothing is left of what did not. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { getRights, limitRights, listDescriptors, ProcessDescriptor, spawn } from 'freebsd-capsule';
import { caught } from '../support/caught.ts';
import { openDescriptors, temporaryDirectory } from '../support/descriptors.ts';
import { inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { childProcesses, eventually } from '../support/processes.ts';
import {
  findHelper,
  requireFreeBSD,
  requireHelper,
  requireRoot,
  requireUnjailed,
  requireUnprivileged,
} from '../support/requirements.ts';

type Options = NonNullable<Parameters<typeof spawn>[2]>;

/** Reads a stream of a child to its end. */
async function text(stream: AsyncIterable<unknown> | null): Promise<string> {
  let all = '';
  for await (const chunk of stream ?? []) all += String(chunk);
  return all;
}

/** Runs a shell script to its end. */
async function shell(script: string, options: Options = {}) {
  using child = spawn('/bin/sh', ['-c', script], options);
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), child.exited]);
  return { stdout, stderr, code: status.code, signal: status.signal };
}

/** Opens what is opened once and stays, in the runtime too, so that counting finds only leaks. */
async function warm(): Promise<void> {
  await shell('exit 0');
  childProcesses();
}

/** Runs `body` and makes sure that it leaves neither a descriptor nor a process. */
async function leavingNothing(body: () => void | Promise<void>): Promise<void> {
  await warm();
  const descriptors = openDescriptors();
  const children = childProcesses();
  await body();
  const same = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((n, i) => n === b[i]);
  // A stream closes its descriptor a moment after it has ended.
  await eventually(() => same(openDescriptors(), descriptors) && childProcesses().length <= children.length, 5000);
  assert.deepEqual(openDescriptors(), descriptors);
  assert.deepEqual(
    childProcesses().filter((pid) => !children.includes(pid)),
    [],
  );
}

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

kernelTest('many children at once', { timeoutMs: 400_000 }, async () => {
  await leavingNothing(async () => {
    const codes: (number | null)[] = [];
    const wanted: number[] = [];
    // As many as the limits of small machines allow at a time.
    for (let round = 0; round < 5; round++) {
      const children = Array.from({ length: 40 }, (_, index) => {
        wanted.push(index);
        return spawn('/bin/sh', ['-c', `exit ${index}`], { stdio: 'ignore' });
      });
      for (const status of await Promise.all(children.map((child) => child.exited))) codes.push(status.code);
      for (const child of children) child.close();
    }
    assert.deepEqual(codes, wanted);
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

kernelTest('a running child keeps the program, unless it is told not to', async () => {
  const started = Date.now();
  await inChild((capsule) => {
    const child = capsule.spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    child.unref().ref().unref();
    setTimeout(() => {}, 10);
  });
  assert.ok(Date.now() - started < 60_000);
});

kernelTest('a worker that is terminated while it waits takes its children along', async () => {
  const result = await inChild(async (capsule) => {
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
      for (let wait = 0; wait < 100 && processes() > 0; wait++) await new Promise((resolve) => setTimeout(resolve, 50));
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
  });
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

kernelTest('a dynamic executable or a script by descriptor starts outside, and is explained inside', async () => {
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
      capsule.enter();
      const inside = files.map((fd) => codeOf(() => capsule.spawn(fd, [], { stdio: 'inherit' })));
      return { version: /^v?\d/.test(out), code, lacking, before, inside };
    },
    { input: path },
  );
  assert.deepEqual(result, {
    version: true,
    code: 0,
    lacking: ['ENOTCAPABLE', 'fexecve', false, 'number'],
    before: ['ECAPMODE', 'fexecve', true, 'undefined'],
    inside: [
      ['ECAPMODE', 'fexecve', true, 'number'],
      ['ECAPMODE', 'fexecve', true, 'number'],
    ],
  });
  directory.remove();
});

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
