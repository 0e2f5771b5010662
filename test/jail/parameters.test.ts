/** From types to bytes and back, and what is refused on the way. No kernel is asked but for its list of parameters. */

import fc from 'fast-check';
import { jailParameters } from 'freebsd-capsule';
import { describe, expect, test } from 'vitest';
import type { JailParameterInfo, JailParameterType } from '../../lib/jail/parameter-table.ts';
import { parameterInfo } from '../../lib/jail/parameter-table.ts';
import type { JailValue } from '../../lib/jail/parameter-types.ts';
import {
  decodeParameter,
  encodeParameter,
  encodeParameters,
  negatedName,
  usualRoom,
} from '../../lib/jail/parameters.ts';
import { caught } from '../support/caught.ts';

const info = (type: JailParameterType | undefined, name = 'x.y'): JailParameterInfo => ({
  name,
  type,
  access: 'any time',
  format: 'F',
  maxLength: 4096,
});

const roundTrip = (type: JailParameterType, value: unknown): JailValue => {
  const encoded = encodeParameter(info(type), 'value', value);
  return decodeParameter(info(type), encoded.value as Uint8Array);
};

const noNull = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'));
const noLine = noNull.filter((text) => !text.includes('\n'));
const key = noLine.filter((text) => text !== '' && !text.includes('='));

describe('what is written is what is read', () => {
  test.each<[JailParameterType, fc.Arbitrary<unknown>]>([
    ['int', fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })],
    ['uint', fc.integer({ min: 0, max: 2 ** 32 - 1 })],
    ['long', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
    ['ulong', fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
    ['system', fc.constantFrom('disable', 'new', 'inherit')],
    ['string', noNull],
    ['ipv4', fc.uniqueArray(fc.ipV4())],
    ['metadata', fc.dictionary(key, noLine, { maxKeys: 20 })],
  ])('%s', (type, values) => {
    fc.assert(
      fc.property(values, (value) => {
        expect(roundTrip(type, value)).toEqual(value);
      }),
    );
  });

  test('64 bits take plain numbers too', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (value) => roundTrip('ulong', value) === BigInt(value)));
  });

  test('the sizes are those of the kernel', () => {
    const size = (type: JailParameterType, value: unknown) => encodeParameter(info(type), 'value', value).value?.length;
    expect(size('int', 1)).toBe(4);
    expect(size('system', 'new')).toBe(4);
    expect(size('ulong', 1n)).toBe(8);
    expect(size('string', 'abc')).toBe(4);
    expect(size('string', '')).toBe(1);
    expect(size('ipv4', ['1.2.3.4', '1.2.3.5'])).toBe(8);
    expect(size('ipv6', ['::1'])).toBe(16);
    expect(size('ipv6', [])).toBe(0);
    expect(usualRoom(info('ipv6'))).toBe(255 * 16);
    expect(usualRoom(info('ipv4'))).toBe(255 * 4);
    expect(usualRoom(info('string'))).toBe(4096);
  });

  test('a key of metadata that is called like a property of objects is a key like any other', () => {
    const bytes = Buffer.from('__proto__=a\nconstructor=b\nno-equals\n\0');
    const decoded = decodeParameter(info('metadata'), bytes) as Record<string, string>;
    expect(Object.entries(decoded)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['no-equals', ''],
    ]);
    expect(decodeParameter(info('entry', 'meta.toString'), bytes)).toBeNull();
    expect(decodeParameter(info('entry', 'meta.constructor'), bytes)).toBe('b');
  });
});

describe('a boolean', () => {
  test('is its name, and false has a name of its own: the kernel looks at no value', () => {
    expect(encodeParameter(info('boolean', 'persist'), 'v', true)).toEqual({ name: 'persist', value: null });
    expect(encodeParameter(info('boolean', 'persist'), 'v', false)).toEqual({ name: 'nopersist', value: null });
  });

  test.each([
    ['persist', 'nopersist'],
    ['allow.mount', 'allow.nomount'],
    ['allow.mount.devfs', 'allow.mount.nodevfs'],
    ['ip4.saddrsel', 'ip4.nosaddrsel'],
  ])('the no of %s is %s', (name, negated) => {
    expect(negatedName(name)).toBe(negated);
  });
});

describe('what does not fit is refused with the name of the parameter', () => {
  const message = (parameters: object, creating = true) => {
    const error = caught(() => encodeParameters(parameters, 'parameters', creating));
    return `${error.code}: ${error.message}`;
  };

  test.each<[object, RegExp]>([
    [
      { 'children.max': '5' },
      /^ERR_INVALID_ARG_TYPE: The "parameters\['children\.max'\]" property must be of type number/,
    ],
    [{ 'children.max': 5n }, /must be of type number. Received type bigint/],
    [{ 'children.max': 0.5 }, /^ERR_OUT_OF_RANGE: .*It must be an integer/],
    [{ 'children.max': 2 ** 31 }, /^ERR_OUT_OF_RANGE: .*>= -2147483648 && <= 2147483647/],
    [{ 'host.hostid': -1 }, /^ERR_OUT_OF_RANGE: .*>= 0 && <= 18446744073709551615/],
    [{ 'host.hostid': 2n ** 64n }, /^ERR_OUT_OF_RANGE/],
    [{ 'host.hostid': 2 ** 60 }, /^ERR_OUT_OF_RANGE: .*a safe integer, or a bigint/],
    [{ persist: 1 }, /^ERR_INVALID_ARG_TYPE: .*must be of type boolean/],
    [{ persist: 'true' }, /must be of type boolean/],
    [{ persist: null }, /must be of type boolean/],
    [{ name: 5 }, /must be of type string/],
    [{ name: 'a\0b' }, /^ERR_INVALID_ARG_VALUE: .*without null bytes/],
    [{ name: 'x'.repeat(256) }, /must have at most 255 bytes; it has 256/],
    [{ name: 'ü'.repeat(128) }, /must have at most 255 bytes; it has 256/],
    [{ host: 'own' }, /^ERR_INVALID_ARG_VALUE: .*one of 'disable', 'new', 'inherit'/],
    [{ host: 1 }, /^ERR_INVALID_ARG_TYPE: .*one of 'disable', 'new', 'inherit'/],
    [{ 'ip4.addr': '192.0.2.1' }, /^ERR_INVALID_ARG_TYPE: .*an array of IPv4 addresses/],
    [{ 'ip4.addr': ['192.0.2.1', '::1'] }, /parameters\['ip4\.addr'\]\[1\].*must be an IPv4 address/],
    [{ 'ip4.addr': ['em0|192.0.2.1/32'] }, /interface and prefix are of jail\(8\)/],
    [{ 'ip4.addr': ['192.0.2.1', '192.0.2.1'] }, /is in the list already/],
    [{ 'ip6.addr': ['::1', '0:0:0:0:0:0:0:1'] }, /is in the list already/],
    [{ 'ip6.addr': ['fe80::1%em0'] }, /must be an IPv6 address/],
    [{ meta: 'a=b' }, /^ERR_INVALID_ARG_TYPE: .*an object of strings/],
    [{ meta: new Map([['a', 'b']]) }, /^ERR_INVALID_ARG_TYPE: .*an object of strings/],
    [{ meta: { 'a=b': 'c' } }, /must have a key that is not empty and has no '='/],
    [{ meta: { a: 'b\nc' } }, /without newlines/],
    [{ meta: { a: 5 } }, /must be of type string/],
    [{ 'meta.a': 5 }, /must be of type string/],
    [{ 'meta.a=b': 'c' }, /no '='/],
    [{ parent: 1 }, /is read-only/],
    [{ dying: false }, /is read-only/],
  ])('%o', (parameters, expected) => {
    expect(message(parameters)).toMatch(expected);
  });

  test.each(['jid', 'path', 'osrelease', 'osreldate', 'vnet', 'ip4', 'ip6'])('%s of a jail that exists', (name) => {
    expect(message({ [name]: 0 }, false)).toMatch(/can be given to a new jail only/);
  });

  test.each([
    ['host.hostnam', 'host.hostname'],
    ['hostname', 'host.hostname'],
    ['allow.rawSockets', 'allow.raw_sockets'],
    ['raw_sockets', 'allow.raw_sockets'],
    ['childrenMax', 'children.max'],
    ['ip4_addr', 'ip4.addr'],
    ['presist', 'persist'],
    ['secureLevel', 'securelevel'],
  ])('%s is not %s, but near', (name, nearest) => {
    expect(message({ [name]: true })).toContain(
      `The ${name.includes('.') ? 'property' : 'argument'} 'parameters['${name}']' is not a jail parameter of this kernel; ` +
        `the nearest is '${nearest}'. Received true`,
    );
  });

  test.each([
    ['nopersist', /write 'persist': false/],
    ['allow.nomount', /write 'allow\.mount': false/],
    ['allow.mount.nodevfs', /write 'allow\.mount\.devfs': false/],
    ['exec.start', /jail\(8\) alone/],
    ['mount.fstab', /jail\(8\) alone/],
    ['desc', /use Jail#open/],
    ['lastjid', /use Jail\.list/],
    ['errmsg', /in an error's message/],
    ['meta.', /is not a jail parameter/],
    ['.', /is not a jail parameter/],
    ['', /is not a jail parameter/],
    ['__proto__x', /is not a jail parameter/],
    ['toString', /is not a jail parameter/],
    ['q'.repeat(1000), /is not a jail parameter/],
  ])('%s', (name, expected) => {
    expect(message({ [name]: true })).toMatch(expected);
  });

  test('a kernel type without a form here is said to be one', () => {
    expect(caught(() => encodeParameter(info(undefined), 'v', 1)).message).toContain("has the kernel type 'F'");
  });

  test('whatever is given, it is either bytes or an argument error', () => {
    const names = jailParameters().map(({ name }) => name);
    fc.assert(
      fc.property(fc.constantFrom(...names, 'meta.k', 'zzz'), fc.anything({ withBigInt: true }), (name, value) => {
        try {
          for (const encoded of encodeParameters({ [name]: value }, 'parameters', true)) {
            expect(encoded.value === null || encoded.value instanceof Uint8Array).toBe(true);
          }
        } catch (error) {
          expect((error as NodeJS.ErrnoException).code).toMatch(/^ERR_(INVALID_ARG_(TYPE|VALUE)|OUT_OF_RANGE)$/);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('the list of parameters', () => {
  test('has no name twice, and a form for each', () => {
    const list = jailParameters();
    expect(new Set(list.map(({ name }) => name)).size).toBe(list.length);
    expect(list.filter(({ type }) => type === undefined)).toEqual([]);
    expect(list.length).toBeGreaterThan(40);
  });

  test.each<[string, JailParameterType, JailParameterInfo['access']]>([
    ['jid', 'int', 'creation'],
    ['name', 'string', 'any time'],
    ['path', 'string', 'creation'],
    ['parent', 'int', 'never'],
    ['persist', 'boolean', 'any time'],
    ['dying', 'boolean', 'never'],
    ['host', 'system', 'any time'],
    ['host.hostid', 'ulong', 'any time'],
    ['ip4', 'system', 'creation'],
    ['ip4.addr', 'ipv4', 'any time'],
    ['ip6.addr', 'ipv6', 'any time'],
    ['allow.mount', 'boolean', 'any time'],
    ['meta', 'metadata', 'any time'],
    ['meta.key', 'entry', 'any time'],
  ])('%s is of type %s, set at %s', (name, type, access) => {
    expect(parameterInfo(name)).toMatchObject({ name, type, access });
  });
});
