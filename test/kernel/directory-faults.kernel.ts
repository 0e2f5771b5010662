/** What a Directory says when descriptors, space or limits run out, and when others hold a call up. */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs, { constants } from 'node:fs';
import { Directory } from 'freebsd-capsule';
import { onlyTheseAreOpen, settledDescriptors, temporaryDirectory } from '../support/descriptors.ts';
import { type Capsule, type ChildOptions, inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { requireRoot } from '../support/requirements.ts';

const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

type Place = { readonly directory: Directory; readonly path: (name?: string) => string };

function faultTest(name: string, body: (place: Place) => void | Promise<void>): void {
  kernelTest(`directory: ${name}`, async () => {
    const temporary = temporaryDirectory();
    const directory = Directory.open(temporary.path);
    try {
      await body({ directory, path: (file = '') => `${temporary.path}/${file}` });
    } finally {
      directory.close();
      temporary.remove();
    }
  });
}

/** Runs a body in a child under a limit of the shell's, hard as well as soft: runtimes raise the soft one. */
function underLimit<Result, Input>(
  limit: string,
  body: (api: Capsule, input: Input) => Promise<Result>,
  options: ChildOptions<Input>,
): Promise<Awaited<Result>> {
  const execArgv = ['-c', `ulimit ${limit} && exec "$0" "$@"`, process.execPath];
  return inChild(body, { ...options, runtime: '/bin/sh', execArgv, timeoutMs: 90_000 });
}

function makeFifo(path: string): void {
  const { status, stderr } = spawnSync('mkfifo', [path], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

faultTest(
  'without a free descriptor every verb that takes one says EMFILE, loses none, and works again',
  async (place) => {
    fs.mkdirSync(place.path('tree/deep'), { recursive: true });
    fs.writeFileSync(place.path('file'), 'content');
    const seen = await underLimit(
      '-n 150',
      async ({ Directory }, path: string) => {
        const directory = Directory.open(path);
        const taken = [];
        let full: string | undefined;
        while (full === undefined && taken.length < 1000) {
          try {
            taken.push(await directory.open('file'));
          } catch (error) {
            full = (error as NodeJS.ErrnoException).code;
          }
        }
        const codes: Record<string, unknown> = {};
        const note = async (name: string, work: () => unknown) => {
          try {
            await work();
            codes[name] = 'done';
          } catch (error) {
            codes[name] = (error as NodeJS.ErrnoException).code;
          }
        };
        // More often than there are descriptors, should each lose one.
        for (let turn = 0; turn < 3; turn++) {
          await note('open', () => directory.open('file'));
          await note('openSync', () => directory.openSync('file'));
          await note('openDirectory', () => directory.openDirectory('tree'));
          await note('readFile', () => directory.readFile('file'));
          await note('readFileSync', () => directory.readFileSync('file'));
          await note('writeFile', () => directory.writeFile('new', 'x'));
          await note('writeFileSync', () => directory.writeFileSync('new', 'x'));
          await note('readdir', () => directory.readdir('.'));
          await note('copyFile', () => directory.copyFile('file', 'copy'));
          await note('truncate', () => directory.truncate('file', 3));
          await note('rm', () => directory.rm('tree', { recursive: true, maxRetries: 2, retryDelay: 1 }));
          await note('rmSync', () => directory.rmSync('tree', { recursive: true, maxRetries: 2, retryDelay: 1 }));
          await note('listenUnix', () => directory.listenUnix('socket'));
        }
        // One is enough to open the source, not the destination: that must be given back.
        await taken.pop()?.close();
        for (let turn = 0; turn < 5; turn++) await note('copyFile with one', () => directory.copyFile('file', 'copy'));
        // With two levels below its parent it takes three, and the retries wait for them.
        const removing = directory.rm('tree', { recursive: true, maxRetries: 50, retryDelay: 20 });
        const waiting = await Promise.race([
          removing.then(
            () => 'done',
            (error) => error.code,
          ),
          new Promise((resolve) => setTimeout(resolve, 100, 'waiting')),
        ]);
        for (const handle of taken.splice(0, 20)) await handle.close();
        await removing;
        // FreeBSD's open(2) has created the file when it finds that there is no number for it.
        const list = directory.readdirSync('.').filter((name) => name !== 'new' && name !== 'copy');
        await directory.writeFile('new', 'x');
        const content = await directory.readFile('file', 'utf8');
        return { full, codes, waiting, list, content, more: taken.length > 10 };
      },
      { input: place.path() },
    );
    assert.deepEqual(seen, {
      full: 'EMFILE',
      codes: Object.fromEntries(
        [
          ...['open', 'openSync', 'openDirectory', 'readFile', 'readFileSync', 'writeFile', 'writeFileSync', 'readdir'],
          ...['copyFile', 'truncate', 'rm', 'rmSync', 'listenUnix', 'copyFile with one'],
        ].map((name) => [name, 'EMFILE']),
      ),
      waiting: 'waiting',
      list: ['file'],
      content: 'content',
      more: true,
    });
  },
);

kernelTest('directory: ENOSPC of a device that is full comes from every way to write', async () => {
  using devices = Directory.open('/dev');
  const before = await settledDescriptors();
  for (const size of [1, 1000, 100_000]) {
    const data = 'x'.repeat(size);
    const expected = { code: 'ENOSPC', syscall: 'write' };
    await assert.rejects(devices.writeFile('full', data), expected);
    await assert.rejects(devices.appendFile('full', data), expected);
    await assert.rejects(devices.writeFile('full', [data]), expected);
    assert.throws(() => devices.writeFileSync('full', data), expected);
    const stream = devices.createWriteStream('full', { flags: 'a' });
    stream.end(data);
    const [error] = await once(stream, 'error');
    assert.equal(error.code, 'ENOSPC');
    if (!stream.closed) await once(stream, 'close');
  }
  await using handle = await devices.open('full', 'a');
  await assert.rejects(handle.write('x'), { code: 'ENOSPC' });
  await assert.rejects(handle.writeFile('x'), { code: 'ENOSPC' });
  await onlyTheseAreOpen([...before, handle.fd].sort((a, b) => a - b));
});

kernelTest(
  'directory: a file system that is full says ENOSPC after what fits, and goes on once there is space',
  {
    needs: [requireRoot],
  },
  async () => {
    const temporary = temporaryDirectory();
    const run = (program: string, ...args: string[]) => {
      const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    };
    run('/sbin/mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', temporary.path);
    try {
      using directory = Directory.open(temporary.path);
      const data = Buffer.alloc(4 * 1024 * 1024, 'x');
      await assert.rejects(directory.writeFile('async', data), { code: 'ENOSPC' });
      directory.rmSync('async');
      assert.throws(() => directory.writeFileSync('sync', data), { code: 'ENOSPC' });
      directory.rmSync('sync');
      await directory.writeFile('half', data.subarray(0, 600 * 1024));
      await assert.rejects(directory.copyFile('half', 'copy'), {
        code: 'ENOSPC',
        syscall: 'copyfile',
        path: 'half',
        dest: 'copy',
      });
      assert.equal(directory.statSync('half').size, 600 * 1024);
      directory.rmSync('copy');
      directory.rmSync('half');
      await directory.writeFile('fits', data.subarray(0, 600 * 1024));
      assert.equal((await directory.readFile('fits')).length, 600 * 1024);
    } finally {
      run('/sbin/umount', '-f', temporary.path);
      temporary.remove();
    }
  },
);

faultTest(
  'beyond the size that files may have: EFBIG after a short write, and no signal ends the process',
  async (place) => {
    const seen = await underLimit(
      // In blocks of 512 bytes.
      '-f 64',
      async ({ Directory }, path: string) => {
        const directory = Directory.open(path);
        const outcome = async (work: () => unknown) => {
          try {
            return await work();
          } catch (error) {
            const { code, syscall } = error as NodeJS.ErrnoException;
            return `${syscall} ${code}`;
          }
        };
        const result = {
          small: await outcome(() => directory.writeFile('small', Buffer.alloc(50_000))),
          smallSync: await outcome(() => directory.writeFileSync('smallSync', Buffer.alloc(50_000))),
          large: await outcome(() => directory.writeFile('large', Buffer.alloc(200_000))),
          largeSync: await outcome(() => directory.writeFileSync('largeSync', Buffer.alloc(200_000))),
          truncate: await outcome(() => directory.truncate('small', 100_000)),
          handle: await outcome(async () => {
            const handle = await directory.open('handle', 'w');
            await handle.write(Buffer.alloc(30_000));
            const { bytesWritten } = await handle.write(Buffer.alloc(30_000));
            await handle.close();
            return bytesWritten;
          }),
        };
        const names = ['small', 'smallSync', 'large', 'largeSync', 'handle'];
        return { ...result, sizes: names.map((name) => directory.statSync(name).size) };
      },
      { input: place.path() },
    );
    assert.deepEqual(seen, {
      small: 'write EFBIG',
      smallSync: 'write EFBIG',
      large: 'write EFBIG',
      largeSync: 'write EFBIG',
      truncate: 'ftruncate EFBIG',
      handle: 2768,
      sizes: [32768, 32768, 32768, 32768, 32768],
    });
  },
);

faultTest('a FIFO is read to its end however short the reads, and O_NONBLOCK waits for nobody', async (place) => {
  const { directory } = place;
  makeFifo(place.path('fifo'));
  const write = () =>
    spawn('/bin/sh', [
      '-c',
      `{ printf one; sleep 0.2; printf two; sleep 0.2; printf three; } > "$0"`,
      place.path('fifo'),
    ]);
  for (const read of [
    () => directory.readFile('fifo', 'utf8'),
    async () => directory.readFileSync('fifo', 'utf8'),
    async () => {
      const chunks: string[] = [];
      for await (const chunk of directory.createReadStream('fifo', 'utf8')) chunks.push(String(chunk));
      return chunks.join('');
    },
  ]) {
    const writer = write();
    const closed = once(writer, 'close');
    assert.equal(await read(), 'onetwothree');
    await closed;
  }
  await assert.rejects(directory.open('fifo', O_WRONLY | O_NONBLOCK), { code: 'ENXIO' });
  await using alone = await directory.open('fifo', O_RDONLY | O_NONBLOCK);
  // Nobody has written yet: not the end on FreeBSD, which knows of no writer that has gone.
  if (process.platform === 'freebsd') await assert.rejects(alone.read(), { code: 'EAGAIN' });
  else assert.equal((await alone.read()).bytesRead, 0);
  await using both = await directory.open('fifo', O_RDWR | O_NONBLOCK);
  await assert.rejects(both.read(), { code: 'EAGAIN' });
  await both.write('some');
  const { bytesRead, buffer } = await both.read({ buffer: Buffer.alloc(100) });
  assert.equal(buffer.subarray(0, bytesRead).toString(), 'some');
});

faultTest('calls that wait for another process survive signals that are handled', async (place) => {
  makeFifo(place.path('fifo'));
  makeFifo(place.path('ready'));
  for (const form of ['sync', 'async'] as const) {
    const ended = inChild(
      async ({ Directory }, [path, how]: [string, string]) => {
        let signals = 0;
        process.on('SIGUSR2', () => {
          signals++;
        });
        const directory = Directory.open(path);
        // Tells whom to signal.
        await directory.writeFile('ready', `${process.pid}\n`);
        const text = how === 'sync' ? directory.readFileSync('fifo', 'utf8') : await directory.readFile('fifo', 'utf8');
        await new Promise((resolve) => setTimeout(resolve, 20));
        return { text, signalled: signals > 0 };
      },
      { input: [place.path(), form] as [string, string], timeoutMs: 90_000 },
    );
    const pid = Number(await fs.promises.readFile(place.path('ready'), 'utf8'));
    const shower = async () => {
      for (let turn = 0; turn < 40; turn++) {
        process.kill(pid, 'SIGUSR2');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    // While it waits in open(2), and then in read(2).
    await shower();
    const writer = await fs.promises.open(place.path('fifo'), 'w');
    await shower();
    await writer.write('through');
    await writer.close();
    assert.deepEqual(await ended, { text: 'through', signalled: true }, form);
  }
});

faultTest('an abort ends a long read and a long write in the middle, and nothing stays open', async (place) => {
  const { directory } = place;
  const length = 128 * 1024 * 1024;
  fs.writeFileSync(place.path('large'), '');
  fs.truncateSync(place.path('large'), length);
  const before = await settledDescriptors();
  const aborting = (turns: number) => {
    const controller = new AbortController();
    const turn = (left: number) => (left === 0 ? controller.abort(new Error('enough')) : setImmediate(turn, left - 1));
    turn(turns);
    return controller.signal;
  };
  // Before anything, while it is opened, and while it is read: no abort may pass for the end of the file.
  const cutShort: number[] = [];
  for (const turns of [0, 1, 2, 5, 10, 20]) {
    const read = directory.readFile('large', { signal: aborting(turns) });
    // Bun can have read everything before it gets to a late turn.
    const outcome = await read.then(
      ({ length }) => length,
      (error: unknown) => error,
    );
    if (outcome === length) continue;
    assert.equal((outcome as NodeJS.ErrnoException).code, 'ABORT_ERR', `${turns}`);
    cutShort.push(turns);
  }
  assert.deepEqual(cutShort.slice(0, 2), [0, 1]);
  const data = Buffer.alloc(64 * 1024 * 1024);
  await assert.rejects(directory.writeFile('written', data, { signal: aborting(2) }), { name: 'AbortError' });
  assert.ok(fs.statSync(place.path('written')).size < data.length);
  await using handle = await directory.open('large');
  await assert.rejects(handle.readFile({ signal: aborting(2) }), { name: 'AbortError' });
  await onlyTheseAreOpen([...before, handle.fd].sort((a, b) => a - b));
});

kernelTest('directory: 100,000 entries are listed in both forms and removed', { timeoutMs: 300_000 }, async () => {
  const temporary = temporaryDirectory();
  using directory = Directory.open(temporary.path);
  try {
    fs.mkdirSync(`${temporary.path}/many`);
    const names = Array.from({ length: 100_000 }, (_, index) => `entry-${String(index).padStart(6, '0')}`);
    for (const name of names) fs.symlinkSync('nowhere', `${temporary.path}/many/${name}`);
    assert.deepEqual(await directory.readdir('many'), names);
    assert.deepEqual(directory.readdirSync('many'), names);
    const entries = await directory.readdir('many', { withFileTypes: true });
    assert.equal(entries.filter((entry) => entry.isSymbolicLink()).length, names.length);
    directory.rmSync('many', { recursive: true });
    assert.deepEqual(directory.readdirSync('.'), []);
  } finally {
    temporary.remove();
  }
});
