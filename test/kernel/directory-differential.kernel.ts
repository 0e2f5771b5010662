/**
 * The same operation through node:fs and through a Directory, each on a tree of its own that started the same: the same
 * result, or the same error, and the same tree afterwards. What node:fs does here is not written down but asked.
 */

import assert from 'node:assert/strict';
import fs, { constants, Dirent } from 'node:fs';
import type { FileHandle as NodeFileHandle } from 'node:fs/promises';
import { inspect, isDeepStrictEqual } from 'node:util';
import { Directory, type FileHandle } from 'freebsd-capsule';
import { temporaryDirectory } from '../support/descriptors.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { type Requirement, runtime } from '../support/requirements.ts';

const bun = runtime === 'bun';

const requireNode: Requirement = {
  missing: () => (bun ? "Bun's node:fs is not Node's in these" : undefined),
};

/** Which arguments of a verb are paths. The first, unless it is here. */
const PATHS: Readonly<Record<string, readonly number[]>> = {
  copyFile: [0, 1],
  rename: [0, 1],
  link: [0, 1],
  symlink: [1],
};

function makeTree(root: string): void {
  fs.mkdirSync(`${root}/full/deep`, { recursive: true });
  fs.mkdirSync(`${root}/empty`);
  fs.writeFileSync(`${root}/file`, 'content of a file\n');
  fs.writeFileSync(`${root}/nothing`, '');
  fs.writeFileSync(`${root}/bytes`, Buffer.from([0xff, 0xfe, 0x80, 0x41, 0xc3]));
  fs.writeFileSync(`${root}/bom`, '\ufefftext');
  fs.writeFileSync(`${root}/large`, Buffer.alloc(300_000, 'large '));
  fs.writeFileSync(`${root}/full/a`, 'a');
  fs.writeFileSync(`${root}/full/deep/b`, 'b');
  fs.symlinkSync('file', `${root}/link`);
  fs.symlinkSync('empty', `${root}/linked`);
  fs.symlinkSync('loop', `${root}/loop`);
  fs.symlinkSync('nowhere', `${root}/dangling`);
  fs.chmodSync(`${root}/file`, 0o640);
  for (const name of ['file', 'full', 'nothing']) fs.utimesSync(`${root}/${name}`, 1000, 2000);
}

/** Every name with its type, mode and content. */
function tree(root: string): unknown[] {
  const found: unknown[] = [];
  const visit = (path: string) => {
    for (const name of fs.readdirSync(`${root}/${path}`).sort()) {
      const at = path === '' ? name : `${path}/${name}`;
      const status = fs.lstatSync(`${root}/${at}`);
      const content = status.isSymbolicLink()
        ? fs.readlinkSync(`${root}/${at}`)
        : status.isFile()
          ? fs.readFileSync(`${root}/${at}`, 'latin1').slice(0, 400)
          : '';
      found.push([at, status.mode.toString(8), status.isDirectory() ? 0 : status.size, content]);
      if (status.isDirectory()) visit(at);
    }
  };
  visit('');
  return found;
}

/** A result or an error as something to compare; `root` is what node:fs had to have in front of each name. */
function shown(value: unknown, root: string): unknown {
  const bare = (text: string) => text.replaceAll(`${root}/`, '').replaceAll(root, '.');
  if (Buffer.isBuffer(value)) return { bytes: value.toString('latin1') };
  if (typeof value === 'string') return bare(value);
  if (value instanceof Dirent) {
    const { name } = value;
    return [
      shown(name, root),
      bare(value.parentPath ?? ''),
      value.isFile(),
      value.isDirectory(),
      value.isSymbolicLink(),
    ];
  }
  // The order is that of the file system in node:fs.
  if (Array.isArray(value)) return value.map((item) => JSON.stringify(shown(item, root))).sort();
  if (typeof value === 'object' && value !== null && 'mtimeMs' in value) {
    const { mode, nlink, uid, gid, size, blksize } = value as unknown as fs.Stats;
    return [mode, nlink, uid, gid, size, blksize].map(String);
  }
  return value;
}

async function outcome(work: () => unknown, root: string): Promise<unknown> {
  try {
    return { value: shown(await work(), root) };
  } catch (error) {
    const { code, errno, syscall, message, name } = error as NodeJS.ErrnoException;
    // Releases word the errors of arguments differently.
    if (code?.startsWith('ERR_') === true) return { code };
    return bun ? { code, errno, syscall } : { code, errno, syscall, name, message: shown(message, root) };
  }
}

type Case = readonly [verb: string, ...args: readonly unknown[]];

const FILES: readonly Case[] = [
  ...[
    'file',
    'nothing',
    'bytes',
    'bom',
    'large',
    'link',
    'missing',
    'full',
    'loop',
    'dangling',
    'file/x',
    'full/a',
  ].flatMap((name): Case[] => [
    ['readFile', name],
    ['readFile', name, 'utf8'],
    ['readFile', name, { encoding: 'hex' }],
    ['stat', name],
    ['lstat', name],
    ['stat', name, { bigint: true }],
    ['access', name],
    ['access', name, constants.R_OK],
    ['readlink', name],
    ['readlink', name, { encoding: 'buffer' }],
  ]),
  ['readFile', 'file', { encoding: 'latin1', flag: 'r' }],
  ['readFile', 'bytes', 'latin1'],
  ['readFile', 'bytes', 'base64'],
  ['readFile', 'file', { flag: 'r+' }],
  ['readFile', 'file', { flag: 'a+' }],
  ['readFile', 'new', { flag: 'a+' }],
  ['readFile', 'file', { flag: 'w+' }],
  ['readFile', 'file', { flag: 'wx+' }],
  ['readFile', 'file', { flag: 'w' }],
  ['readFile', 'file', { flag: 'nonsense' }],
  ['readFile', 'file', 'nonsense'],
  ['readFile', 'file', { encoding: 'nonsense' }],
  ['readFile', 'file', 5],
  ['readFile', 'x'.repeat(300)],
  ['readFile', 'file/'],
  ['stat', 'file/'],
  ['stat', 'full/'],
  ['stat', '.'],
  ['access', 'file', 8],
  ['access', 'file', -1],
  ['access', 'file', 'r'],
];

const WRITES: readonly Case[] = [
  ...(['writeFile', 'appendFile'] as const).flatMap((verb): Case[] => [
    [verb, 'new', 'text'],
    [verb, 'file', 'text'],
    [verb, 'file', ''],
    [verb, 'link', 'through'],
    [verb, 'dangling', 'made'],
    [verb, 'file', Buffer.from('bytes')],
    [verb, 'file', new Uint16Array([0x4142, 0x4344])],
    [verb, 'file', new DataView(new ArrayBuffer(3))],
    [verb, 'file', new Uint8Array(new SharedArrayBuffer(4)).fill(65)],
    [verb, 'file', Buffer.alloc(70_000, 'x')],
    [verb, 'file', 'ÿ', 'latin1'],
    [verb, 'file', '6162', { encoding: 'hex' }],
    [verb, 'new', 'x', { mode: 0o600 }],
    [verb, 'new', 'x', { mode: '644' }],
    [verb, 'new', 'x', { mode: 0o100777 }],
    [verb, 'file', 'x', { flag: 'a' }],
    [verb, 'file', 'x', { flag: 'r+' }],
    [verb, 'file', 'x', { flag: 'wx' }],
    [verb, 'file', 'x', { flag: 'ax' }],
    [verb, 'file', 'x', { flag: 'r' }],
    [verb, 'new', 'x', { flag: 'r+' }],
    [verb, 'file', 'x', { flag: constants.O_WRONLY }],
    [verb, 'file', 'x', { flag: 'w', flush: true }],
    [verb, 'file', 'x', { flush: 'yes' }],
    [verb, 'full', 'x'],
    [verb, 'missing/x', 'x'],
    [verb, 'file/x', 'x'],
    [verb, 'loop', 'x'],
    [verb, 'file', null],
    [verb, 'file', {}],
    [verb, 'file', 5],
    [verb, 'file', true],
    [verb, 'file', 'x', 'nonsense'],
    [verb, 'file', 'x', { mode: -1 }],
    [verb, 'file', 'x', { mode: 'abc' }],
  ]),
  ['truncate', 'file'],
  ['truncate', 'file', 4],
  ['truncate', 'file', 100],
  ['truncate', 'file', -5],
  ['truncate', 'file', 1.5],
  ['truncate', 'file', 'x'],
  ['truncate', 'missing', 0],
  ['truncate', 'full', 0],
  ['copyFile', 'file', 'copy'],
  // Not over a file of another mode: that keeps its own, as the documentation of copyFile says.
  ['copyFile', 'large', 'bytes'],
  ['copyFile', 'link', 'copy'],
  ['copyFile', 'file', 'copy', constants.COPYFILE_EXCL],
  ['copyFile', 'file', 'nothing', constants.COPYFILE_EXCL],
  ['copyFile', 'file', 'copy', constants.COPYFILE_FICLONE],
  ['copyFile', 'file', 'file'],
  ['copyFile', 'missing', 'copy'],
  ['copyFile', 'file', 'missing/x'],
  ['copyFile', 'file', 'full'],
  ['copyFile', 'file', 'copy', 8],
  ['copyFile', 'file', 'copy', 'x'],
];

const NAMES: readonly Case[] = [
  ['readdir', '.'],
  ['readdir', 'full'],
  ['readdir', 'full/'],
  ['readdir', 'linked'],
  ['readdir', 'empty'],
  ['readdir', 'file'],
  ['readdir', 'missing'],
  ['readdir', 'full', 'buffer'],
  ['readdir', 'full', { encoding: 'hex' }],
  ['readdir', 'full', 'nonsense'],
  ['readdir', 'full', { withFileTypes: true }],
  ['readdir', 'full', { recursive: true }],
  ['readdir', 'full', { recursive: true, withFileTypes: true }],
  ['mkdir', 'made'],
  ['mkdir', 'made/'],
  ['mkdir', 'made', 0o700],
  ['mkdir', 'made', { mode: '711' }],
  ['mkdir', 'file'],
  ['mkdir', 'full'],
  ['mkdir', 'missing/x'],
  ['mkdir', 'file/x'],
  ['mkdir', 'a/b/c', { recursive: true }],
  ['mkdir', 'a/b/c/', { recursive: true }],
  ['mkdir', 'full/new/er', { recursive: true }],
  ['mkdir', 'full', { recursive: true }],
  ['mkdir', 'file', { recursive: true }],
  ['mkdir', 'file/x', { recursive: true }],
  ['mkdir', 'linked/x', { recursive: true }],
  ['mkdir', 'made', { recursive: 'yes' }],
  ['mkdir', 'made', { mode: -1 }],
  ['rmdir', 'empty'],
  ['rmdir', 'full'],
  ['rmdir', 'file'],
  ['rmdir', 'missing'],
  ['rmdir', 'linked'],
  ['unlink', 'file'],
  ['unlink', 'link'],
  ['unlink', 'dangling'],
  ['unlink', 'missing'],
  ['rm', 'file'],
  ['rm', 'link'],
  ['rm', 'linked', { recursive: true }],
  ['rm', 'full', { recursive: true }],
  ['rm', 'full', { recursive: true, maxRetries: 2, retryDelay: 1 }],
  ['rm', 'missing', { force: true }],
  ['rm', 'missing', { force: true, recursive: true }],
  ['rm', 'missing/x', { force: true }],
  ['rm', 'file', { force: 1 }],
  ['rm', 'file', { recursive: 1 }],
  ['rm', 'file', { maxRetries: -1 }],
  ['rm', 'file', { retryDelay: 'x' }],
  ['rename', 'file', 'renamed'],
  ['rename', 'file', 'nothing'],
  ['rename', 'full', 'empty'],
  ['rename', 'empty', 'full'],
  ['rename', 'file', 'full'],
  ['rename', 'full', 'file'],
  ['rename', 'full', 'full/deep/x'],
  ['rename', 'missing', 'x'],
  ['rename', 'file', 'file'],
  ['rename', 'link', 'renamed'],
  ['link', 'file', 'second'],
  ['link', 'file', 'nothing'],
  ['link', 'missing', 'x'],
  ['link', 'file', 'missing/x'],
  ['symlink', 'file', 'made'],
  ['symlink', '/somewhere', 'made'],
  ['symlink', 'file', 'nothing'],
  ['symlink', 'file', 'missing/x'],
  ['chmod', 'file', 0o600],
  ['chmod', 'file', '4755'],
  ['chmod', 'link', 0o600],
  ['chmod', 'missing', 0o600],
  ['chmod', 'dangling', 0o600],
  ['chmod', 'file', -1],
  ['chmod', 'file', 'abc'],
  ['chmod', 'file', undefined],
  ['chown', 'file', -1, -1],
  ['chown', 'missing', -1, -1],
  ['chown', 'file', 'root', 0],
  ['chown', 'file', 2 ** 33, 0],
  ['lchown', 'dangling', -1, -1],
];

/** Calls one verb, in one of its forms, on names as they are or beneath `root`. */
function call(subject: object, form: '' | 'Sync', [verb, ...args]: Case, root: string | undefined): unknown {
  const paths = PATHS[verb] ?? [0];
  const located = args.map((arg, index) => (root !== undefined && paths.includes(index) ? `${root}/${arg}` : arg));
  const method = (subject as Record<string, (...args: unknown[]) => unknown>)[`${verb}${form}`];
  assert.ok(method !== undefined, `${verb}${form}`);
  return method.call(subject, ...located);
}

async function compare(cases: readonly Case[], form: '' | 'Sync'): Promise<void> {
  const differing: unknown[] = [];
  for (const item of cases) {
    const theirs = temporaryDirectory();
    const ours = temporaryDirectory();
    makeTree(theirs.path);
    makeTree(ours.path);
    const directory = Directory.open(ours.path);
    try {
      const expected = await outcome(() => call(form === '' ? fs.promises : fs, form, item, theirs.path), theirs.path);
      const actual = await outcome(() => call(directory, form, item, undefined), ours.path);
      const pairs = [
        [actual, expected],
        [tree(ours.path), tree(theirs.path)],
      ].filter(([mine, its]) => !isDeepStrictEqual(mine, its));
      if (pairs.length > 0) differing.push([form, ...item, ...pairs]);
    } finally {
      directory.close();
      theirs.remove();
      ours.remove();
    }
  }
  assert.equal(differing.map((item) => inspect(item, { depth: 9 })).join('\n'), '');
}

for (const [what, cases] of [
  ['files', FILES],
  ['writing', WRITES],
  ['names', NAMES],
] as const) {
  // With files a Directory does as Node does where Bun does otherwise: access() gives null there, truncate() has other errors.
  const needs = what === 'names' ? [] : [requireNode];
  kernelTest(`directory: as node:fs/promises: ${what}`, { needs }, () => compare(cases, ''));
  kernelTest(`directory: as node:fs on this thread: ${what}`, { needs }, () => compare(cases, 'Sync'));
}

/** Times: exact to what a double can say. */
kernelTest('directory: utimes takes what node:fs takes, and sets the same', async () => {
  const theirs = temporaryDirectory();
  const ours = temporaryDirectory();
  using directory = Directory.open(ours.path);
  try {
    for (const { path } of [theirs, ours]) fs.writeFileSync(`${path}/file`, '');
    const times: unknown[] = [0, 1, 1.5, 1_700_000_000.123, '1700000000', '5.25', new Date(1_700_000_000_123)];
    const wrong: unknown[] = [undefined, null, {}, [], 'x', Number.NaN, Number.POSITIVE_INFINITY, true, 5n];
    for (const time of [...times, ...wrong]) {
      const mine = await outcome(() => directory.utimes('file', time as number, time as number), ours.path);
      const its = await outcome(
        () => fs.promises.utimes(`${theirs.path}/file`, time as number, time as number),
        theirs.path,
      );
      const codes = [mine, its].map((result) => (result as { code?: string }).code);
      assert.equal(codes[0], codes[1], String(time));
      const [a, b] = [ours, theirs].map(({ path }) => fs.statSync(`${path}/file`).mtimeMs);
      assert.ok(Math.abs((a ?? 0) - (b ?? 0)) < 0.01, `${String(time)}: ${a} ${b}`);
    }
    // Before 1970, where some releases of node:fs take the present time instead.
    await directory.utimes('file', -1.25, new Date(-2500));
    const status = fs.statSync(`${ours.path}/file`, { bigint: true });
    assert.deepEqual([status.atimeNs, status.mtimeNs], [-1_250_000_000n, -2_500_000_000n]);
  } finally {
    theirs.remove();
    ours.remove();
  }
});

type Handle = FileHandle | NodeFileHandle;
type Use = (handle: Handle, other: Handle) => Promise<unknown>;

const collected = async (stream: AsyncIterable<unknown>): Promise<string[]> => {
  const chunks: string[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Buffer).toString('latin1'));
  return [`${chunks.length} of ${chunks.join('')}`];
};
const read = (handle: Handle, ...args: unknown[]) =>
  (handle.read as (...args: unknown[]) => Promise<{ bytesRead: number; buffer: Uint8Array }>)(...args).then(
    ({ bytesRead, buffer }) => [
      bytesRead,
      Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString('latin1'),
    ],
  );
const write = (handle: Handle, ...args: unknown[]) =>
  (handle.write as (...args: unknown[]) => Promise<{ bytesWritten: number }>)(...args).then(
    (done) => done.bytesWritten,
  );

/** Uses of a handle on `file`, opened `r+`, with another on it opened `a+`. */
const HANDLE_USES: Readonly<Record<string, Use>> = {
  'read()': (handle) => read(handle).then(([count]) => count),
  'read(buffer)': (handle) => read(handle, Buffer.alloc(5)),
  'read(buffer, offset)': (handle) => read(handle, Buffer.alloc(5), 2),
  'read(buffer, offset, length)': (handle) => read(handle, Buffer.alloc(9), 2, 3),
  'read(buffer, offset, length, position)': (handle) => read(handle, Buffer.alloc(9), 2, 3, 4),
  'read(buffer, null, null, null)': (handle) => read(handle, Buffer.alloc(9), null, null, null),
  'read(buffer, {})': (handle) => read(handle, Buffer.alloc(9), { position: 3, length: 2 }),
  'read({ buffer })': (handle) => read(handle, { buffer: Buffer.alloc(4), offset: 1, position: 5 }),
  'read at -1': (handle) => read(handle, Buffer.alloc(4), 0, 4, -1),
  'read beyond the end': (handle) => read(handle, Buffer.alloc(4), 0, 4, 1000),
  'read of nothing': (handle) => read(handle, Buffer.alloc(4), 0, 0),
  'read into nothing': (handle) => read(handle, Buffer.alloc(0)),
  'read with offset too large': (handle) => read(handle, Buffer.alloc(4), 5),
  'read with length too large': (handle) => read(handle, Buffer.alloc(4), 0, 5),
  'read with offset -1': (handle) => read(handle, Buffer.alloc(4), -1),
  'read with offset NaN': (handle) => read(handle, Buffer.alloc(4), Number.NaN),
  'read into a string': (handle) => read(handle, 'text'),
  'read with a view': (handle) => read(handle, new DataView(new ArrayBuffer(4))),
  'reads go on': async (handle) => [await read(handle, Buffer.alloc(3)), await read(handle, Buffer.alloc(3))],
  'readv()': async (handle) => {
    const buffers = [Buffer.alloc(3), Buffer.alloc(4)];
    return [(await handle.readv(buffers)).bytesRead, buffers.join('|')];
  },
  'readv(position)': async (handle) => {
    const buffers = [Buffer.alloc(3), Buffer.alloc(4)];
    return [(await handle.readv(buffers, 12)).bytesRead, buffers.join('|')];
  },
  'readv of no array': (handle) => handle.readv('x' as never),
  'write(text)': (handle) => write(handle, 'text'),
  'write(text, position)': (handle) => write(handle, 'text', 3),
  'write(text, position, encoding)': (handle) => write(handle, '6162', 3, 'hex'),
  'write(text, null)': (handle) => write(handle, 'text', null, 'utf8'),
  'write(buffer)': (handle) => write(handle, Buffer.from('bytes')),
  'write(buffer, offset, length, position)': (handle) => write(handle, Buffer.from('bytes'), 1, 2, 5),
  'write(buffer, {})': (handle) => write(handle, Buffer.from('bytes'), { offset: 1, length: 2, position: 5 }),
  'write with length too large': (handle) => write(handle, Buffer.from('bytes'), 0, 9),
  'write with offset too large': (handle) => write(handle, Buffer.from('bytes'), 9),
  'write of a number': (handle) => write(handle, 5),
  'writev()': async (handle) => (await handle.writev([Buffer.from('ab'), Buffer.from('cd')])).bytesWritten,
  'writev(position)': async (handle) => (await handle.writev([Buffer.from('ab'), Buffer.from('cd')], 4)).bytesWritten,
  'writev of nothing': async (handle) => (await handle.writev([])).bytesWritten,
  'readFile()': (handle) => handle.readFile(),
  'readFile(encoding)': (handle) => handle.readFile('utf8'),
  'readFile from where it is': async (handle) => {
    await read(handle, Buffer.alloc(8));
    return await handle.readFile({ encoding: 'utf8' });
  },
  'writeFile()': (handle) => handle.writeFile('all of it'),
  'writeFile of pieces': (handle) => handle.writeFile(['one', Buffer.from('two')] as never),
  'appendFile()': (_handle, appending) => appending.appendFile('more'),
  'appended whatever the position': async (_handle, appending) => await write(appending, 'more', 0),
  'truncate()': (handle) => handle.truncate(),
  'truncate(5)': (handle) => handle.truncate(5),
  'truncate(-1)': (handle) => handle.truncate(-1),
  'truncate(text)': (handle) => handle.truncate('x' as never),
  'sync and datasync': async (handle) => [await handle.sync(), await handle.datasync()].length,
  'chmod()': (handle) => handle.chmod(0o600),
  'chmod(text)': (handle) => handle.chmod('644'),
  'chmod(-1)': (handle) => handle.chmod(-1),
  'chown()': (handle) => handle.chown(-1, -1),
  'chown(text)': (handle) => handle.chown('root' as never, 0),
  'utimes()': async (handle) => {
    await handle.utimes(5, new Date(6000));
    const { atimeMs, mtimeMs } = await handle.stat();
    return [atimeMs, mtimeMs];
  },
  'utimes({})': (handle) => handle.utimes({} as never, 1),
  'stat()': (handle) => handle.stat(),
  'stat({ bigint })': (handle) => handle.stat({ bigint: true }),
  'a stream': (handle) => collected(handle.createReadStream() as AsyncIterable<unknown>),
  'a stream of a part': (handle) => collected(handle.createReadStream({ start: 3, end: 9 })),
  'a stream in small pieces': (handle) => collected(handle.createReadStream({ highWaterMark: 5 })),
  'a stream with an encoding': (handle) => collected(handle.createReadStream({ encoding: 'hex', end: 3 })),
  'a stream that leaves it open': async (handle) => {
    const first = await collected(handle.createReadStream({ autoClose: false, start: 0 }));
    return [first, await read(handle, Buffer.alloc(3), 0, 3, 0)];
  },
  'a stream that writes': async (handle) => {
    const stream = handle.createWriteStream({ start: 2 });
    await new Promise<void>((resolve, reject) => {
      stream.on('finish', () => resolve()).on('error', reject);
      stream.end('stream');
    });
  },
  lines: async (_handle, appending) => {
    await appending.appendFile('second\r\nthird\n\nlast');
    const lines: string[] = [];
    for await (const line of _handle.readLines() as AsyncIterable<string>) lines.push(line);
    return lines.map((line, index) => `${index} ${line}`);
  },
  'a web stream': (handle) => collected(handle.readableWebStream() as unknown as AsyncIterable<unknown>),
  'use after close': async (handle) => {
    await handle.close();
    await handle.close();
    return handle.fd;
  },
};

kernelTest('directory: a handle as the FileHandle of node:fs/promises', async () => {
  const differing: unknown[] = [];
  for (const [name, use] of Object.entries(HANDLE_USES)) {
    // Bun has not every one of them.
    const absent = bun && /readLines|readableWebStream/.test(String(use));
    const results: unknown[] = [];
    for (const subject of ['node:fs', 'Directory'] as const) {
      if (subject === 'node:fs' && absent) continue;
      const temporary = temporaryDirectory();
      makeTree(temporary.path);
      using directory = Directory.open(temporary.path);
      const open = (flags: string): Promise<Handle> =>
        subject === 'node:fs' ? fs.promises.open(`${temporary.path}/file`, flags) : directory.open('file', flags);
      const [handle, other] = [await open('r+'), await open('a+')];
      try {
        results.push([await outcome(() => use(handle, other), temporary.path), tree(temporary.path)]);
      } finally {
        await handle.close().catch(() => {});
        await other.close();
        temporary.remove();
      }
    }
    const [first, last] = [results[0], results.at(-1)] as [unknown[], unknown[]];
    for (const part of [0, 1])
      if (!isDeepStrictEqual(last[part], first[part])) differing.push([name, first[part], last[part]]);
  }
  assert.equal(differing.map((item) => inspect(item, { depth: 9 })).join('\n'), '');
});
