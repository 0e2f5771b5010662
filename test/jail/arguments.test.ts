/** What the methods of jails refuse before they ask the kernel, and what a kernel without descriptors gets. */

import { Jail, type JailParameterName } from 'freebsd-capsule';
import { tempJail } from 'freebsd-capsule/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { nearestName } from '../../lib/jail/nearest.ts';
import { caught } from '../support/caught.ts';
import { inChild } from '../support/in-child.ts';
import { requireJails } from '../support/requirements.ts';

const root = requireJails.missing() === undefined;
// Those of the host that this runs on.
const others = root ? Jail.list().map(({ jid }) => jid) : [];
const ownJails = () => Jail.list().filter(({ jid }) => !others.includes(jid));
afterEach(() => {
  for (const jail of ownJails()) jail.remove();
});

const codeOf = (call: () => unknown) => caught(call).code;

describe('arguments', () => {
  test.each([undefined, null, 5, 'web', [], true])('of create: %s is no object', (value) => {
    // Options that are left out are none.
    expect(codeOf(() => Jail.create(value as never))).toBe('ERR_INVALID_ARG_TYPE');
    if (value !== undefined) expect(codeOf(() => Jail.create({}, value as never))).toBe('ERR_INVALID_ARG_TYPE');
    if (value !== undefined) expect(codeOf(() => tempJail(value as never))).toBe('ERR_INVALID_ARG_TYPE');
    if (value !== undefined) expect(codeOf(() => Jail.list(value as never))).toBe('ERR_INVALID_ARG_TYPE');
  });

  test('an option that is none is refused by name', () => {
    expect(caught(() => Jail.create({}, { own: true } as never)).message).toBe(
      "The property 'options.own' is not an option; known are 'owned'. Received true",
    );
    expect(codeOf(() => Jail.list({ dead: true } as never))).toBe('ERR_INVALID_ARG_VALUE');
    expect(codeOf(() => Jail.create({}, { owned: 1 } as never))).toBe('ERR_INVALID_ARG_TYPE');
    expect(codeOf(() => Jail.list({ dying: 1 } as never))).toBe('ERR_INVALID_ARG_TYPE');
  });

  test.each([
    [0, 'ERR_OUT_OF_RANGE'],
    [-1, 'ERR_OUT_OF_RANGE'],
    [1_000_000, 'ERR_OUT_OF_RANGE'],
    [1.5, 'ERR_OUT_OF_RANGE'],
    [Number.NaN, 'ERR_OUT_OF_RANGE'],
    ['', 'ERR_INVALID_ARG_VALUE'],
    ['a\0b', 'ERR_INVALID_ARG_VALUE'],
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [5n, 'ERR_INVALID_ARG_TYPE'],
  ])('Jail.get(%s) gives %s', (value, code) => {
    expect(codeOf(() => Jail.get(value as never))).toBe(code);
  });

  test.runIf(root)('of a jail', () => {
    const jail = Jail.create({ name: 'arguments', path: '/' });
    expect(codeOf(() => jail.get('nonsense' as JailParameterName))).toBe('ERR_INVALID_ARG_VALUE');
    expect(codeOf(() => jail.get(5 as never))).toBe('ERR_INVALID_ARG_TYPE');
    const descriptor = jail.open();
    expect(codeOf(() => descriptor.get('path', ['name'] as never))).toBe('ERR_INVALID_ARG_TYPE');
    descriptor.close();
    expect(caught(() => jail.get('hostname' as JailParameterName)).message).toContain("the nearest is 'host.hostname'");
    expect(codeOf(() => jail.set(5 as never))).toBe('ERR_INVALID_ARG_TYPE');
    expect(codeOf(() => jail.watch({ signal: 5 } as never))).toBe('ERR_INVALID_ARG_TYPE');
    expect(codeOf(() => jail.watch({ persistent: true } as never))).toBe('ERR_INVALID_ARG_VALUE');
    expect(codeOf(() => jail.open({ own: true } as never))).toBe('ERR_INVALID_ARG_VALUE');
    expect(caught(() => Jail.create({ persist: false })).message).toContain('must be true for a new jail');
    expect(codeOf(() => jail.spawn('/bin/true', [], null as never))).toBe('ERR_INVALID_ARG_TYPE');
    expect(caught(() => jail.spawn('/bin/true', [], { jail: 7 } as never)).message).toContain('it is this jail');
    expect(codeOf(() => Jail.create(JSON.parse('{"__proto__":1}')))).toBe('ERR_INVALID_ARG_VALUE');
    expect(codeOf(() => Jail.create({ 'ip4.addr': new Array(2) }))).toBe('ERR_INVALID_ARG_TYPE');
    // Nothing of it happened.
    expect(ownJails()).toHaveLength(1);
    jail.set({});
    jail.set({ 'allow.mlock': undefined });
    expect(jail.get('allow.mlock')).toEqual({ 'allow.mlock': false });
  });

  test.runIf(root)('undefined parameters of create are left out', () => {
    const jail = Jail.create({ name: undefined, path: '/', persist: undefined, securelevel: undefined });
    expect(jail.get('persist').persist).toBe(true);
    expect(jail.name).toBe(String(jail.jid));
  });
});

describe('a jail prints as what it is', () => {
  test.runIf(root)('', async () => {
    const { inspect } = await import('node:util');
    const jail = Jail.create({ name: 'printed', path: '/' });
    expect(inspect(jail)).toBe(`Jail { jid: ${jail.jid}, name: 'printed' }`);
    expect(JSON.stringify(jail)).toBe(`{"jid":${jail.jid},"name":"printed"}`);
    const descriptor = jail.open({ owned: true });
    expect(inspect(descriptor)).toBe(`JailDescriptor { fd: ${descriptor.fd}, jid: ${jail.jid}, owned }`);
    descriptor.close();
    expect(inspect(descriptor)).toBe(`JailDescriptor { closed, jid: ${jail.jid} }`);
  });
});

describe('FreeBSD 14', () => {
  test.runIf(root && process.platform !== 'freebsd')('has jails, and says what it does not have', async () => {
    const answers = await inChild(
      (capsule) => {
        const refusal = (call: () => unknown) => {
          try {
            return call();
          } catch (error) {
            const { code, message } = error as NodeJS.ErrnoException;
            return `${code} ${message.split('\n')[1] ?? message}`;
          }
        };
        const { Jail } = capsule;
        const jail = Jail.create({ name: 'old', path: '/' });
        const result = [
          refusal(() => Jail.create({ path: '/' }, { owned: true })),
          refusal(() => jail.open()),
          refusal(() => jail.watch()),
          refusal(() => jail.set({ 'meta.a': 'b' })),
          Jail.list().map(({ name }) => name),
          'meta' in jail.get(),
        ];
        jail.remove();
        return jail.removed().then(() => [...result, Jail.list().length]);
      },
      { env: { FREEBSD_CAPSULE_SIMULATED_OSRELDATE: '1403000' } },
    );
    expect(answers).toEqual([
      'ENOSYS Jail descriptors need FreeBSD 15.0; this kernel is 14.3-RELEASE',
      'ENOSYS Jail descriptors need FreeBSD 15.0; this kernel is 14.3-RELEASE',
      'ENOSYS Jail events need FreeBSD 15.0; this kernel is 14.3-RELEASE',
      expect.stringContaining("ERR_INVALID_ARG_VALUE The property 'parameters['meta.a']' is not a jail parameter"),
      ['old'],
      false,
      0,
    ]);
  });
});

test('the nearest of names is near, or none', () => {
  const known = ['name', 'path', 'allow.raw_sockets', 'host.hostname'];
  expect(nearestName('nane', known)).toBe('name');
  expect(nearestName('Allow.Raw-Sockets', known)).toBe('allow.raw_sockets');
  expect(nearestName('something quite different', known)).toBeUndefined();
  expect(nearestName('', [])).toBeUndefined();
});
