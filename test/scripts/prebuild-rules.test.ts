/** The check that stands between a cross-build and its users: every rule refuses what it is there to refuse. */

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readSharedLibrary } from '../../scripts/elf.mjs';
import { complaintsAbout, readAllowList } from '../../scripts/prebuild-rules.mjs';
import { type CraftedLibrary, craftLibrary } from './crafted-library.ts';

const ENTRY_POINTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

const good: CraftedLibrary = {
  needed: ['libc.so.7', 'libthr.so.3'],
  imports: ['napi_create_function', 'cap_enter@FBSD_1.2', 'fstat@FBSD_1.5'],
  exports: ENTRY_POINTS,
};
const isAllowed = readAllowList('napi_*\ncap_enter\nfstat # fstat(2)\n');

const complaints = (changes: CraftedLibrary, arch = 'x64') =>
  complaintsAbout(craftLibrary({ ...good, ...changes }), { arch, isAllowed });

test('an addon that keeps the rules gives no complaint', () => {
  expect(complaints({})).toEqual([]);
  expect(complaints({ machine: 183 }, 'arm64')).toEqual([]);
  expect(complaints({ imports: ['cap_enter@FBSD_1.7'] })).toEqual([]);
});

describe('each rule is enforced:', () => {
  test.each<[string, CraftedLibrary, RegExp]>([
    [
      'a symbol off the list',
      { imports: ['jail_attach_jd'] },
      /needs the symbol jail_attach_jd, which .* does not list/,
    ],
    ['a symbol that starts as a listed one', { imports: ['cap_enter2'] }, /needs the symbol cap_enter2/],
    ['a version newer than 14.0', { imports: ['cap_enter@FBSD_1.8'] }, /needs cap_enter@FBSD_1\.8, which is newer/],
    ['a version of another major', { imports: ['cap_enter@FBSD_2.0'] }, /needs cap_enter@FBSD_2\.0, which is newer/],
    ['a private version', { imports: ['cap_enter@FBSDprivate_1.0'] }, /needs cap_enter@FBSDprivate_1\.0/],
    ['a version of another system', { imports: ['fstat@GLIBC_2.33'] }, /needs fstat@GLIBC_2\.33/],
    ['another export', { exports: [...ENTRY_POINTS, '_Znwm'] }, /exports _Znwm; only/],
    ['a missing entry point', { exports: ['napi_register_module_v1'] }, /does not export its entry point node_api_/],
    ['another library', { needed: ['libc.so.7', 'libc++.so.1'] }, /needs the library libc\+\+\.so\.1/],
    ['a symbol table', { unstripped: true }, /not stripped/],
    ['more than 300 KiB', { padding: 300 * 1024 }, /has \d+ bytes; the limit is 307200/],
    ['another machine', { machine: 183 }, /it is for arm64, not x64/],
  ])('%s', (_, changes, complaint) => {
    expect(complaints(changes)).toEqual([expect.stringMatching(complaint)]);
  });

  test('a file that is no shared library', () => {
    const check = (bytes: Buffer) => complaintsAbout(bytes, { arch: 'x64', isAllowed });
    expect(check(Buffer.alloc(0))).toEqual([expect.stringMatching(/cannot be read: not a 64-bit/)]);
    expect(check(Buffer.from('#!/bin/sh\n'.repeat(20)))).toEqual([expect.stringMatching(/cannot be read/)]);
    expect(check(craftLibrary(good).subarray(0, 100))).toEqual([expect.stringMatching(/cannot be read/)]);
  });
});

describe('for Linux', () => {
  const linux: CraftedLibrary = {
    needed: ['libc.so.6', 'libm.so.6'],
    imports: ['napi_create_function', 'fstat@GLIBC_2.2.5', 'fcntl64@GLIBC_2.28'],
    exports: ENTRY_POINTS,
  };
  const linuxComplaints = (changes: CraftedLibrary) =>
    complaintsAbout(craftLibrary({ ...linux, ...changes }), { platform: 'linux', arch: 'x64', isAllowed });

  test('an addon that keeps the rules gives no complaint', () => {
    expect(linuxComplaints({})).toEqual([]);
    expect(linuxComplaints({ padding: 500 * 1024 })).toEqual([]);
  });

  test.each<[string, CraftedLibrary, RegExp]>([
    [
      'a version newer than glibc 2.28',
      { imports: ['close_range@GLIBC_2.34'] },
      /close_range@GLIBC_2\.34.*newer than glibc/,
    ],
    ['a private version', { imports: ['x@GLIBC_PRIVATE'] }, /x@GLIBC_PRIVATE, which is newer/],
    ['a symbol of no version', { imports: ['cap_enter'] }, /cap_enter, which no version of the C library/],
    ['a C++ library', { needed: ['libc.so.6', 'libstdc++.so.6'] }, /needs the library libstdc\+\+/],
    ['musl', { needed: ['libc.musl-x86_64.so.1'] }, /needs the library libc\.musl/],
    ['more than 600 KiB', { padding: 600 * 1024 }, /the limit is 614400/],
  ])('%s', (_, changes, complaint) => {
    expect(linuxComplaints(changes)).toEqual([expect.stringMatching(complaint)]);
  });
});

test('all complaints are made at once', () => {
  expect(complaints({ imports: ['a@FBSD_1.9', 'b'], exports: [], unstripped: true })).toHaveLength(6);
});

describe('the allow-list', () => {
  const text = readFileSync(new URL('../../native/allowed-symbols.txt', import.meta.url), 'utf8');

  test('lists nothing twice', () => {
    const symbols = text.split('\n').map((line) => line.replace(/#.*/, '').trim());
    const listed = symbols.filter((symbol) => symbol !== '');
    expect(new Set(listed).size).toBe(listed.length);
  });

  test('has no way round it', () => {
    const allowed = readAllowList(text);
    expect(['napi_throw', 'cap_enter', 'malloc'].filter(allowed)).toHaveLength(3);
    expect(['', '*', 'jail_attach_jd', 'system', 'uv_run', '_ZN2v87Isolate10GetCurrentEv'].filter(allowed)).toEqual([]);
  });
});

const built = new URL('../../build/Release/freebsd_capsule.node', import.meta.url);
const isReadable = ['linux', 'freebsd'].includes(process.platform) && ['x64', 'arm64'].includes(process.arch);

test.skipIf(!isReadable || !existsSync(built))('a linker’s own work is read as well', () => {
  const library = readSharedLibrary(readFileSync(built));
  expect(library.arch).toBe(process.arch);
  expect(library.exports).toEqual(expect.arrayContaining(ENTRY_POINTS));
  expect(library.imports.map(({ name }) => name)).toContain('napi_create_function');
  expect(library.needed.some((name) => name.startsWith('libc.so'))).toBe(true);
  expect(library.versions.length).toBeGreaterThan(0);
});
