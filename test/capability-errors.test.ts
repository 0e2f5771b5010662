import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { explainCapabilityError, isCapabilityError } from '../lib/capability-errors.ts';
import { parseSurvey, type SurveyRow } from './conformance/capability-mode-survey.ts';

const recording = parseSurvey(
  readFileSync(new URL('conformance/15.1/capability-mode-survey.tsv', import.meta.url), 'utf8'),
);
const refused = [...recording].flatMap(([runtime, rows]) =>
  rows
    .filter(({ result }) => result === 'refused')
    .map((row) => [`${runtime.split(' ')[0]} ${row.call}`, row] as const),
);

/** Rows whose error does not say that it comes from capability mode. */
const disguised = new Set([
  'node require(new file)',
  'node import(new file)',
  'node dns.lookup(localhost)',
  'node dns.resolve4',
  'node process.memoryUsage().rss',
  'node process.memoryUsage.rss()',
  'node os.networkInterfaces',
  'bun net.connect(ip)',
  'bun net.connect(unix)',
  'bun http.get',
  'bun dns.lookup(localhost)',
  'bun dns.resolve4',
  'bun process.memoryUsage().rss',
  'bun process.memoryUsage.rss()',
  'bun os.networkInterfaces',
  'bun process.stdin',
]);

/** What the explanation of each refused call must say, for either runtime. */
const explanations: Record<string, RegExp> = {
  'fs.readFileSync(path)': /^open '\/etc\/passwd' was refused: .*by its path\. .*descriptor/,
  'fs.promises.readFile(path)': /^open '\/etc\/passwd' was refused: .*by its path/,
  'fs.statSync(path)': /^stat '\/etc\/passwd' was refused: .*by its path/,
  'fs.accessSync(path)': /^access '\/etc\/passwd' was refused: .*by its path/,
  'fs.readdirSync(path)': /^scandir '\/etc' was refused: .*by its path/,
  'fs.writeFileSync(path)': /^open '\/tmp\/q' was refused: .*by its path/,
  'fs.mkdirSync(path)': /^mkdir '\/tmp\/qq' was refused: .*by its path/,
  'fs.realpathSync(path)': /^lstat '\/tmp' was refused: .*by its path/,
  'fs.realpathSync.native(path)': /^realpath '\/tmp' was refused: .*by its path/,
  'fs.watch(path)': /^watch '\/tmp' was refused: .*by its path/,
  'require(new file)': /^Loading '\/job\/mod\.js' was refused: .*module.* plan\.prewarm/,
  'import(new file)': /^Loading '\/job\/mod\.mjs' was refused: .*module.* plan\.prewarm/,
  'net.connect(ip)': /^connect.* was refused: .*connection.* before sealing/,
  'net.connect(unix)': /^connect.* was refused: .*connection.* before sealing/,
  'server.listen(new port)': /^listen.* was refused: .*bound.* plan\.servers/,
  'http.get': /^connect.* was refused: .*connection/,
  fetch: /was refused: /,
  'dns.lookup(localhost)': /^getaddrinfo.* was refused: .*name servers.* keep the addresses/,
  'dns.resolve4': /^queryA.* was refused: .*name servers/,
  'dgram.bind': /^bind.* was refused: .*bound/,
  'dgram.send(addr)': /^bind.* was refused: .*bound/,
  spawnSync: /^spawnSync \/bin\/echo was refused: .*executed.* child before sealing/,
  spawn: /^spawn.* was refused: .*executed/,
  'new Worker(eval)': /^uv_cwd was refused: .*start workers before sealing/,
  'process.cwd()': /^uv_cwd was refused: .*process\.cwd\(\) before sealing/,
  'process.chdir': /^chdir.* was refused: .*working directory/,
  'process.memoryUsage().rss': /^process\.memoryUsage\(\) was refused: .*resourceUsage/,
  'process.memoryUsage.rss()': /^process\.memoryUsage\(\) was refused: .*resourceUsage/,
  'process.kill(1,0)': /^kill was refused: .*only itself/,
  'process.kill(ppid,0)': /^kill was refused: .*only itself/,
  'os.networkInterfaces': /^os\.networkInterfaces\(\) was refused: .*before sealing/,
  'os.userInfo': /^uv_os_get_passwd was refused: .*user database/,
  'process.stdin': /^process\.stdin was refused: .*before sealing/,
  'fs.readdirSync on dirfd path /dev/fd': /^scandir '\/dev\/fd\/\d+' was refused: .*by its path/,
};

/** Builds the error that a row was made from. */
function errorOf({ code, errno, syscall, message }: SurveyRow): Error {
  const [text, cause] = message.split(' | cause ');
  const error = new Error(text);
  if (cause !== undefined) error.cause = Object.assign(new Error(cause), { code: cause, errno: -94 });
  if (code !== 'undefined') Object.assign(error, { code });
  if (errno !== 'undefined') Object.assign(error, { errno: Number(errno) });
  if (syscall !== 'undefined') Object.assign(error, { syscall });
  const path = /, \w+ '([^']*)'/.exec(message)?.[1];
  if (path !== undefined) Object.assign(error, { path });
  return error;
}

const enotcapable = (parts: object) => Object.assign(new Error('ENOTCAPABLE: capabilities insufficient'), parts);
const hostileGetters = Object.defineProperties(
  {},
  Object.fromEntries(
    ['code', 'errno', 'syscall', 'path', 'message', 'cause', 'errors', 'fd'].map((name) => [
      name,
      {
        get: () => {
          throw new Error(`no ${name} for you`);
        },
      },
    ]),
  ),
);

describe('recorded errors', () => {
  it('has every refused call of both runtimes', () => {
    expect(refused).toHaveLength(65);
    expect(refused.filter(([name]) => disguised.has(name))).toHaveLength(disguised.size);
  });

  it.each(refused)('%s is recognised', (name, row) => {
    expect(isCapabilityError(errorOf(row))).toBe(!disguised.has(name));
  });

  it.each(refused)('%s is explained', (_name, row) => {
    const expected = explanations[row.call];
    expect(expected, `an expectation for ${row.call}`).toBeDefined();
    expect(explainCapabilityError(errorOf(row), { sandboxed: true })).toMatch(expected as RegExp);
  });

  it.each(refused.filter(([name]) => disguised.has(name)))('%s is not explained outside capability mode', (_n, row) => {
    expect(explainCapabilityError(errorOf(row), { sandboxed: false })).toBeUndefined();
  });

  it.each(refused.filter(([name]) => !disguised.has(name)))('%s is explained outside it too', (_name, row) => {
    expect(explainCapabilityError(errorOf(row), { sandboxed: false })).toContain('was refused');
  });
});

describe('forms of errno 93 and 94', () => {
  it.each([
    { errno: -93, code: 'ENOTCAPABLE', syscall: 'read' },
    { errno: 93, code: 'ENOTCAPABLE' },
    { errno: -94, code: 'ECAPMODE' },
    { errno: 94 },
    { errno: -93, code: 'UNKNOWN' },
    { errno: -93, code: 'Unknown system error -93' },
    { code: 'Unknown system error -94' },
    { errno: -94, code: 'ERR_SYSTEM_ERROR' },
    { message: 'ECAPMODE: unknown error' },
    { message: 'ECAPMODE reading "/a.js"' },
    { code: 'ERR_WORKER_INIT_FAILED', message: 'Worker initialization failure: Unknown system error -94' },
  ])('recognises %o', (parts) => {
    const error = Object.assign(new Error('x'), parts);
    expect(isCapabilityError(error)).toBe(true);
    expect(isCapabilityError({ ...parts })).toBe(true);
    expect(explainCapabilityError(error)).toContain('was refused');
  });

  it('finds them behind causes and in aggregates', () => {
    const inner = enotcapable({ code: 'ENOTCAPABLE' });
    const wrapped = new Error('a', { cause: new Error('b', { cause: inner }) });
    expect(isCapabilityError(wrapped)).toBe(true);
    const aggregate = new AggregateError([new Error('c'), wrapped]);
    expect(isCapabilityError(aggregate)).toBe(true);
    expect(isCapabilityError(new Error('d', { cause: aggregate }))).toBe(true);
    expect(explainCapabilityError(aggregate)).toContain('was refused');
  });
});

describe('other errors', () => {
  it.each([
    { errno: -93, code: 'EPROTONOSUPPORT', syscall: 'socket' },
    { errno: -94, code: 'ESOCKTNOSUPPORT', syscall: 'socket' },
    { errno: -2, code: 'ENOENT', syscall: 'open', path: '/nothing' },
    { errno: -1, code: 'EPERM', syscall: 'open' },
    { errno: '-93', code: 'UNKNOWN' },
    { errno: Number.NaN },
    { errno: -4094, code: 'UNKNOWN' },
    { code: 'ERR_WORKER_INIT_FAILED', message: 'Worker initialization failure: EMFILE' },
    { code: 'ECONNREFUSED', syscall: 'sendto' },
    { message: 'the ECAPMODE: of others' },
  ])('leaves %o alone', (parts) => {
    const error = Object.assign(new Error('x'), parts);
    expect(isCapabilityError(error)).toBe(false);
    expect(explainCapabilityError(error, { sandboxed: true })).toBeUndefined();
  });
});

describe('missing rights', () => {
  it('names the rights a call needs', () => {
    const explained = explainCapabilityError(enotcapable({ code: 'ENOTCAPABLE', errno: -93, syscall: 'ftruncate' }));
    expect(explained).toMatch(/^ftruncate was refused: .*'ftruncate'/);
  });

  it('names only the one that the descriptor lacks', () => {
    const error = enotcapable({ code: 'ENOTCAPABLE', errno: -93, syscall: 'pread', fd: 5 });
    const explained = explainCapabilityError(error, { rightsOf: (fd) => new Set(fd === 5 ? ['read', 'fstat'] : []) });
    expect(explained).toMatch(
      /^pread on descriptor 5 was refused: the descriptor lacks 'seek'\. It has 'read', 'fstat'\./,
    );
  });

  it('explains an attempt to widen', () => {
    const error = enotcapable({ code: 'ENOTCAPABLE', errno: -93, syscall: 'cap_rights_limit', fd: 5 });
    const explained = explainCapabilityError(error, { rightsOf: () => new Set(['read']) });
    expect(explained).toMatch(/cap_rights_limit on descriptor 5 .*narrowed and never widened\. It has 'read'\./);
  });

  it('does without a descriptor that is closed by now', () => {
    const error = enotcapable({ code: 'ENOTCAPABLE', errno: -93, syscall: 'read', fd: 5 });
    const rightsOf = () => {
      throw new Error('EBADF');
    };
    expect(explainCapabilityError(error, { rightsOf })).toMatch(/^read on descriptor 5 .*'read'/);
  });

  it.each(['constructor', '__proto__', 'no such call'])('takes %s for an unknown call', (syscall) => {
    expect(explainCapabilityError(enotcapable({ code: 'ENOTCAPABLE', syscall }))).toContain('lacks a right');
  });
});

describe('bad input', () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const throwingProxy = new Proxy(
    {},
    {
      get: () => {
        throw new Error('trap');
      },
      getPrototypeOf: () => {
        throw new Error('trap');
      },
    },
  );
  const cyclic = new Error('a');
  cyclic.cause = new Error('b', { cause: cyclic });
  const selfContained = new AggregateError([]);
  selfContained.errors.push(selfContained, selfContained);
  const endless = (): object => ({
    get cause() {
      return endless();
    },
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a number', -94],
    ['a string', 'ECAPMODE'],
    ['a symbol', Symbol('ECAPMODE')],
    ['a bigint', 94n],
    ['a function', () => -94],
    ['an empty object', {}],
    ['an array', [94]],
    ['throwing getters', hostileGetters],
    ['a throwing proxy', throwingProxy],
    ['a revoked proxy', revoked.proxy],
    ['a revoked proxy as a cause', new Error('x', { cause: revoked.proxy })],
    ['a revoked proxy as the errors', { errors: revoked.proxy }],
    ['cyclic causes', cyclic],
    ['an aggregate of itself', selfContained],
    ['causes without end', endless()],
    ['errors without end', { errors: new Array(2 ** 32 - 1) }],
  ])('gives nothing for %s', (_name, value) => {
    expect(isCapabilityError(value)).toBe(false);
    expect(explainCapabilityError(value, { sandboxed: true })).toBeUndefined();
  });

  it('sees through a cycle to a capability error', () => {
    const loop = new AggregateError([cyclic, enotcapable({ code: 'ENOTCAPABLE' })]);
    expect(isCapabilityError(loop)).toBe(true);
  });

  it('takes a context that throws for none', () => {
    const context = {
      get sandboxed(): boolean {
        throw new Error('no');
      },
    };
    expect(explainCapabilityError(Object.assign(new Error('x'), { code: 'EAI_AGAIN' }), context)).toBeUndefined();
  });
});
