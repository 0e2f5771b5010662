/** The verbs of a Directory, in both forms, against what node:fs says about the same files. */

import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import fs, { constants, Dirent, type ReadStream, Stats } from 'node:fs';
import { Directory, Rights } from 'freebsd-capsule';
import { caught } from '../support/caught.ts';
import { onlyTheseAreOpen, settledDescriptors, temporaryDirectory } from '../support/descriptors.ts';
import { inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';

type Place = { readonly directory: Directory; readonly path: (name: string) => string };

/** Runs a test with an empty directory, under its path and as a Directory. */
async function withDirectory(body: (place: Place) => void | Promise<void>): Promise<void> {
  const temporary = temporaryDirectory();
  const directory = Directory.open(temporary.path);
  try {
    await body({ directory, path: (name) => `${temporary.path}/${name}` });
  } finally {
    directory.close();
    temporary.remove();
  }
}

function directoryTest(name: string, body: (place: Place) => void | Promise<void>): void {
  kernelTest(`directory: ${name}`, () => withDirectory(body));
}

const codeOf = async (work: () => unknown): Promise<string | undefined> => {
  try {
    await work();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  return 'none';
};

async function text(stream: ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks).toString();
}

directoryTest('writes, appends and reads files', async ({ directory, path }) => {
  await directory.writeFile('a', 'one');
  await directory.appendFile('a', Buffer.from(' two'));
  directory.appendFileSync('a', ' three');
  assert.equal(fs.readFileSync(path('a'), 'utf8'), 'one two three');
  assert.equal(await directory.readFile('a', 'utf8'), 'one two three');
  assert.equal(directory.readFileSync('a', { encoding: 'base64' }), Buffer.from('one two three').toString('base64'));
  assert.deepEqual(await directory.readFile('a'), Buffer.from('one two three'));
  directory.writeFileSync('a', new Uint16Array([0x4241]));
  assert.equal(directory.readFileSync('a', 'utf8'), 'AB');
  await directory.writeFile('a', ['x', Buffer.from('y')]);
  assert.equal(await directory.readFile('a', 'latin1'), 'xy');
  await directory.writeFile('b', 'z', { mode: 0o600, flag: 'wx', flush: true });
  assert.equal(fs.statSync(path('b')).mode & 0o777, 0o600);
});

directoryTest('reads and writes 16 MiB', async ({ directory, path }) => {
  const big = Buffer.alloc(16 * 1024 * 1024, 'abcdefg');
  await directory.writeFile('big', big);
  assert.ok((await directory.readFile('big')).equals(big));
  assert.ok(directory.readFileSync('big').equals(big));
  assert.ok(fs.readFileSync(path('big')).equals(big));
});

directoryTest('gives fs.Stats with what node:fs gives', async ({ directory, path }) => {
  fs.writeFileSync(path('file'), 'content');
  fs.symlinkSync('file', path('link'));
  fs.mkdirSync(path('sub'));
  for (const name of ['file', 'link', 'sub', '.']) {
    for (const [ours, theirs] of [
      [await directory.stat(name), fs.statSync(path(name))],
      [directory.statSync(name), fs.statSync(path(name))],
      [await directory.lstat(name), fs.lstatSync(path(name))],
      [directory.lstatSync(name), fs.lstatSync(path(name))],
    ] as const) {
      assert.ok(ours instanceof Stats);
      assert.equal(ours.isFile(), theirs.isFile());
      assert.equal(ours.isDirectory(), theirs.isDirectory());
      assert.equal(ours.isSymbolicLink(), theirs.isSymbolicLink());
      for (const field of ['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'size', 'blksize', 'blocks'] as const) {
        assert.equal(ours[field], theirs[field], `${field} of ${name}`);
      }
      assert.equal(ours.mtimeMs, theirs.mtimeMs);
      assert.equal(ours.mtime.getTime(), theirs.mtime.getTime());
      assert.ok(ours.birthtime instanceof Date);
    }
    const big = await directory.stat(name, { bigint: true });
    const theirs = fs.statSync(path(name), { bigint: true });
    assert.equal(big.ino, theirs.ino);
    assert.equal(big.mtimeNs, theirs.mtimeNs);
    assert.equal(big.isDirectory(), theirs.isDirectory());
  }
  assert.equal(directory.statSync('missing', { throwIfNoEntry: false }), undefined);
});

directoryTest('lists entries as node:fs does', async ({ directory, path }) => {
  fs.mkdirSync(path('sub/deep'), { recursive: true });
  for (const name of ['b', 'a', 'sub/c', 'sub/deep/d', 'é']) fs.writeFileSync(path(name), '');
  fs.symlinkSync('sub', path('link'));
  assert.deepEqual(await directory.readdir('.'), fs.readdirSync(path('.')).sort());
  assert.deepEqual(directory.readdirSync('sub'), ['c', 'deep']);
  // node:fs follows links here in one form and not in the other. A link back up would have no end.
  assert.deepEqual(await directory.readdir('.', { recursive: true }), [
    ...['a', 'b', 'link', 'sub', 'é', 'sub/c', 'sub/deep', 'sub/deep/d'],
  ]);
  const entries = await directory.readdir('.', { withFileTypes: true });
  const kinds = entries.map((entry) => [entry.name, entry.isDirectory(), entry.isFile(), entry.isSymbolicLink()]);
  assert.deepEqual(kinds, [
    ['a', false, true, false],
    ['b', false, true, false],
    ['link', false, false, true],
    ['sub', true, false, false],
    ['é', false, true, false],
  ]);
  assert.ok(entries.every((entry) => entry instanceof Dirent && entry.parentPath === '.'));
});

directoryTest('a name need not be UTF-8', async ({ directory }) => {
  const name = Buffer.from([0x66, 0xff, 0xfe]);
  await directory.writeFile(name, 'bytes');
  assert.deepEqual(await directory.readdir('.', 'buffer'), [name]);
  assert.deepEqual(directory.readdirSync('.', { encoding: 'buffer' }), [name]);
  assert.equal(directory.readFileSync(name, 'utf8'), 'bytes');
  assert.equal((await directory.stat(name)).size, 5);
  await directory.rename(name, 'plain');
  assert.deepEqual(await directory.readdir('.'), ['plain']);
});

directoryTest('10,000 entries are all there, in order', async ({ directory }) => {
  const names = Array.from({ length: 10_000 }, (_, index) => `entry-${String(index).padStart(5, '0')}`);
  await directory.mkdir('many');
  for (const name of names) fs.closeSync(directory.openSync(`many/${name}`, 'w'));
  assert.deepEqual(await directory.readdir('many'), names);
  await directory.rm('many', { recursive: true });
  assert.deepEqual(directory.readdirSync('.'), []);
});

directoryTest('makes, renames, links and removes', async ({ directory, path }) => {
  assert.equal(await directory.mkdir('a/b/c', { recursive: true }), 'a');
  assert.equal(directory.mkdirSync('a/b/d/e', { recursive: true }), 'a/b/d');
  assert.equal(await directory.mkdir('a/b', { recursive: true }), undefined);
  directory.mkdirSync('mode', 0o700);
  assert.equal(fs.statSync(path('mode')).mode & 0o777, 0o700);
  await directory.writeFile('a/file', 'x');
  await directory.rename('a/file', 'a/b/file');
  directory.linkSync('a/b/file', 'second');
  assert.equal(directory.statSync('second').nlink, 2);
  await directory.symlink('a/b/file', 'link');
  assert.equal(await directory.readlink('link'), 'a/b/file');
  assert.deepEqual(directory.readlinkSync('link', 'buffer'), Buffer.from('a/b/file'));
  assert.equal(await directory.readFile('link', 'utf8'), 'x');
  await directory.copyFile('link', 'copy');
  assert.equal(directory.readFileSync('copy', 'utf8'), 'x');
  assert.equal(await codeOf(() => directory.copyFile('link', 'copy', constants.COPYFILE_EXCL)), 'EEXIST');
  directory.copyFileSync('copy', 'copy');
  assert.equal(directory.readFileSync('copy', 'utf8'), 'x');
  await directory.unlink('link');
  directory.rmSync('copy');
  directory.rmdirSync('a/b/c');
  assert.equal(await codeOf(() => directory.rm('a')), 'ERR_FS_EISDIR');
  await directory.rm('a', { recursive: true });
  await directory.rm('gone', { force: true });
  assert.deepEqual(directory.readdirSync('.'), ['mode', 'second']);
});

directoryTest('changes modes, times, lengths and owners', async ({ directory, path }) => {
  await directory.writeFile('file', 'content');
  await directory.chmod('file', 0o640);
  assert.equal(fs.statSync(path('file')).mode & 0o777, 0o640);
  directory.chmodSync('file', '600');
  assert.equal(fs.statSync(path('file')).mode & 0o777, 0o600);
  await directory.utimes('file', 1.5, new Date(2500));
  assert.deepEqual([fs.statSync(path('file')).atimeMs, fs.statSync(path('file')).mtimeMs], [1500, 2500]);
  await directory.truncate('file', 3);
  assert.equal(fs.readFileSync(path('file'), 'utf8'), 'con');
  directory.truncateSync('file');
  assert.equal(fs.statSync(path('file')).size, 0);
  await directory.chown('file', -1, -1);
  directory.chownSync('file', process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  await directory.access('file', constants.R_OK);
  assert.equal(await codeOf(() => directory.access('none')), 'ENOENT');
  directory.symlinkSync('nowhere', 'link');
  await directory.lutimes('link', 7, 8);
  assert.equal(fs.lstatSync(path('link')).mtimeMs, 8000);
});

directoryTest('renames, links and copies into another directory', async ({ directory }) => {
  await directory.mkdir('to');
  const to = await directory.openDirectory('to');
  await directory.writeFile('file', 'x');
  await directory.link('file', 'linked', { into: to });
  await directory.copyFile('file', 'copied', 0, { into: to });
  await directory.rename('file', 'moved', { into: to });
  assert.deepEqual(to.readdirSync('.'), ['copied', 'linked', 'moved']);
  to.renameSync('moved', 'back', { into: directory });
  assert.deepEqual(directory.readdirSync('.'), ['back', 'to']);
  to.close();
});

directoryTest('a file handle has the verbs of FileHandle', async ({ directory }) => {
  const handle = await directory.open('file', 'w+');
  assert.deepEqual(await handle.write('hello'), { bytesWritten: 5, buffer: 'hello' });
  await handle.write(Buffer.from('XY'), 1, 1, 4);
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(5), 0, 5, 0);
  assert.equal(buffer.subarray(0, bytesRead).toString(), 'hellY');
  const some = await handle.read({ buffer: Buffer.alloc(2), position: 3 });
  assert.equal(some.buffer.toString(), 'lY');
  await handle.appendFile('!');
  await handle.sync();
  await handle.datasync();
  assert.equal((await handle.stat()).size, 6);
  await handle.chmod(0o600);
  await handle.utimes(1, 2);
  assert.equal((await handle.stat()).mtimeMs, 2000);
  await handle.truncate(2);
  await handle.close();
  await handle.close();
  assert.equal(handle.fd, -1);
  assert.equal(await codeOf(() => handle.read()), 'EBADF');
  const again = await directory.open('file');
  assert.equal(await again.readFile('utf8'), 'he');
  await again.close();
});

directoryTest('streams read and write', async ({ directory, path }) => {
  const out = directory.createWriteStream('streamed');
  out.write('0123');
  out.end('456789');
  await new Promise((resolve, reject) => out.on('close', () => resolve(undefined)).on('error', reject));
  assert.equal(fs.readFileSync(path('streamed'), 'utf8'), '0123456789');
  assert.equal(await text(directory.createReadStream('streamed')), '0123456789');
  assert.equal(await text(directory.createReadStream('streamed', { start: 2, end: 5 })), '2345');
  const handle = await directory.open('streamed');
  assert.equal(await text(handle.createReadStream({ start: 8 })), '89');
  for (let turn = 0; turn < 100 && handle.fd !== -1; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(handle.fd, -1);
  const missing = directory.createReadStream('missing');
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => missing.on('error', resolve));
  assert.equal(error.code, 'ENOENT');
  assert.equal(error.path, 'missing');
});

directoryTest('a stream whose signal was aborted opens nothing', async ({ directory, path }) => {
  for (const name of ['kept', 'opened']) fs.writeFileSync(path(name), 'content');
  const before = await settledDescriptors();
  for (const make of ['createReadStream', 'createWriteStream'] as const) {
    const ended = async (file: string, signal: AbortSignal) => {
      const stream: EventEmitter = directory[make](file, { signal });
      const error = new Promise<Error>((resolve) => stream.on('error', resolve));
      await new Promise((resolve) => stream.on('close', resolve));
      assert.equal((await error).name, 'AbortError');
    };
    await ended('kept', AbortSignal.abort());
    // One that is aborted while it opens the file closes it.
    const controller = new AbortController();
    process.nextTick(() => controller.abort());
    await ended('opened', controller.signal);
  }
  await onlyTheseAreOpen(before);
  assert.equal(fs.readFileSync(path('kept'), 'utf8'), 'content');
});

directoryTest('a stream opens its file here whatever opens those of node:fs', async ({ directory, path }) => {
  const outside = temporaryDirectory();
  const replaced = [fs.ReadStream, fs.WriteStream].map(({ prototype }) => ({
    prototype,
    original: Object.getOwnPropertyDescriptor(prototype, 'open'),
  }));
  // As graceful-fs does.
  function open(this: ReadStream & { fd: number; flags: string; mode: number }) {
    fs.open(this.path, this.flags, this.mode, (error, fd) => {
      if (error !== null) {
        this.destroy(error);
        return;
      }
      this.fd = fd;
      this.emit('open', fd);
      this.emit('ready');
    });
  }
  try {
    for (const { prototype } of replaced) {
      Object.defineProperty(prototype, 'open', { value: open, configurable: true, writable: true });
    }
    const elsewhere = `${outside.path}/file`;
    fs.writeFileSync(elsewhere, 'outside');
    const before = await settledDescriptors();
    for (const make of ['createReadStream', 'createWriteStream'] as const) {
      const stream: EventEmitter = directory[make](elsewhere);
      const opened: unknown[] = [];
      stream.on('open', (fd) => opened.push(fd));
      const error = new Promise<NodeJS.ErrnoException>((resolve) => stream.on('error', resolve));
      await new Promise((resolve) => stream.on('close', resolve));
      assert.equal((await error).code, 'ENOTCAPABLE');
      assert.deepEqual(opened, []);
    }
    const out = directory.createWriteStream('file');
    const opened = new Promise((resolve) => out.on('open', resolve));
    out.end('inside');
    await new Promise((resolve, reject) => out.on('close', () => resolve(undefined)).on('error', reject));
    assert.equal(typeof (await opened), 'number');
    assert.equal(await text(directory.createReadStream('file')), 'inside');
    await onlyTheseAreOpen(before);
    assert.equal(fs.readFileSync(path('file'), 'utf8'), 'inside');
    assert.equal(fs.readFileSync(elsewhere, 'utf8'), 'outside');
  } finally {
    for (const { prototype, original } of replaced) {
      if (original === undefined) Reflect.deleteProperty(prototype, 'open');
      else Object.defineProperty(prototype, 'open', original);
    }
    outside.remove();
  }
});

directoryTest('options of a stream that are refused open nothing, others than the known do nothing', async (place) => {
  const { directory, path } = place;
  fs.writeFileSync(path('kept'), 'content');
  const before = await settledDescriptors();
  assert.equal(await codeOf(() => directory.createReadStream('kept', 'buffer' as never)), 'ERR_UNKNOWN_ENCODING');
  assert.equal(await codeOf(() => directory.createWriteStream('kept', 'buffer' as never)), 'ERR_UNKNOWN_ENCODING');
  assert.equal(await codeOf(() => directory.createWriteStream('kept', 5 as never)), 'ERR_INVALID_ARG_TYPE');
  const unknown = {
    objectMode: true,
    fs: { open: () => assert.fail('another open'), write: () => assert.fail('another write') },
    construct: () => assert.fail('another construct'),
    read: () => assert.fail('another read'),
    write: () => assert.fail('another write'),
  };
  const out = directory.createWriteStream('other', unknown as object);
  out.end('content');
  await new Promise((resolve, reject) => out.on('close', () => resolve(undefined)).on('error', reject));
  assert.equal(await text(directory.createReadStream('other', unknown as object)), 'content');
  const handle = await directory.open('other');
  assert.equal(await text(handle.createReadStream(unknown as object)), 'content');
  await onlyTheseAreOpen(before);
  assert.equal(fs.readFileSync(path('kept'), 'utf8'), 'content');
});

directoryTest('an offset above 4 GiB', async ({ directory }) => {
  const far = 5 * 1024 ** 3;
  const handle = await directory.open('sparse', 'w+');
  await handle.write('end', far);
  assert.equal((await handle.stat()).size, far + 3);
  await handle.close();
  assert.equal(await text(directory.createReadStream('sparse', { start: far })), 'end');
  assert.equal(directory.statSync('sparse').size, far + 3);
});

directoryTest('errors are those of node:fs', async ({ directory, path }) => {
  await directory.writeFile('file', 'x');
  await directory.mkdir('full/sub', { recursive: true });
  directory.symlinkSync('loop', 'loop');
  const cases: [string, () => unknown, () => unknown][] = [
    ['ENOENT', () => directory.readFileSync('no'), () => fs.readFileSync(path('no'))],
    ['ENOENT', () => directory.statSync('no/file'), () => fs.statSync(path('no/file'))],
    ['ENOTDIR', () => directory.readFileSync('file/x'), () => fs.readFileSync(path('file/x'))],
    ['ENOTDIR', () => directory.readdirSync('file'), () => fs.readdirSync(path('file'))],
    ['EEXIST', () => directory.mkdirSync('full'), () => fs.mkdirSync(path('full'))],
    ['EEXIST', () => directory.writeFileSync('file', '', { flag: 'wx' }), () => fs.openSync(path('file'), 'wx')],
    ['EISDIR', () => directory.writeFileSync('full', ''), () => fs.writeFileSync(path('full'), '')],
    ['EISDIR', () => directory.readFileSync('full'), () => fs.readFileSync(path('full'))],
    ['ENOTEMPTY', () => directory.rmdirSync('full'), () => fs.rmdirSync(path('full'))],
    ['ELOOP', () => directory.readFileSync('loop'), () => fs.readFileSync(path('loop'))],
    ['EINVAL', () => directory.readlinkSync('file'), () => fs.readlinkSync(path('file'))],
    ['ENAMETOOLONG', () => directory.statSync('x'.repeat(300)), () => fs.statSync(path('x'.repeat(300)))],
    ['ENOENT', () => directory.statSync(''), () => fs.statSync('')],
  ];
  for (const [code, ours, theirs] of cases) {
    const [mine, its] = [caught(ours), caught(theirs)];
    assert.equal(mine.code, code, mine.message);
    assert.equal(its.code, code, its.message);
    assert.equal(mine.errno, its.errno);
    assert.equal(mine.syscall, its.syscall);
    assert.ok(mine instanceof Error);
  }
  const error = caught(() => directory.renameSync('no', 'other'));
  assert.deepEqual({ ...error }, { errno: -2, code: 'ENOENT', syscall: 'rename', path: 'no', dest: 'other' });
  assert.equal(error.message, "ENOENT: no such file or directory, rename 'no' -> 'other'");
  await assert.rejects(directory.readFile('no'), { message: "ENOENT: no such file or directory, open 'no'" });
});

directoryTest('a directory removed underneath gives ENOENT', async ({ directory, path }) => {
  await directory.mkdir('sub');
  const sub = directory.openDirectorySync('sub');
  fs.rmdirSync(path('sub'));
  assert.equal(await codeOf(() => sub.writeFile('x', '')), 'ENOENT');
  assert.equal(await codeOf(() => sub.stat('x')), 'ENOENT');
  sub.close();
});

directoryTest('a closed directory does nothing, and closing waits for calls under way', async ({ directory, path }) => {
  fs.writeFileSync(path('file'), 'x');
  const other = Directory.open(path('.'));
  const reading = Array.from({ length: 20 }, () => other.readFile('file', 'utf8'));
  other.close();
  other.close();
  assert.equal(other.fd, -1);
  assert.deepEqual(new Set(await Promise.all(reading)), new Set(['x']));
  const error = caught(() => other.readFileSync('file'));
  assert.equal(error.code, 'EBADF');
  assert.equal(error.message, 'directory closed');
  await assert.rejects(other.stat('file'), { code: 'EBADF' });
  assert.equal(await codeOf(() => directory.rename('file', 'x', { into: other })), 'EBADF');
});

directoryTest('an abort ends a read and a write', async ({ directory }) => {
  await directory.writeFile('file', 'x');
  const signal = AbortSignal.abort();
  await assert.rejects(directory.readFile('file', { signal }), { name: 'AbortError', code: 'ABORT_ERR' });
  await assert.rejects(directory.writeFile('new', 'x', { signal }), { name: 'AbortError' });
});

directoryTest('what is opened has the rights of its directory, or fewer', async ({ directory, path }) => {
  fs.mkdirSync(path('sub'));
  fs.writeFileSync(path('sub/file'), 'x');
  const sub = directory.openDirectorySync('sub', { rights: Directory.READ });
  assert.deepEqual([...sub.rights].sort(), [...Directory.READ].sort());
  assert.equal(await codeOf(() => sub.writeFile('file', 'y')), 'ENOTCAPABLE');
  const handle = await sub.open('file');
  assert.equal(await handle.readFile('utf8'), 'x');
  assert.equal(
    Math.abs(
      await handle.chmod(0o600).then(
        () => 0,
        (error) => error.errno,
      ),
    ),
    93,
  );
  await handle.close();
  const wider = caught(() => sub.openDirectorySync('.', { rights: Rights.of('read', 'write') }));
  assert.equal(wider.code, 'ENOTCAPABLE');
  assert.equal(directory.rights.has('fchdir'), false);
  sub.close();
});

kernelTest('directory: goes on working in capability mode, where node:fs does not', async () => {
  const temporary = temporaryDirectory();
  fs.mkdirSync(`${temporary.path}/sub`);
  fs.writeFileSync(`${temporary.path}/sub/file`, 'content');
  fs.symlinkSync('sub/file', `${temporary.path}/inside`);
  fs.symlinkSync('/etc/passwd', `${temporary.path}/outside`);
  try {
    const seen = await inChild(
      async (capsule, path) => {
        // Not taken out of it: the simulation replaces its functions when the package is first used.
        const builtin = process.getBuiltinModule('node:fs');
        const directory = capsule.Directory.open(path);
        capsule.enter();
        const code = async (work: () => unknown) => {
          try {
            return await work();
          } catch (error) {
            return Math.abs((error as NodeJS.ErrnoException).errno ?? 0);
          }
        };
        await directory.writeFile('new', 'written');
        await directory.mkdir('a/b', { recursive: true });
        await directory.rename('new', 'a/b/new');
        return {
          byPath: await code(() => builtin.readFileSync(`${path}/sub/file`)),
          reads: await directory.readFile('sub/file', 'utf8'),
          link: directory.readFileSync('inside', 'utf8'),
          stream: await new Promise((resolve, reject) => {
            let text = '';
            directory
              .createReadStream('a/b/new', 'utf8')
              .on('data', (chunk) => {
                text += String(chunk);
              })
              .on('end', () => resolve(text))
              .on('error', reject);
          }),
          outside: await code(() => directory.readFile('outside')),
          up: await code(() => directory.readFile('../x')),
          absolute: await code(() => directory.readFile('/etc/passwd')),
          open: await code(() => capsule.Directory.open(path)),
          list: await directory.readdir('.', { recursive: true }),
          removed: await code(() => directory.rm('a', { recursive: true })),
        };
      },
      { input: temporary.path },
    );
    assert.deepEqual(seen, {
      byPath: 94,
      reads: 'content',
      link: 'content',
      stream: 'written',
      outside: 93,
      up: 93,
      absolute: 93,
      open: 94,
      list: ['a', 'inside', 'outside', 'sub', 'a/b', 'sub/file', 'a/b/new'],
    });
  } finally {
    temporary.remove();
  }
});
