import { fstatSync, readFileSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { inspect } from 'node:util';
import { getFcntls, getIoctls, getRights, limitFcntls, limitIoctls, limitRights, Rights } from 'freebsd-capsule';
import { afterAll, describe, expect, test } from 'vitest';
import { caught } from './support/caught.ts';
import { ScratchFiles } from './support/descriptors.ts';

const files = new ScratchFiles();
afterAll(() => files.remove());

/** Calls with an argument that the type system would refuse. */
const untyped = (call: (...args: never[]) => unknown) => call as (...args: unknown[]) => unknown;

/** What Node throws for such a descriptor. Not closeSync and fsync, which crash Node 20 on a symbol. */
const nodesError = (fd: unknown) => caught(() => untyped(readSync)(fd, Buffer.alloc(1)));

describe('system errors', () => {
  const onClosed: [syscall: string, call: (fd: number) => unknown][] = [
    ['cap_rights_get', (fd) => getRights(fd)],
    ['cap_rights_limit', (fd) => limitRights(fd, ['read'])],
    ['cap_ioctls_get', (fd) => getIoctls(fd)],
    ['cap_ioctls_limit', (fd) => limitIoctls(fd, ['FIONREAD'])],
    ['cap_fcntls_get', (fd) => getFcntls(fd)],
    ['cap_fcntls_limit', (fd) => limitFcntls(fd, ['getfl'])],
  ];

  test.each(onClosed)('%s on a closed descriptor has the shape of an error of node:fs', (syscall, call) => {
    const fd = files.closed();
    const nodes = caught(() => fstatSync(fd));
    const ours = caught(() => call(fd));
    expect(Object.getPrototypeOf(ours)).toBe(Error.prototype);
    expect(Object.keys(ours)).toEqual([...Object.keys(nodes), 'fd']);
    expect({ ...ours }).toEqual({ errno: nodes.errno, code: 'EBADF', syscall, fd });
    expect(ours.errno).toBe(-constants.errno.EBADF);
    expect(ours.message).toBe(nodes.message.replace('fstat', syscall));
    expect(ours.message).toBe(`EBADF: bad file descriptor, ${syscall}`);
    expect(ours.name).toBe('Error');
  });

  test('the stack names the function that called', () => {
    function callerOfTheBinding() {
      getRights(files.closed());
    }
    const { stack } = caught(callerOfTheBinding);
    expect(stack).toMatch(/^Error: EBADF: bad file descriptor, cap_rights_get\n/);
    expect(stack).toContain('at getRights ');
    expect(stack).toContain('at callerOfTheBinding ');
    expect(stack).toContain('errors.test.ts');
  });

  test('ENOTCAPABLE has a name, which libuv does not give it', () => {
    const fd = files.open();
    limitRights(fd, ['read']);
    const error = caught(() => limitRights(fd, ['read', 'write']));
    expect({ ...error }).toEqual({ errno: -93, code: 'ENOTCAPABLE', syscall: 'cap_rights_limit', fd });
    expect(error.message).toBe('ENOTCAPABLE: capabilities insufficient, cap_rights_limit');
    expect(Object.getPrototypeOf(error)).toBe(Error.prototype);
  });

  test('two errors are two objects', () => {
    const fd = files.closed();
    expect(caught(() => getRights(fd))).not.toBe(caught(() => getRights(fd)));
  });
});

// How a value is described in a message changes with Node's releases; ours is that of Node 20. The rest does not change.
const wordsOfNode20 = process.versions.node.startsWith('20.');

describe('argument errors', () => {
  class Thing {}
  function named() {}
  const wrongTypes = [undefined, null, 'x', '', true, 1n, Symbol('s'), named, {}, [], new Thing(), new Date(0), /x/];

  test.each(wrongTypes.map((value) => [inspect(value), value]))(
    'a descriptor that is %s, as node:fs says it',
    (_, value) => {
      const nodes = nodesError(value);
      const ours = caught(() => untyped(getRights)(value));
      expect(Object.getPrototypeOf(ours)).toBe(TypeError.prototype);
      expect(ours.name).toBe(nodes.name);
      expect(ours.code).toBe(nodes.code);
      expect(ours.code).toBe('ERR_INVALID_ARG_TYPE');
      expect(Object.keys(ours)).toEqual(Object.keys(nodes));
      const [before, received] = nodes.message.split('. Received ') as [string, string];
      expect(before).toBe('The "fd" argument must be of type number');
      expect(ours.message.startsWith(before)).toBe(true);
      const described = ours.message.split('. Received ')[1];
      if (wordsOfNode20) expect(described).toBe(received);
      else expect(described).toBeTruthy();
      expect(inspect(ours).split('\n')[0]).toBe(`TypeError [ERR_INVALID_ARG_TYPE]: ${ours.message}`);
    },
  );

  test.each([
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 31,
    -0.5,
    2 ** 33,
    Number.MAX_SAFE_INTEGER,
    -(2 ** 40),
  ])('the number %s as a descriptor, as node:fs says it', (value) => {
    const nodes = nodesError(value);
    const ours = caught(() => getRights(value));
    expect(Object.getPrototypeOf(ours)).toBe(RangeError.prototype);
    expect({ ...ours }).toEqual({ ...nodes });
    expect(ours.code).toBe('ERR_OUT_OF_RANGE');
    if (wordsOfNode20) expect(ours.message).toBe(nodes.message);
    else expect(ours.message).toMatch(/^The value of "fd" is out of range\. It must be .+\. Received .+$/);
    expect(inspect(ours).split('\n')[0]).toBe(`RangeError [ERR_OUT_OF_RANGE]: ${ours.message}`);
  });

  test('a value without meaning has the form that a path with a null byte has', () => {
    const nodes = caught(() => readFileSync('a\0b'));
    const ours = caught(() => untyped(Rights.of)('nope'));
    const form = /^The argument '(\w+)' .+\. Received '.+'$/;
    expect(nodes.message).toMatch(form);
    expect(ours.message).toMatch(form);
    expect(ours.message).toBe("The argument 'right' is not the name of a right of rights(4). Received 'nope'");
    expect(Object.getPrototypeOf(ours)).toBe(TypeError.prototype);
    expect({ ...ours }).toEqual({ ...nodes });
    expect(ours.code).toBe('ERR_INVALID_ARG_VALUE');
    expect(inspect(ours).split('\n')[0]).toBe(`TypeError [ERR_INVALID_ARG_VALUE]: ${ours.message}`);
  });

  test('a property is called a property', () => {
    const error = caught(() => getRights({ fd: 1.5 }));
    expect(error.message).toBe('The value of "fd.fd" is out of range. It must be an integer. Received 1.5');
  });

  test('a long value is cut', () => {
    const { message } = caught(() => untyped(Rights.of)('x'.repeat(5000)));
    expect(message.length).toBeLessThan(300);
    expect(message).toContain("Received 'xxx");
    expect(caught(() => untyped(getRights)('y'.repeat(5000))).message.length).toBeLessThan(300);
  });

  test('a value that cannot be described still gets its error', () => {
    const hostile = {
      get constructor() {
        throw new Error('from a getter');
      },
    };
    expect(caught(() => untyped(getRights)(hostile)).code).toBe('ERR_INVALID_ARG_TYPE');
    const unprintable = {
      fd: -1,
      [inspect.custom]() {
        throw new Error('from inspect');
      },
    };
    expect(caught(() => getRights(unprintable)).code).toBe('ERR_INVALID_ARG_VALUE');
    const nullPrototype = Object.create(null) as unknown;
    expect(caught(() => untyped(getRights)(nullPrototype)).message).toBe(
      'The "fd" argument must be of type number, an object with an fd, or a net.Server or net.Socket. ' +
        'Received [Object: null prototype] {}',
    );
  });

  test('the stack names the function that called', () => {
    function callerWithNonsense() {
      getRights(Number.NaN);
    }
    expect(caught(callerWithNonsense).stack).toContain('at callerWithNonsense ');
  });

  test('code can be read, written and listed, as on errors of Node', () => {
    const error = caught(() => getRights(Number.NaN));
    const nodes = nodesError(Number.NaN);
    const property = (of: object) => {
      const { value, ...flags } = Object.getOwnPropertyDescriptor(of, 'code') ?? {};
      return { value, ...flags };
    };
    expect(property(error)).toEqual(property(nodes));
    expect(Object.hasOwn(error, 'name')).toBe(Object.hasOwn(nodes, 'name'));
  });
});
