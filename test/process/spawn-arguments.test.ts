/** What spawn() refuses before anything happens. */

import { spawn } from 'freebsd-capsule';
import { describe, expect, test } from 'vitest';
import { caught } from '../support/caught.ts';
import { openDescriptors } from '../support/descriptors.ts';
import { childProcesses } from '../support/processes.ts';

const spawnAny = spawn as (...args: unknown[]) => unknown;

/** What is thrown for one option. */
const refused = (options: object) => {
  const error = caught(() => spawnAny('/bin/sh', ['-c', 'exit 0'], options));
  return `${error.code} ${error.message.replace(/ Received .*/s, '')}`;
};

const type = 'ERR_INVALID_ARG_TYPE The';
const value = 'ERR_INVALID_ARG_VALUE The';
const range = 'ERR_OUT_OF_RANGE The value of';

describe('the file and its arguments', () => {
  test.each<[unknown[], string, RegExp]>([
    [[], 'ERR_INVALID_ARG_TYPE', /^The "file" argument must be of type number, an object with an fd/],
    [[null], 'ERR_INVALID_ARG_TYPE', /"file"/],
    [[''], 'ERR_INVALID_ARG_VALUE', /'file' must not be empty/],
    [['a\0b'], 'ERR_INVALID_ARG_VALUE', /'file' must be a string without null bytes/],
    [[-1], 'ERR_OUT_OF_RANGE', /"file"/],
    [[{ fd: -1 }], 'ERR_INVALID_ARG_VALUE', /'file' is closed/],
    [['/bin/sh', {}], 'ERR_INVALID_ARG_TYPE', /"args" argument must be an instance of Array/],
    [['/bin/sh', ['-c', 3]], 'ERR_INVALID_ARG_TYPE', /"args\[1\]" argument must be of type string/],
    [['/bin/sh', ['\0']], 'ERR_INVALID_ARG_VALUE', /'args\[0\]'/],
    [['/bin/sh', [], null], 'ERR_INVALID_ARG_TYPE', /"options" argument must be of type object/],
    [['/bin/sh', [], []], 'ERR_INVALID_ARG_TYPE', /"options"/],
  ])('%o', (args, code, message) => {
    const error = caught(() => spawnAny(...args));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});

describe('options', () => {
  test.each<[object, string]>([
    [{ shell: true }, `${value} argument 'options' has no property 'shell'.`],
    [{ argv0: 3 }, `${type} "options.argv0" property must be of type string.`],
    [{ cwd: '' }, `${value} property 'options.cwd' must not be empty.`],
    [
      { cwd: true },
      `${type} "options.cwd" property must be of type number, an object with an fd, or a net.Server or net.Socket.`,
    ],
    [{ env: 'A=1' }, `${type} "options.env" property must be of type object.`],
    [{ env: { A: 1 } }, `${type} "options.env.A" property must be of type string.`],
    [{ env: { 'A=': 'x' } }, `${value} property 'options.env' has the name 'A=', with a '='.`],
    [{ env: { A: '\0' } }, `${value} property 'options.env.A' must be a string without null bytes.`],
    [
      { stdio: 'overlapped' },
      `${value} property 'options.stdio' must be one of: 'pipe', 'inherit', 'ignore', or a descriptor.`,
    ],
    [
      { stdio: ['pipe', null] },
      `${type} "options.stdio[1]" property must be of type number, an object with an fd, or a net.Server or net.Socket.`,
    ],
    [
      { stdio: [0, 1, 2, 3] },
      `${value} property 'options.stdio' has more than 3 streams; others belong into options.descriptors.`,
    ],
    [
      { stdio: { fd: 1, right: [] }, descriptors: null },
      `${type} "options.descriptors" property must be of type object.`,
    ],
    [{ stdio: { fd: 1, rights: ['read'], other: 1 } }, `${value} property 'options.stdio' has no property 'other'.`],
    [{ descriptors: { 2: 1 } }, `${value} property 'options.descriptors' has 2, which is for options.stdio.`],
    [{ descriptors: { 3: 1, '03': 1 } }, `${value} property 'options.descriptors' has no property '03'.`],
    [{ descriptors: { x: 1 } }, `${value} property 'options.descriptors' has no property 'x'.`],
    [{ descriptors: { 70000: 1 } }, `${range} "options.descriptors" is out of range. It must be >= 0 && <= 65535.`],
    [{ descriptors: new Map([['3', 1]]) }, `${type} "options.descriptors" property must be of type number.`],
    [
      { descriptors: { 3: { fd: 1, ioctls: 'all' } } },
      `${type} "options.descriptors[3].rights" property must be an instance of Rights or names of rights.`,
    ],
    [
      { descriptors: { 3: { fd: 1, rights: [], ioctls: 'all' } } },
      `${value} property 'options.descriptors[3].ioctls' needs the right 'ioctl' too.`,
    ],
    [
      { descriptors: { 3: { fd: 1, rights: [], fcntls: ['getfl'] } } },
      `${value} property 'options.descriptors[3].fcntls' needs the right 'fcntl' too.`,
    ],
    [{ user: '' }, `${type} "options.user" property must be a name or of type number.`],
    [{ user: 'no-such-user' }, `${value} property 'options.user' is not a user of this system.`],
    [{ user: 3_999_999_999 }, `${value} property 'options.user' is not a user of this system; give options.group too.`],
    [{ user: -1 }, `${range} "options.user" is out of range. It must be >= 0 && <= 4294967294.`],
    [{ group: 'no-such-group' }, `${value} property 'options.group' is not the name of a group.`],
    [{ groups: 'wheel' }, `${type} "options.groups" property must be an instance of Array.`],
    [{ groups: [0, {}] }, `${type} "options.groups[1]" property must be a name or of type number.`],
    [{ groups: Array(2000).fill(0) }, `${value} property 'options.groups' has 2000 groups; the kernel keeps 1023.`],
    [{ session: 1 }, `${type} "options.session" property must be of type boolean.`],
    [{ limits: [] }, `${type} "options.limits" property must be of type object.`],
    [{ limits: { files: 3 } }, `${value} property 'options.limits' has no property 'files'.`],
    [
      { limits: { core: -1 } },
      `${range} "options.limits.core" is out of range. It must be >= 0 && <= 9007199254740991.`,
    ],
    [
      { limits: { core: { soft: 2, hard: 1 } } },
      `${value} property 'options.limits.core' has a soft limit above the hard one.`,
    ],
    [{ limits: { core: { soft: 2 } } }, `${type} "options.limits.core.hard" property must be of type number.`],
    [
      { limits: { core: { soft: 1, hard: 2, max: 3 } } },
      `${value} property 'options.limits.core' has no property 'max'.`,
    ],
    [{ jail: 0 }, `${range} "options.jail" is out of range. It must be >= 1 && <= 2147483647.`],
    [{ jail: '' }, `${value} property 'options.jail' must not be empty.`],
    [{ jail: true }, `${type} "options.jail" property must be a jid, a name or an object with an fd.`],
    [
      { jail: 1, cwd: 0 },
      `${value} property 'options.cwd' must be a path where there is a jail: a directory would lead out of it.`,
    ],
    [{ daemon: 'yes' }, `${type} "options.daemon" property must be of type boolean.`],
    [{ signal: {} }, `${type} "options.signal" property must be an instance of AbortSignal.`],
  ])('%o', (options, message) => {
    const before = [openDescriptors(), childProcesses()];
    expect(refused(options)).toBe(message);
    expect([openDescriptors(), childProcesses()]).toEqual(before);
  });

  test('an aborted signal starts nothing', () => {
    const error = caught(() => spawn('/bin/sh', [], { signal: AbortSignal.abort(new Error('why')) }));
    expect([error.name, error.code, (error.cause as Error).message]).toEqual(['AbortError', 'ABORT_ERR', 'why']);
  });

  test('undefined is as if it were not there', async () => {
    const options = { cwd: undefined, stdio: undefined, user: undefined, jail: undefined, limits: { core: undefined } };
    using child = spawn('/bin/sh', ['-c', 'exit 4'], options as object);
    expect((await child.exited).code).toBe(4);
  });
});

describe('a process descriptor', () => {
  test('checks its arguments', async () => {
    using child = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    expect(caught(() => child.kill('SIGNONE' as 'SIGTERM')).message).toContain("'signal' is not the name of a signal");
    expect(caught(() => child.kill(-1)).code).toBe('ERR_OUT_OF_RANGE');
    expect(caught(() => child.kill(true as unknown as number)).code).toBe('ERR_INVALID_ARG_TYPE');
    await expect(child.wait({ signal: 1 as unknown as AbortSignal })).rejects.toThrow(/options\.signal/);
    await expect(child.wait({ timeout: 1 } as object)).rejects.toThrow(/has no property 'timeout'/);
    await expect(child.wait({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('prints what it is', async () => {
    const child = spawn('/bin/sh', ['-c', 'exit 9'], { stdio: 'ignore' });
    const { inspect } = await import('node:util');
    expect(inspect(child)).toBe(`ProcessDescriptor { fd: ${child.fd}, pid: ${child.pid} }`);
    await child.exited;
    expect(inspect(child)).toBe(`ProcessDescriptor { fd: ${child.fd}, pid: ${child.pid}, ended: 9 }`);
    child.close();
    expect(inspect(child)).toBe('ProcessDescriptor { closed }');
    await expect(child.exited).resolves.toMatchObject({ code: 9 });
  });
});
