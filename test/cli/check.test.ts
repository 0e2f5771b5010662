/** `capsule check` as a user runs it: what it says of plans, of files that are none, and its exit statuses. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { capsule } from '../support/capsule-program.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/capsule-plan.json', import.meta.url));
const NO_KERNEL = { FREEBSD_CAPSULE_KERNEL: undefined };
const folder = mkdtempSync(join(tmpdir(), 'capsule-check-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = join(folder, 'plan.json');
/** What clears a screen, and what writes backwards. */
const TREACHEROUS = ['\u001b', '\u009b', '\u202e'];

/** Writes a plan and checks it. */
function checked(plan: string | Uint8Array | object, ...options: string[]) {
  const text = typeof plan === 'string' || plan instanceof Uint8Array ? plan : JSON.stringify(plan);
  writeFileSync(file, text);
  return capsule(['check', ...options, file]);
}

/** The lines that it complains in, without the file's name. */
const complaints = (stderr: string) => stderr.trimEnd().replaceAll(`${file}:`, '').split('\n');

const plan = (jail: object, rest: object = {}) => ({ version: 1, jail: { path: '/', ...jail }, ...rest });

describe('a plan that is valid', () => {
  test('against a kernel', () => {
    const { status, stdout, stderr } = capsule(['check', EXAMPLE]);
    expect(stderr).toBe('');
    expect(stdout).toContain(`${EXAMPLE}: is valid in the eyes of `);
    expect(stdout).toContain(
      `${EXAMPLE}: not checked: whether its paths are there: 'capsule run --dry-run' looks for `,
    );
    expect(status).toBe(0);
    expect(JSON.parse(capsule(['check', '--json', EXAMPLE]).stdout).notChecked).toContain('its paths');
  });

  test('also where its paths are not: it may be for another machine', () => {
    const { status, stderr } = checked(plan({ path: '/no/such/folder' }));
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  test.skipIf(process.platform === 'freebsd')('without a kernel says what was not checked, and 69', () => {
    const { status, stdout, stderr } = capsule(['check', EXAMPLE], NO_KERNEL);
    expect(stdout).toBe(`${EXAMPLE}: is valid in the eyes of its schema\n`);
    expect(stderr).toContain('not checked: whether the kernel has these parameters');
    expect(stderr).toContain('whether its paths are there');
    expect(status).toBe(69);
    const json = capsule(['check', '--json', EXAMPLE], NO_KERNEL);
    expect(JSON.parse(json.stdout)).toMatchObject({ valid: true, kernel: null, problems: [] });
    expect(json.status).toBe(69);
  });

  test('by its schema alone, when that was asked for', () => {
    const { status, stdout } = capsule(['check', '--schema-only', EXAMPLE], NO_KERNEL);
    expect(stdout).toBe(`${EXAMPLE}: is valid in the eyes of its schema\n`);
    expect(status).toBe(0);
  });

  test('whatever its keys are called', () => {
    const { status, stderr } = checked('{"version":1,"jail":{"path":"/"},"env":{"__proto__":"x","constructor":"y"}}');
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});

describe('a plan that is not valid', () => {
  test('is told all that is wrong, each in its place', () => {
    const text = `{
  "version": 2,
  "jails": {},
  "jail": { "path": "jails/web", "host.hostnam": "x", "allow.mount": true, "persist": false,
    "osreldate": "x", "vnet": "own", "securelevel": 1 },
  "securelevel": 4,
  "groups": [1.5, true],
  "limits": { "data": { "soft": 1 }, "nofiles": 3, "core": 0 },
  "require": { "seal": "open", "see": "closed", "debug": { "root": "open", "inside": 1 } },
  "env": { "A=B": "x", "C": 3 },
  "allow": ["mount", "mount"]
}`;
    const { status, stdout, stderr } = checked(text);
    expect(status).toBe(65);
    expect(stdout).toBe('');
    const lines = complaints(stderr);
    const expected = [
      /^2:3: \/version must be equal to constant. It takes: .* 1\.$/,
      /^3:3: \/jails is not known here; the nearest is 'jail'$/,
      /^4:13: \/jail\/path does not fit. It takes: .* an absolute path\.$/,
      /^4:34: \/jail\/host.hostnam is not known here; the nearest is 'host.hostname'$/,
      /^4:55: \/jail\/allow.mount has its place in \/allow/,
      /^4:76: \/jail\/persist is set by the seal$/,
      /^5:5: \/jail\/osreldate must be integer/,
      /^5:23: \/jail\/vnet must be .*: disable, new, inherit/,
      /^5:38: \/jail\/securelevel has its place outside of \/jail/,
      /^6:3: \/securelevel must be <= 3/,
      /^7:14: \/groups\/0 must be string or integer/,
      /^7:19: \/groups\/1 must be string or integer/,
      /^8:15: \/limits\/data lacks 'hard'$/,
      /^8:38: \/limits\/nofiles is not known here; the nearest is 'nofile'$/,
      /^8:52: \/limits\/core is set by the seal$/,
      /^9:16: \/require\/seal is not known here; the nearest is '.*'$/,
      /^9:32: \/require\/see does not fit. It takes: 'enforced', 'evident' or 'open'/,
      /^9:60: \/require\/debug\/root is not known here/,
      /^9:76: \/require\/debug\/inside must be .*: enforced, evident, open/,
      /^10:12: \/env\/A=B is not a name that fits here$/,
      /^10:24: \/env\/C must be string/,
      /^11:3: \/allow must NOT have duplicate items/,
      /^11:13: \/allow\/0 does not fit. It takes: The full name of an allow.\* parameter\.$/,
      /^11:22: \/allow\/1 does not fit/,
    ];
    for (const [index, pattern] of expected.entries()) expect(lines[index]).toMatch(pattern);
    expect(lines).toHaveLength(expected.length);
  });

  test('by what the kernel and this system say', () => {
    const { status, stderr } = checked(
      plan(
        { 'ip4.addr': ['192.0.2.1', '192.0.2'], 'ip6.addr': ['fe80::1%em0'], 'host.hostname': 'x'.repeat(300) },
        {
          allow: ['allow.raw_sockets', 'allow.raw_socket'],
          user: 'no such user',
          groups: ['no such group'],
          limits: { data: { soft: 2, hard: 1 } },
        },
      ),
    );
    const lines = complaints(stderr);
    const expected = [
      /\/jail\/ip4.addr is refused: .*must be an IPv4 address. Received '192.0.2'$/,
      /\/jail\/ip6.addr is refused: .*must be an IPv6 address/,
      /\/jail\/host.hostname is refused: .*must have at most 255 bytes; it has 300/,
      /\/allow\/1 is refused: .*the nearest is 'allow.raw_sockets'/,
      /\/user is refused: .*is not a user of this system/,
      /\/groups\/0 is refused: .*is not the name of a group/,
      /\/limits is refused: .*has a soft limit above the hard one/,
    ];
    for (const [index, pattern] of expected.entries()) expect(lines[index]).toMatch(pattern);
    expect(lines).toHaveLength(expected.length);
    expect(status).toBe(65);
  });

  test.each([
    ['by a kernel', {}, []],
    ['without one', NO_KERNEL, []],
    ['by its schema alone', {}, ['--schema-only']],
  ])('for what it requires and no machine gives, %s', (_, env, options) => {
    const text = `{ "version": 1, "jail": { "path": "/" },
      "require": { "unseal": { "hostRoot": "evident", "inside": "enforced" },
        "attach": { "inside": "enforced", "hostRoot": "enforced" },
        "fileSystem": { "inside": "enforced" },
        "see": "evident" } }`;
    writeFileSync(file, text);
    const { status, stdout, stderr } = capsule(['check', ...options, file], env);
    const lines = complaints(stderr);
    expect(lines).toEqual([
      expect.stringMatching(
        /^3:43: \/require\/attach\/hostRoot cannot be 'enforced' against hostRoot: with this plan it is 'evident' at most on any machine \(jail_attach\(2\); told by /,
      ),
      expect.stringMatching(
        /^4:25: \/require\/fileSystem\/inside .* 'open' at most on any machine \(its root directory is that of the machine\)$/,
      ),
      expect.stringMatching(/^5:9: \/require\/see cannot be 'evident' against inside: .*'open' at most/),
      expect.stringMatching(/^5:9: \/require\/see cannot be 'evident' against unprivileged: /),
      expect.stringMatching(/^5:9: \/require\/see cannot be 'evident' against outerRoot: /),
      expect.stringMatching(/^5:9: \/require\/see cannot be 'evident' against hostRoot: /),
    ]);
    expect(stdout).toBe('');
    expect(status).toBe(65);
  });

  test('as JSON', () => {
    const { status, stdout, stderr } = checked(plan({ path: 'x' }), '--json');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({
      plan: file,
      valid: false,
      kernel: null,
      problems: [{ pointer: '/jail/path', line: 1, column: 22 }],
    });
    expect(status).toBe(65);
  });

  test('tells no more than somebody reads', () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`wrong${index}`, 1]));
    const { status, stderr } = checked(plan({}, many));
    expect(complaints(stderr)).toHaveLength(51);
    expect(stderr).toContain('and 4950 more');
    expect(status).toBe(65);
  });
});

describe('a file that is no plan', () => {
  test.each([
    ['nothing', '', / the plan is not JSON: /],
    ['half of it', '{"version": 1,', / the plan is not JSON: /],
    ['a comment', '{"version": 1 /* one */}', /^1:15: the plan is not JSON: /],
    ['null', 'null', /^1:1: the plan must be object/],
    ['a list', '[]', /^1:1: the plan must be object/],
    ['a byte order mark', '\uFEFF{"version":1,"jail":{"path":"/"}}', /^1:1: the plan begins with a byte order mark/],
    ['UTF-16', Buffer.from('{"version":1}', 'utf16le'), / the plan is not JSON: /],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), / is not UTF-8/],
    ['deep nesting', '['.repeat(100_000) + ']'.repeat(100_000), /^1:17: .* is more than 16 levels deep/],
    [
      'half a character',
      '{"version":1,"jail":{"path":"/\\ud800"}}',
      /^1:22: \/jail\/path has half a character in "\/\\ud800"/,
    ],
    ['a key twice', '{"version":1,"jail":{"path":"/"},\n"jail":{"path":"/x"}}', /^2:1: \/jail is there twice$/],
    [
      'a key twice, by an escape',
      '{"version":1,"jail":{"path":"/","p\\u0061th":"/x"}}',
      / \/jail\/path is there twice$/,
    ],
    ['a key of objects', '{"version":1,"jail":{"path":"/"},"__proto__":{"user":0}}', / \/__proto__ is not known here$/],
    ['too much', `"${'x'.repeat(300_000)}"`, / is larger than a plan may be \(262144 bytes\)$/],
  ])('%s', (_, text, complaint) => {
    const { status, stdout, stderr } = checked(text);
    expect(complaints(stderr)[0]).toMatch(complaint);
    expect(stdout).toBe('');
    expect(status).toBe(65);
  });

  test('a string as long as a file may be', () => {
    const { status, stderr } = checked(`"${'\\"'.repeat(100_000)}"`);
    expect(stderr).toContain('the plan must be object');
    expect(status).toBe(65);
  });

  test('what it holds does not reach the terminal as it is', () => {
    const { status, stderr, stdout } = checked(`{"\\u001b[2Jx\u202Ey\u009b":1}`);
    expect(stderr).toContain('/\\u{1b}[2Jx\\u{202e}y\\u{9b} is not known here');
    expect(stdout).toBe('');
    for (const code of TREACHEROUS) expect(stderr).not.toContain(code);
    expect(status).toBe(65);
    const json = checked(`{"x\u202Ey\u009b":1}`, '--json');
    for (const code of TREACHEROUS) expect(json.stdout).not.toContain(code);
    const { problems } = JSON.parse(json.stdout) as { problems: { pointer: string }[] };
    expect(problems.map(({ pointer }) => pointer)).toContain('/x\u202Ey\u009b');
  });

  test.each([
    ['a directory', folder, 'is not a regular file'],
    ['a device', '/dev/zero', 'is not a regular file'],
    ['nothing', join(folder, 'none.json'), 'ENOENT'],
  ])('%s', (_, path, reason) => {
    const { status, stderr } = capsule(['check', path]);
    expect(stderr).toContain(reason);
    expect(status).toBe(66);
  });

  test('a FIFO that nobody writes to is not waited for', () => {
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const { status, stderr } = capsule(['check', fifo]);
    expect(stderr).toBe(`capsule: ${fifo}: is not a regular file\n`);
    expect(status).toBe(66);
  });
});

describe('usage', () => {
  test.each([
    [[], 'a command is missing'],
    [['chekc', EXAMPLE], "there is no command 'chekc'"],
    [['constructor'], "there is no command 'constructor'"],
    [['--verbose'], "Unknown option '--verbose'"],
    [['check'], 'check takes one plan'],
    [['check', EXAMPLE, EXAMPLE], 'check takes one plan'],
    [['check', '--jsno', EXAMPLE], "Unknown option '--jsno'"],
    [['check', '--json=yes', EXAMPLE], "Option '--json' does not take an argument"],
  ])('%j is refused', (args, complaint) => {
    const { status, stdout, stderr } = capsule(args);
    expect(stderr).toContain(`capsule: ${complaint}`);
    expect(stdout).toBe('');
    expect(status).toBe(64);
  });

  test('help and version', () => {
    expect(capsule(['--help'])).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringContaining('usage: capsule'),
    });
    expect(capsule(['check', '-h']).stdout).toContain('Exit status: 0 the plan is valid');
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(capsule(['--version'])).toEqual({ status: 0, signal: null, stderr: '', stdout: `${version}\n` });
  });
});
