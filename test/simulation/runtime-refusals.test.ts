import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { installRuntimeRefusals } from '../../lib/simulation/runtime-refusals.ts';

type Outcomes = Readonly<Record<string, string>>;

/** Calls that fail, or have to, in and out of capability mode alike. */
const failingBefore: Outcomes = {
  'require of nothing': 'MODULE_NOT_FOUND',
  'connect tls': 'ERR_SSL_WRONG_VERSION_NUMBER',
  'connect http2': 'ECONNREFUSED -111 connect',
  'a wrong argument': 'ERR_INVALID_ARG_TYPE',
};

const ecapmode = (syscall: string) => `Unknown system error -94 -94 ${syscall}`;
const enotcapable = (syscall: string) => `Unknown system error -93 -93 ${syscall}`;

/** Node's worker fails in its event loop from libuv 1.49 on, before in asking for its working directory. */
const workerRefusal = /^1\.([0-9]|[1-3][0-9]|4[0-8])\./.test(process.versions.uv)
  ? ecapmode('uv_cwd')
  : 'ERR_WORKER_INIT_FAILED';

const after: Outcomes = {
  'readFileSync imported by name': ecapmode('open'),
  'readFile imported by name': ecapmode('open'),
  'readFileSync as text': ecapmode('open'),
  'readFile with callback': ecapmode('open'),
  'stat that may find nothing': ecapmode('stat'),
  writeFile: ecapmode('open'),
  'writeFile with callback': ecapmode('open'),
  'readdir of everything': ecapmode('scandir'),
  'createReadStream imported by name': ecapmode('open'),
  createWriteStream: ecapmode('open'),
  'open as a handle': ecapmode('open'),
  'exists with callback': 'absent',
  opendir: ecapmode('opendir'),
  opendirSync: ecapmode('opendir'),
  rename: ecapmode('rename'),
  copyFile: ecapmode('copyfile'),
  mkdtemp: ecapmode('mkdtemp'),
  symlink: ecapmode('symlink'),
  utimes: ecapmode('utime'),
  'realpath promise': ecapmode('realpath'),
  'require of what was required': 'ok',
  'require of a new file': 'MODULE_NOT_FOUND',
  'require of nothing': 'MODULE_NOT_FOUND',
  'import of what was imported': 'ok',
  'import of a new file': 'ERR_MODULE_NOT_FOUND',
  'import of a built-in module': 'ok',
  'listen on a path': 'UNKNOWN -94 listen',
  'listen http': 'UNKNOWN -94 listen',
  'connect by name': 'EAI_AGAIN -3001 getaddrinfo',
  'connect tls': ecapmode('connect'),
  'connect http2': ecapmode('connect'),
  'fetch data': 'ok',
  'lookup of an address': 'ok',
  'lookup promise': 'EAI_AGAIN -3001 getaddrinfo',
  'lookup of all': 'EAI_AGAIN -3001 getaddrinfo',
  'send when connected': 'ok',
  'send to an address': ecapmode('send'),
  exec: ecapmode('spawn'),
  execFileSync: ecapmode('spawnSync /bin/echo'),
  'kill a child': ecapmode('kill'),
  'totalmem imported by name': 'no memory',
  'process.cwd asked before': 'ok',
  'a worker': workerRefusal,
  'an accepted connection': 'ok',
  'a wrong argument': 'ERR_INVALID_ARG_TYPE',
};

/** Calls on descriptors limited to 'read' and 'fstat'. A few synchronous writes name the error as `UNKNOWN`. */
const reading: Outcomes = {
  read: 'ok',
  'read at a position': enotcapable('read'),
  'read with options': enotcapable('read'),
  'read with callback': 'ok',
  readv: 'ok',
  'readv at a position': enotcapable('read'),
  readFile: 'ok',
  readFileSync: 'ok',
  createReadStream: 'ok',
  'createReadStream from a start': enotcapable('read'),
  'handle read': 'ok',
  'handle read at a position': enotcapable('read'),
  write: 'UNKNOWN -93 write',
  'write a buffer': 'UNKNOWN -93 write',
  'write at a position': 'UNKNOWN -93 write',
  'write with callback': enotcapable('write'),
  writev: enotcapable('write'),
  createWriteStream: enotcapable('write'),
  'handle write': enotcapable('write'),
  fstat: 'ok',
  'handle stat': 'ok',
  ftruncate: enotcapable('ftruncate'),
  fsync: enotcapable('fsync'),
  'fdatasync with callback': enotcapable('fdatasync'),
  'handle chmod': enotcapable('fchmod'),
  fchown: enotcapable('fchown'),
  futimes: enotcapable('futime'),
};

function run(): { before: Outcomes; after: Outcomes; descriptors: Record<'all' | 'reading' | 'reopened', Outcomes> } {
  const program = fileURLToPath(new URL('refused-calls.mjs', import.meta.url));
  // What the program cannot remove once it is sandboxed.
  const directory = mkdtempSync(join(tmpdir(), 'refusals-test-'));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program], {
    env: { ...process.env, FREEBSD_CAPSULE_KERNEL: 'simulated', NODE_OPTIONS: '', TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: 60_000,
  });
  rmSync(directory, { recursive: true });
  if (status !== 0) throw new Error(`refused-calls.mjs ended with ${signal ?? status}:\n${stderr}`);
  return JSON.parse(stdout);
}

describe.skipIf((process.platform as string) === 'freebsd')('the simulated refusals', () => {
  const outcomes = run();

  it.each(Object.keys(after))('let "%s" through before capability mode', (name) => {
    expect(outcomes.before[name]).toBe(failingBefore[name] ?? 'ok');
  });

  it.each(Object.entries(after))('answer "%s" in capability mode', (name, expected) => {
    expect(outcomes.after[name]).toBe(expected);
  });

  it.each(Object.keys(reading))('let "%s" through on an unlimited descriptor', (name) => {
    expect(outcomes.descriptors.all[name]).toBe('ok');
  });

  it.each(Object.entries(reading))('answer "%s" on a descriptor limited to reading', (name, expected) => {
    expect(outcomes.descriptors.reading[name]).toBe(expected);
  });

  it('forget the limits of a closed descriptor', () => {
    expect(outcomes.descriptors.reopened).toEqual({
      'write on the first': 'ok',
      'write on the second': 'ok',
    });
  });

  it('know every call that is made', () => {
    expect(Object.keys(outcomes.after)).toEqual(Object.keys(after));
    expect(Object.keys(outcomes.descriptors.reading)).toEqual(Object.keys(reading));
  });
});

it('cannot be installed on FreeBSD', () => {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform');
  Object.defineProperty(process, 'platform', { ...platform, value: 'freebsd' });
  try {
    const kernel = {
      isSandboxed: () => false,
      missingRights: () => [],
      descriptorClosing: () => 0,
      descriptorClosed: () => {},
    };
    expect(() => installRuntimeRefusals(kernel)).toThrow('must not be installed on FreeBSD');
  } finally {
    if (platform !== undefined) Object.defineProperty(process, 'platform', platform);
  }
});
