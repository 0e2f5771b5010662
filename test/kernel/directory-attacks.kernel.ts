/** What others may try with a Directory or against one: odd files, odd flags, numbers and bytes taken away in the middle. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs, { constants } from 'node:fs';
import { createServer } from 'node:net';
import { Directory, getRights, isCapabilityError } from 'freebsd-capsule';
import { temporaryDirectory } from '../support/descriptors.ts';
import { inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { requireFreeBSD, requireRuntime } from '../support/requirements.ts';

const { O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;

/** A tree with a file, a directory, a link, a FIFO and a socket, and everything that can be seen of it. */
async function scene() {
  const temporary = temporaryDirectory();
  const { path } = temporary;
  fs.mkdirSync(`${path}/sub/deep`, { recursive: true });
  fs.mkdirSync(`${path}/empty`);
  fs.writeFileSync(`${path}/file`, 'content');
  fs.writeFileSync(`${path}/sub/deep/file`, 'deep');
  fs.symlinkSync('file', `${path}/link`);
  assert.equal(spawnSync('mkfifo', [`${path}/fifo`]).status, 0);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}/socket`, resolve));
  const snapshot = () =>
    (fs.readdirSync(path, { recursive: true }) as string[]).sort().map((name) => {
      const { mode, uid, gid, size, nlink, mtimeMs, ino } = fs.lstatSync(`${path}/${name}`);
      return [name, mode, uid, gid, size, nlink, mtimeMs, ino];
    });
  const remove = async () => {
    await new Promise((resolve) => server.close(resolve));
    temporary.remove();
  };
  return { path, snapshot, remove };
}

kernelTest('directory: only a directory is opened as one, and nothing else is waited for', async () => {
  const { path, remove } = await scene();
  try {
    using directory = Directory.open(path);
    for (const name of ['fifo', 'socket', 'file', 'link']) {
      assert.throws(() => Directory.open(`${path}/${name}`), { code: 'ENOTDIR' }, name);
      assert.throws(() => directory.openDirectorySync(name), { code: 'ENOTDIR' }, name);
      await assert.rejects(directory.openDirectory(name), { code: 'ENOTDIR' }, name);
      await assert.rejects(directory.readdir(name), { code: 'ENOTDIR' }, name);
    }
    for (const name of ['/dev/null', '/dev/zero', '/dev/tty']) {
      assert.throws(() => Directory.open(name), { code: 'ENOTDIR' }, name);
    }
    // What has no name is removed like a file, and opened by nobody.
    await directory.rm('fifo', { recursive: true });
    assert.equal(fs.existsSync(`${path}/fifo`), false);
  } finally {
    await remove();
  }
});

type Change = readonly [name: string, change: (directory: Directory) => unknown];

/** Every way to change something. */
const CHANGES: readonly Change[] = [
  ['writeFile', (directory) => directory.writeFile('file', 'x')],
  ['writeFileSync', (directory) => directory.writeFileSync('file', 'x')],
  ['writeFile r+', (directory) => directory.writeFile('file', 'x', { flag: 'r+' })],
  ['writeFile of pieces', (directory) => directory.writeFile('file', ['x'])],
  ['writeFile, large', (directory) => directory.writeFile('file', Buffer.alloc(1_000_000))],
  ['writeFile, new', (directory) => directory.writeFile('new', 'x')],
  ['appendFile', (directory) => directory.appendFile('file', 'x')],
  ['appendFileSync', (directory) => directory.appendFileSync('file', 'x')],
  ['copyFile', (directory) => directory.copyFile('file', 'new')],
  ['copyFileSync', (directory) => directory.copyFileSync('file', 'new')],
  ['copyFile over', (directory) => directory.copyFile('sub/deep/file', 'file')],
  ['truncate', (directory) => directory.truncate('file')],
  ['truncateSync', (directory) => directory.truncateSync('file', 100)],
  ['mkdir', (directory) => directory.mkdir('new')],
  ['mkdirSync', (directory) => directory.mkdirSync('new/b', { recursive: true })],
  ['rm', (directory) => directory.rm('file')],
  ['rm force', (directory) => directory.rm('file', { force: true })],
  ['rmSync recursive', (directory) => directory.rmSync('sub', { recursive: true, force: true })],
  ['rm recursive', (directory) => directory.rm('sub', { recursive: true })],
  ['unlink', (directory) => directory.unlink('link')],
  ['unlinkSync', (directory) => directory.unlinkSync('fifo')],
  ['rmdir', (directory) => directory.rmdir('empty')],
  ['rmdirSync', (directory) => directory.rmdirSync('empty')],
  ['rename', (directory) => directory.rename('file', 'new')],
  ['renameSync', (directory) => directory.renameSync('sub', 'empty')],
  ['link', (directory) => directory.link('file', 'new')],
  ['linkSync', (directory) => directory.linkSync('file', 'new')],
  ['symlink', (directory) => directory.symlink('file', 'new')],
  ['symlinkSync', (directory) => directory.symlinkSync('file', 'new')],
  ['chmod', (directory) => directory.chmod('file', 0o777)],
  ['chmodSync', (directory) => directory.chmodSync('file', 0o777)],
  ['chown', (directory) => directory.chown('file', -1, -1)],
  ['chownSync', (directory) => directory.chownSync('file', -1, -1)],
  ['lchown', (directory) => directory.lchown('link', -1, -1)],
  ['lchownSync', (directory) => directory.lchownSync('link', -1, -1)],
  ['utimes', (directory) => directory.utimes('file', 1, 1)],
  ['utimesSync', (directory) => directory.utimesSync('file', 1, 1)],
  ['lutimes', (directory) => directory.lutimes('link', 1, 1)],
  ['lutimesSync', (directory) => directory.lutimesSync('link', 1, 1)],
  ['listenUnix', (directory) => directory.listenUnix('new')],
  ['connectUnix', (directory) => directory.connectUnix('socket')],
  ['createWriteStream', (directory) => streamed(directory)],
  ...['r+', 'w', 'wx', 'w+', 'a', 'ax', 'a+', O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_RDONLY | O_CREAT].flatMap(
    (flags): Change[] => [
      [`open ${flags}`, (directory) => directory.open(flags === 'wx' || flags === 'ax' ? 'new' : 'file', flags)],
      [`openSync ${flags}`, (directory) => directory.openSync('new', flags)],
    ],
  ),
  ['open of a FIFO to write', (directory) => directory.open('fifo', O_WRONLY | O_NONBLOCK)],
  ['openDirectory with more', (directory) => directory.openDirectory('sub', { rights: Directory.SCRATCH })],
  ['openDirectorySync with more', (directory) => directory.openDirectorySync('.', { rights: Directory.APPEND_ONLY })],
];

function streamed(directory: Directory): Promise<unknown> {
  return new Promise((resolve, reject) => {
    directory
      .createWriteStream('file')
      .on('error', reject)
      .on('close', () => resolve(undefined))
      .end('x');
  });
}

/** Every way to change something by a file that is open. */
const HANDLE_CHANGES: readonly (readonly [
  string,
  (handle: Awaited<ReturnType<Directory['open']>>) => Promise<unknown>,
])[] = [
  ['chmod', (handle) => handle.chmod(0o777)],
  ['chown', (handle) => handle.chown(process.getuid?.() ?? 0, process.getgid?.() ?? 0)],
  ['utimes', (handle) => handle.utimes(1, 1)],
];

kernelTest('directory: READ changes nothing, by no verb, by no flag, also further down', async () => {
  const { path, snapshot, remove } = await scene();
  const before = snapshot();
  try {
    using directory = Directory.open(path, { rights: Directory.READ });
    using again = directory.openDirectorySync('.');
    // A verb that is not in the table is not tested.
    const verbs = Object.getOwnPropertyNames(Directory.prototype).filter((name) => !READING.test(name));
    const tried = new Set(CHANGES.map(([name]) => name.split(/[ ,]/)[0]));
    assert.deepEqual(
      verbs.filter((name) => !tried.has(name)),
      [],
    );
    for (const [name, change] of CHANGES) {
      for (const place of [directory, again]) {
        await assert.rejects(async () => change(place), { code: 'ENOTCAPABLE' }, name);
      }
      assert.deepEqual(snapshot(), before, name);
    }
    for (const place of [directory, again]) {
      await using handle = await place.open('file');
      for (const [name, change] of HANDLE_CHANGES) {
        // Node's own calls have no name for the number.
        await assert.rejects(change(handle), (error) => isCapabilityError(error), name);
      }
      // Without FreeBSD these are refused too, as the file is not open for writing.
      await assert.rejects(handle.write('x'));
      await assert.rejects(handle.writeFile('x'));
      await assert.rejects(handle.truncate(0));
    }
    assert.deepEqual(snapshot(), before);
  } finally {
    await remove();
  }
});

const READING =
  /^(constructor|fd|rights|close|open|openSync|(readFile|stat|lstat|readdir|readlink|access)(Sync)?|createReadStream)$/;

kernelTest(
  'directory: flags that no string stands for get around neither the rights nor the confinement',
  {
    needs: [requireFreeBSD],
  },
  async () => {
    const [O_PATH, O_EMPTY_PATH, O_EXEC, O_VERIFY, O_NAMEDATTR] = [
      0x0040_0000, 0x0200_0000, 0x0004_0000, 0x0020_0000, 0x0400_0000,
    ];
    const { path, remove } = await scene();
    fs.symlinkSync('..', `${path}/sub/up`);
    try {
      using directory = Directory.open(path, { rights: Directory.READ });
      using sub = directory.openDirectorySync('sub');
      const rights = [...Directory.READ].sort();
      const held = (fd: number) => {
        try {
          return [...getRights(fd)].sort();
        } finally {
          fs.closeSync(fd);
        }
      };
      for (const [name, flags] of [
        ['', O_EMPTY_PATH],
        ['', O_EMPTY_PATH | O_PATH],
        ['file', O_PATH],
        ['file', O_VERIFY],
        ['sub', O_PATH],
      ] as const) {
        let fd: number;
        try {
          fd = directory.openSync(name, flags);
        } catch {
          continue;
        }
        assert.deepEqual(held(fd), rights, `${name} ${flags}`);
      }
      for (const flags of [O_EXEC, O_WRONLY | O_PATH, O_RDWR | O_PATH]) {
        assert.throws(() => directory.openSync('file', flags), { code: 'ENOTCAPABLE' }, String(flags));
      }
      assert.throws(() => directory.openSync('', O_EMPTY_PATH | O_RDWR), { code: 'ENOTCAPABLE' });
      for (const flags of [O_PATH, O_PATH | O_EMPTY_PATH, O_NAMEDATTR, O_VERIFY, O_NONBLOCK]) {
        for (const name of ['..', 'up', 'up/file', '/etc/passwd']) {
          assert.throws(() => sub.openSync(name, flags), { code: 'ENOTCAPABLE' }, `${name} ${flags}`);
        }
      }
    } finally {
      await remove();
    }
  },
);

kernelTest('directory: names that stand for descriptors lead to none', async () => {
  const temporary = temporaryDirectory();
  fs.writeFileSync(`${temporary.path}/secret`, 'secret');
  try {
    const seen = await inChild(
      async ({ Directory }, secret) => {
        const builtin = process.getBuiltinModule('node:fs');
        builtin.closeSync(0);
        const number = builtin.openSync(secret, 'r');
        const outcomes: string[] = [];
        for (const [place, ...names] of [
          ['/dev', 'fd/0', 'stdin', `fd/${number}`],
          ['/dev/fd', '0', `${number}`],
          ['/proc/self', 'fd/0', 'root', 'cwd', 'root/etc/passwd', `fd/${number}`],
          ['/proc/self/fd', '0', `${number}`],
        ] as const) {
          let directory: ReturnType<typeof Directory.open>;
          try {
            directory = Directory.open(place);
          } catch {
            continue;
          }
          for (const name of names) {
            try {
              outcomes.push(`${place}/${name}: ${directory.readFileSync(name, 'utf8')}`);
            } catch {
              // Whatever the kernel calls it.
            }
            try {
              await (await directory.open(name)).close();
              outcomes.push(`${place}/${name} was opened`);
            } catch {
              // As above.
            }
          }
          directory.close();
        }
        return { number, byPath: builtin.existsSync('/dev/fd/0'), outcomes };
      },
      { input: `${temporary.path}/secret` },
    );
    // By path it is there: it is the Directory that refuses.
    assert.deepEqual(seen, { number: 0, byPath: true, outcomes: [] });
  } finally {
    temporary.remove();
  }
});

kernelTest('directory: what was opened goes on after its directory was closed, with no more rights', async () => {
  const { path, remove } = await scene();
  try {
    const directory = Directory.open(path, { rights: Directory.READ });
    await using handle = await directory.open('file');
    using sub = await directory.openDirectory('sub');
    directory.close();
    assert.equal(await handle.readFile('utf8'), 'content');
    assert.equal(await sub.readFile('deep/file', 'utf8'), 'deep');
    await assert.rejects(sub.writeFile('new', ''), { code: 'ENOTCAPABLE' });
    await assert.rejects(sub.readFile('../file'), { code: 'ENOTCAPABLE' });
    await assert.rejects(handle.chmod(0o777), (error) => isCapabilityError(error));
  } finally {
    await remove();
  }
});

kernelTest(
  'directory: closing a handle in the middle of a call waits, and keeps its number from others till then',
  {
    // Bun reads a FIFO elsewhere, and not before there is something.
    needs: [requireRuntime('node')],
  },
  async () => {
    const { path, remove } = await scene();
    try {
      using directory = Directory.open(path);
      const handle = await directory.open('fifo', O_RDWR);
      await using writer = await directory.open('fifo', O_RDWR);
      const number = handle.fd;
      const bytes = new Uint8Array(100);
      const reading = handle.read(bytes);
      let closed = false;
      const closing = handle.close().then(() => {
        closed = true;
      });
      await assert.rejects(handle.read(), { code: 'EBADF' });
      for (let turn = 0; turn < 20; turn++) {
        await using other = await directory.open('file');
        assert.notEqual(other.fd, number);
      }
      assert.equal(closed, false);
      await writer.write('late');
      assert.equal((await reading).bytesRead, 4);
      assert.equal(Buffer.from(bytes.subarray(0, 4)).toString(), 'late');
      await closing;
      // Free again: the lowest number is given first.
      const next = directory.openSync('file');
      fs.closeSync(next);
      assert.equal(next, number);
    } finally {
      await remove();
    }
  },
);

kernelTest('directory: bytes that are shared, detached or resized during a call do not make it lie', async () => {
  const { path, remove } = await scene();
  try {
    using directory = Directory.open(path);
    const length = 9 * 1024 * 1024;
    // Of bytes that another thread may change a copy is written: all of it from one moment of this thread.
    const shared = new Uint8Array(new SharedArrayBuffer(length)).fill(65);
    const writing = directory.writeFile('shared', shared);
    shared.fill(66);
    await writing;
    assert.ok(fs.readFileSync(`${path}/shared`).every((byte) => byte === 65));
    // Too large to copy, and shrunk: an error, not a file that is short.
    const resizable = Reflect.construct(ArrayBuffer, [length, { maxByteLength: length }]) as ArrayBuffer & {
      resize(length: number): void;
    };
    const shrinking = directory.writeFile('resized', new Uint8Array(resizable));
    resizable.resize(10);
    await assert.rejects(shrinking);
    await using handle = await directory.open('file', 'r+');
    const detached = new Uint8Array(10);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    await assert.rejects(handle.write(detached), TypeError);
    await assert.rejects(directory.writeFile('file', detached), TypeError);
    const empty = await handle.read(detached).then(
      ({ bytesRead }) => bytesRead,
      (error) => error.code,
    );
    assert.ok(empty === 0 || empty === 'ERR_INVALID_ARG_VALUE', String(empty));
    const into = new Uint8Array(new SharedArrayBuffer(7));
    assert.equal((await handle.read(into, 0, 7, 0)).bytesRead, 7);
    assert.equal(Buffer.from(into).toString(), 'content');
  } finally {
    await remove();
  }
});
