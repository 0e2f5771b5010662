/** What a Directory says to arguments that are none, in the words of node:fs. */

import fs from 'node:fs';
import { Directory, explainCapabilityError, Rights } from 'freebsd-capsule';
import { afterAll, describe, expect, test } from 'vitest';
import { leadsOutsideByName } from '../../lib/directory/arguments.ts';
import { caught } from '../support/caught.ts';
import { openDescriptors, temporaryDirectory } from '../support/descriptors.ts';

const temporary = temporaryDirectory();
const directory = Directory.open(temporary.path);
afterAll(() => {
  directory.close();
  temporary.remove();
});

type Call = (...args: unknown[]) => unknown;
const sync = directory as unknown as Record<string, Call>;
const call = (name: string, ...args: unknown[]) => sync[name]?.call(directory, ...args);

const NO_PATH = [undefined, null, 0, true, {}, [], Symbol('s'), 3n, () => 'x', new URL('file:///x')];
const VERBS = [
  ...['openSync', 'openDirectorySync', 'readFileSync', 'statSync', 'lstatSync', 'readdirSync', 'mkdirSync', 'rmSync'],
  ...['unlinkSync', 'rmdirSync', 'readlinkSync', 'accessSync', 'truncateSync'],
];

test.each(VERBS)('%s takes a path that is one', (verb) => {
  const before = openDescriptors();
  for (const value of NO_PATH) expect(caught(() => call(verb, value)).code).toBe('ERR_INVALID_ARG_TYPE');
  expect(caught(() => call(verb, 'a\0b')).code).toBe('ENOTCAPABLE');
  expect(openDescriptors()).toEqual(before);
});

// A Buffer can be made of an array: it would pass for a path, or fail with an error of the language's own.
test.each(['createReadStream', 'createWriteStream'])('%s takes a path that is one', (verb) => {
  const before = openDescriptors();
  for (const value of [...NO_PATH, [[0n]], [102, 105, 108, 101], new Uint16Array(4)]) {
    expect(caught(() => call(verb, value)).code).toBe('ERR_INVALID_ARG_TYPE');
  }
  expect(openDescriptors()).toEqual(before);
});

// Node's streams take a descriptor for the file, whatever the path says, and close it in the end.
test.each(['createReadStream', 'createWriteStream'])('%s takes a path and no descriptor', (verb) => {
  const fd = fs.openSync(`${temporary.path}/elsewhere`, 'w+');
  const before = openDescriptors();
  let looks = 0;
  const options = {
    get fd() {
      looks++;
      return fd;
    },
  };
  const error = caught(() => call(verb, 'file', options));
  expect(error.code).toBe('ERR_INVALID_ARG_VALUE');
  expect(error.message).toMatch(/'options.fd' must not be given/);
  // What is looked at twice may be another the second time.
  expect(looks).toBe(1);
  for (const value of [0, { fd }, 'x']) {
    expect(caught(() => call(verb, 'file', { fd: value })).code).toBe('ERR_INVALID_ARG_VALUE');
  }
  expect(openDescriptors()).toEqual(before);
  fs.closeSync(fd);
});

test('asynchronous verbs reject and do not throw', async () => {
  for (const value of NO_PATH) {
    const promise = directory.readFile(value as string);
    await expect(promise).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  }
});

describe('options are those of node:fs, and so are complaints about them', () => {
  const path = `${temporary.path}/file`;
  fs.writeFileSync(path, 'x');
  const pairs: [string, () => unknown, () => unknown][] = [
    ['flag', () => call('readFileSync', 'file', { flag: 'q' }), () => fs.readFileSync(path, { flag: 'q' } as never)],
    ['mode', () => call('mkdirSync', 'd', { mode: '9' }), () => fs.mkdirSync(`${path}d`, { mode: '9' })],
    ['mode', () => call('mkdirSync', 'd', { mode: -1 }), () => fs.mkdirSync(`${path}d`, { mode: -1 })],
    ['mode', () => call('mkdirSync', 'd', { mode: '7'.repeat(20) }), () => fs.mkdirSync('', { mode: '7'.repeat(20) })],
    ['data', () => call('writeFileSync', 'file', {}), () => fs.writeFileSync(path, {} as never)],
    ['recursive', () => call('rmSync', 'file', { recursive: 1 }), () => fs.rmSync(path, { recursive: 1 } as never)],
    ['time', () => call('utimesSync', 'file', {}, 1), () => fs.utimesSync(path, {} as never, 1)],
    ['uid', () => call('chownSync', 'file', 'root', 1), () => fs.chownSync(path, 'root' as never, 1)],
    ['access', () => call('accessSync', 'file', 8), () => fs.accessSync(path, 8)],
  ];
  test.each(pairs)('%s', (_, ours, theirs) => {
    expect(caught(ours).code).toBe(caught(theirs).code);
  });

  test('a key that nobody knows is let pass', () => {
    expect(call('readFileSync', 'file', { encoding: 'utf8', unknown: 1 })).toBe('x');
  });
});

test('a file is given the permissions of any mode that is one', async () => {
  await using handle = await directory.open('modes', 'w');
  // The first of them ends a process of Node that hands it to fs.fchmod().
  for (const mode of [2 ** 31 + 0o640, 2 ** 32 - 0o10000 + 0o4751, '0100604', 0o600]) {
    await handle.chmod(mode);
    expect((await handle.stat()).mode & 0o7777).toBe((typeof mode === 'number' ? mode : 0o604) & 0o7777);
  }
  for (const mode of [undefined, null, {}, true]) {
    await expect(handle.chmod(mode as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(directory.chmod('modes', mode as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  }
  for (const mode of [-1, 2 ** 32, 0.5, '7'.repeat(20)]) {
    await expect(handle.chmod(mode)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    await expect(directory.chmod('modes', mode)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
  }
  expect(fs.statSync(`${temporary.path}/modes`).mode & 0o7777).toBe(0o600);
});

// A function would be taken by node:fs for its callback: the promise never settled, and the file was empty.
test('a file is cut to a length that is one', async () => {
  await using handle = await directory.open('cut', 'w+');
  await handle.write('content');
  for (const length of [() => {}, 'all', {}, true, null]) {
    await expect(handle.truncate(length as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(directory.truncate('cut', length as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  }
  for (const length of [0.5, Number.NaN, 2 ** 53]) {
    await expect(handle.truncate(length)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    await expect(directory.truncate('cut', length)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
  }
  expect((await handle.stat()).size).toBe(7);
});

test('Directory.open checks before it opens, and closes what it cannot limit', () => {
  const before = openDescriptors();
  const open = Directory.open as unknown as Call;
  for (const value of [undefined, null, 0, {}, []]) expect(caught(() => open(value)).code).toBe('ERR_INVALID_ARG_TYPE');
  expect(caught(() => open('a\0b')).code).toBe('ERR_INVALID_ARG_VALUE');
  expect(caught(() => open(temporary.path, { rights: ['fly'] })).code).toBe('ERR_INVALID_ARG_VALUE');
  expect(caught(() => open(temporary.path, null)).code).toBe('ERR_INVALID_ARG_TYPE');
  expect(caught(() => open(`${temporary.path}/file`)).code).toBe('ENOTDIR');
  expect(caught(() => open(`${temporary.path}/none`)).code).toBe('ENOENT');
  expect(openDescriptors()).toEqual(before);
});

test('a directory never has fchdir, whatever is asked for', () => {
  using wide = Directory.open(temporary.path, { rights: Rights.of('pread', 'fchdir', 'lookup') });
  expect(wide.rights.has('fchdir')).toBe(false);
  expect([...directory.rights]).not.toContain('fchroot');
});

test('whether a path leads outside can be told from it, where no link is on the way', () => {
  for (const path of ['..', '../x', 'a/../..', '/x', '//', './../x', 'a/b/../../../c']) {
    expect([path, leadsOutsideByName(path)]).toEqual([path, true]);
  }
  for (const path of ['', '.', 'a', 'a/..', 'a/../b', '...', '..a', 'a/./../b', '....//x']) {
    expect([path, leadsOutsideByName(path)]).toEqual([path, false]);
  }
});

test('the explanation of a refusal says which one it was', async () => {
  using narrow = directory.openDirectorySync('.', { rights: Directory.READ });
  const outside = explainCapabilityError(caught(() => narrow.readFileSync('../x')));
  expect(outside).toMatch(/^open '..\/x' was refused: the path leads outside of the directory\. /);
  const lacking = explainCapabilityError(caught(() => narrow.mkdirSync('x')));
  expect(lacking).toMatch(/^mkdir 'x' was refused: the directory lacks 'mkdirat'\. /);
});

test('many directories opened and closed leave no descriptor', async () => {
  const before = openDescriptors();
  await directory.mkdir('sub', { recursive: true });
  for (let turn = 0; turn < 50; turn++) {
    const sub = await directory.openDirectory('sub');
    await sub.writeFile('x', 'y');
    await expect(sub.readFile('none')).rejects.toThrow('ENOENT');
    await expect(sub.rm('..', { recursive: true })).rejects.toThrow('ENOTCAPABLE');
    sub.close();
  }
  expect(openDescriptors()).toEqual(before);
});

test('a FileHandle says so too', async () => {
  fs.writeFileSync(`${temporary.path}/file`, 'x');
  await using handle = await directory.open('file', 'r+');
  const bytes = new Uint8Array(4);
  for (const offset of [Symbol('s'), 1n, true, 'x'] as never[]) {
    await expect(handle.read(bytes, offset)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(handle.read({ buffer: bytes, offset })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    const length = offset;
    await expect(handle.read(bytes, 0, length)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(handle.read(bytes, { length })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(handle.write(bytes, offset)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(handle.write(bytes, { offset })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  }
  await expect(handle.read(bytes, 5)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
  for (const options of [5, true, Symbol('s')] as never[]) {
    await expect(handle.stat(options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  }
  // As Directory#stat takes it.
  expect((await handle.stat(null as never)).size).toBe(1);
});
