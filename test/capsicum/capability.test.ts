import { closeSync, readSync, writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { Capability, getRights, Rights } from 'freebsd-capsule';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { caught } from '../support/caught.ts';
import { openDescriptors, ScratchFiles } from '../support/descriptors.ts';

const files = new ScratchFiles();
afterEach(() => files.closeAll());
afterAll(() => files.remove());

const anything = Capability as unknown as { of: (...args: unknown[]) => Capability };

describe('Capability', () => {
  test('takes over a descriptor and limits it', () => {
    const fd = files.open();
    const capability = Capability.of(fd, Rights.of('pread', 'fstat'));
    expect(capability.fd).toBe(fd);
    expect([...capability.rights]).toEqual(['read', 'seek', 'fstat']);
    expect(getRights(fd).equals(capability.rights)).toBe(true);
    expect(readSync(capability.fd, Buffer.alloc(4), 0, 4, 0)).toBe(4);
  });

  test('refuses what its rights do not cover', () => {
    const capability = Capability.of(files.open(), Rights.of('read', 'fstat'));
    expect(Math.abs(caught(() => writeSync(capability.fd, 'x')).errno ?? 0)).toBe(93);
  });

  test('limit hands the descriptor on, and leaves a spent object', () => {
    const fd = files.open();
    const before = openDescriptors();
    const wide = Capability.of(fd, Rights.of('pread', 'write'));
    const narrow = wide.limit(Rights.of('read'));
    expect(narrow.fd).toBe(fd);
    expect([...narrow.rights]).toEqual(['read']);
    expect(wide.fd).toBe(-1);
    expect(openDescriptors()).toEqual(before);

    expect(caught(() => wide.rights).code).toBe('ERR_INVALID_ARG_VALUE');
    expect(caught(() => wide.limit(Rights.of('read'))).code).toBe('ERR_INVALID_ARG_VALUE');
    wide.close();
    expect(openDescriptors()).toEqual(before);
    expect(narrow.fd).toBe(fd);
  });

  test('widening fails at run time and leaves it as it was', () => {
    const capability = Capability.of(files.open(), Rights.of('read'));
    const { fd } = capability;
    const widen = capability as unknown as Capability<'write' | 'read'>;
    for (const wider of [() => widen.limit(Rights.of('write')), () => widen.limit(Rights.of('read', 'write'))]) {
      const error = caught(wider);
      expect(error).toMatchObject({ code: 'ENOTCAPABLE', errno: -93, syscall: 'cap_rights_limit', fd });
      expect(capability.fd).toBe(fd);
      expect([...capability.rights]).toEqual(['read']);
    }
    const none = capability.limit(Rights.NONE);
    expect(none.rights.size).toBe(0);
  });

  test('of() that fails takes nothing over', () => {
    const fd = files.open();
    Capability.of(fd, Rights.of('read'));
    const before = openDescriptors();
    expect(caught(() => Capability.of(fd, Rights.of('write')))).toMatchObject({ code: 'ENOTCAPABLE', fd });
    for (const rights of [undefined, null, 5, 'read', {}, true]) {
      expect(caught(() => anything.of(fd, rights)).code).toBe('ERR_INVALID_ARG_TYPE');
    }
    expect(caught(() => anything.of(fd, ['nope'])).code).toBe('ERR_INVALID_ARG_VALUE');
    expect(openDescriptors()).toEqual(before);
    expect([...getRights(fd)]).toEqual(['read']);
  });

  test('limit() refuses what are no rights, and stays', () => {
    const capability = Capability.of(files.open(), Rights.of('read'));
    const limit = (rights: unknown) => capability.limit(rights as Rights<'read'>);
    for (const rights of [undefined, null, 5, 'read', {}]) {
      expect(caught(() => limit(rights)).code).toBe('ERR_INVALID_ARG_TYPE');
    }
    expect(caught(() => limit(['nope'])).code).toBe('ERR_INVALID_ARG_VALUE');
    expect(capability.fd).toBeGreaterThan(2);
    expect([...capability.rights]).toEqual(['read']);
  });

  test('close closes once, and leaves fd -1', () => {
    const fd = files.open();
    const capability = Capability.of(fd, Rights.of('read'));
    capability.close();
    expect(capability.fd).toBe(-1);
    expect(openDescriptors()).not.toContain(fd);
    // Somebody else's now.
    expect(files.open()).toBe(fd);
    capability.close();
    capability[Symbol.dispose]();
    expect(openDescriptors()).toContain(fd);
    expect(caught(() => capability.rights).code).toBe('ERR_INVALID_ARG_VALUE');
  });

  test('takes over from another capability, which is spent', () => {
    const first = Capability.of(files.open(), Rights.of('read', 'fstat'));
    const fd = first.fd;
    const second = Capability.of(first, Rights.of('read'));
    expect([first.fd, second.fd]).toEqual([-1, fd]);
    first.close();
    expect(openDescriptors()).toContain(fd);
    second.close();
    expect(openDescriptors()).not.toContain(fd);
  });

  test('does not take a descriptor from an object that closes it itself', () => {
    const fd = files.open();
    const before = getRights(fd);
    for (const owner of [{ fd }, { _handle: { fd } }, null, undefined, 'x', [fd]]) {
      const untyped = owner as unknown as number;
      expect(caught(() => Capability.of(untyped, Rights.of('read'))).code).toBe('ERR_INVALID_ARG_TYPE');
    }
    expect(caught(() => Capability.of(-1, Rights.of('read'))).code).toBe('ERR_OUT_OF_RANGE');
    expect(caught(() => Capability.of(files.closed(), Rights.of('read'))).code).toBe('EBADF');
    expect(getRights(fd).equals(before)).toBe(true);
  });

  test('disposing closes', () => {
    const fd = files.open();
    Capability.of(fd, Rights.of('read'))[Symbol.dispose]();
    expect(openDescriptors()).not.toContain(fd);
  });

  test('closing what somebody else closed says so, once', () => {
    const capability = Capability.of(files.open(), Rights.of('read'));
    closeSync(capability.fd);
    expect(caught(() => capability.close()).code).toBe('EBADF');
    expect(capability.fd).toBe(-1);
    capability.close();
  });

  test('prints its descriptor and rights, or that it is closed', () => {
    const capability = Capability.of(files.open(), Rights.of('read', 'fstat'));
    expect(inspect(capability)).toBe(`Capability { fd: ${capability.fd}, Rights { read | fstat } }`);
    capability.close();
    expect(inspect(capability)).toBe('Capability { closed }');
  });

  test('cannot be made otherwise than by of()', () => {
    expect(caught(() => Object.assign(Capability.of(files.open(), Rights.of('read')), { fd: 0 }))).toBeInstanceOf(
      TypeError,
    );
    const impostor = Object.create(Capability.prototype) as Capability;
    expect(caught(() => impostor.fd)).toBeInstanceOf(TypeError);
    expect(caught(() => getRights(impostor))).toBeInstanceOf(TypeError);
  });
});
