import fc from 'fast-check';
import { getFcntls, getIoctls, getRights, type IoctlCommand, limitIoctls, limitRights } from 'freebsd-capsule';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { IOCTLS } from '../../lib/capsicum/ioctls.ts';
import { caught } from '../support/caught.ts';
import { ScratchFiles } from '../support/descriptors.ts';

const files = new ScratchFiles();
afterEach(() => files.closeAll());
afterAll(() => files.remove());

const anything = limitIoctls as (...args: unknown[]) => void;
const NAMES = Object.keys(IOCTLS) as (keyof typeof IOCTLS)[];

describe('the table', () => {
  test('FreeBSD encodes direction, length, group and number', () => {
    for (const [name, command] of Object.entries(IOCTLS)) {
      const group = String.fromCharCode((command >> 8) & 0xff);
      expect([name, group]).toEqual([name, name.startsWith('FIO') ? 'f' : 't']);
      expect([0x20000000, 0x40000000, 0x80000000, 0xc0000000]).toContain((command & 0xe0000000) >>> 0);
    }
    expect(new Set(Object.values(IOCTLS)).size).toBe(NAMES.length);
  });
});

describe('limitIoctls', () => {
  test('a descriptor has all until it is limited; then those', () => {
    const fd = files.open();
    expect(getIoctls(fd)).toBe('all');
    limitIoctls(fd, ['FIONREAD', 'TIOCGWINSZ']);
    expect(getIoctls(fd)).toEqual(['FIONREAD', 'TIOCGWINSZ']);
  });

  test('takes names and numbers, and answers with names where there are some', () => {
    const fd = files.open();
    limitIoctls(fd, [IOCTLS.FIONBIO, 'FIONREAD', 0x12345678, 0, 2 ** 32 - 1]);
    expect(getIoctls(fd)).toEqual(['FIONBIO', 'FIONREAD', 0x12345678, 0, 2 ** 32 - 1]);
  });

  test('every name comes back', () => {
    const fd = files.open();
    limitIoctls(fd, NAMES);
    expect([...(getIoctls(fd) as string[])].sort()).toEqual([...NAMES].sort());
  });

  test('narrows, and never back', () => {
    const fd = files.open();
    limitIoctls(fd, ['FIONREAD', 'FIONBIO', 'FIOCLEX']);
    limitIoctls(fd, ['FIONBIO', 'FIONREAD']);
    for (const wider of [['FIOCLEX'], ['FIONREAD', 'FIOCLEX'], [1], 'all'] as ('all' | IoctlCommand[])[]) {
      const error = caught(() => limitIoctls(fd, wider));
      expect(error).toMatchObject({ code: 'ENOTCAPABLE', errno: -93, syscall: 'cap_ioctls_limit', fd });
      expect([...(getIoctls(fd) as string[])].sort()).toEqual(['FIONBIO', 'FIONREAD']);
    }
    limitIoctls(fd, []);
    expect(getIoctls(fd)).toEqual([]);
    expect(caught(() => limitIoctls(fd, ['FIONREAD'])).code).toBe('ENOTCAPABLE');
  });

  test('the empty list is none, not all', () => {
    const fd = files.open();
    limitIoctls(fd, []);
    expect(getIoctls(fd)).toEqual([]);
  });

  test("'all' keeps what was never limited, and is refused after", () => {
    const fd = files.open();
    limitIoctls(fd, 'all');
    expect(getIoctls(fd)).toBe('all');
    limitIoctls(fd, []);
    expect(caught(() => limitIoctls(fd, 'all'))).toMatchObject({
      code: 'ENOTCAPABLE',
      syscall: 'cap_ioctls_limit',
      fd,
    });
    expect(getIoctls(fd)).toEqual([]);
  });

  test('a name twice is a name once, also as its number', () => {
    const fd = files.open();
    limitIoctls(fd, ['FIONREAD', 'FIONREAD', IOCTLS.FIONREAD]);
    expect(getIoctls(fd)).toEqual(['FIONREAD']);
    // Duplicates would make the list longer than the one there is, which the kernel refuses.
    limitIoctls(fd, ['FIONREAD', 'FIONREAD']);
    expect(getIoctls(fd)).toEqual(['FIONREAD']);
  });

  test('256 are the most; 257 are refused with nothing changed', () => {
    const fd = files.open();
    const many = Array.from({ length: 257 }, (_, index) => 0x20000000 + index);
    const error = caught(() => limitIoctls(fd, many));
    expect(error.code).toBe('ERR_INVALID_ARG_VALUE');
    expect(error.message).toContain('has 257 ioctls; the kernel keeps at most 256');
    expect(getIoctls(fd)).toBe('all');
    limitIoctls(fd, many.slice(1));
    expect(getIoctls(fd)).toEqual(many.slice(1));
    // 300 with duplicates are still 256.
    limitIoctls(fd, [...many.slice(1), ...many.slice(1, 45)]);
    expect(getIoctls(fd)).toHaveLength(256);
  });

  test('takes any iterable, once', () => {
    const fd = files.open();
    function* generate() {
      yield 'FIONREAD' as const;
      yield 'FIONBIO' as const;
    }
    limitIoctls(fd, generate());
    expect(getIoctls(fd)).toEqual(['FIONREAD', 'FIONBIO']);
    limitIoctls(fd, new Set<IoctlCommand>(['FIONREAD']));
    expect(getIoctls(fd)).toEqual(['FIONREAD']);
  });

  test('wrong arguments change nothing', () => {
    const fd = files.open();
    const before = JSON.stringify([getRights(fd), getIoctls(fd), getFcntls(fd)]);
    const wrong: [unknown, string][] = [
      ...[undefined, null, 0, 'FIONREAD', 'ALL', '', true, {}, () => [], Symbol('x'), Number.NaN].map(
        (value): [unknown, string] => [value, 'ERR_INVALID_ARG_TYPE'],
      ),
      ...[undefined, null, true, {}, [], 1n, Symbol('x')].map((value): [unknown, string] => [
        [value],
        'ERR_INVALID_ARG_TYPE',
      ]),
      ...['nope', 'fionread', 'all', '', '__proto__', 'toString', '21'].map((value): [unknown, string] => [
        [value],
        'ERR_INVALID_ARG_VALUE',
      ]),
      ...[-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, 2 ** 53].map((value): [unknown, string] => [
        [value],
        'ERR_OUT_OF_RANGE',
      ]),
      [['FIONREAD', 'nope'], 'ERR_INVALID_ARG_VALUE'],
    ];
    for (const [value, code] of wrong) expect([value, caught(() => anything(fd, value)).code]).toEqual([value, code]);
    expect(caught(() => anything(fd)).code).toBe('ERR_INVALID_ARG_TYPE');
    expect(JSON.stringify([getRights(fd), getIoctls(fd), getFcntls(fd)])).toBe(before);
  });

  test("an exception of the caller's iterator is passed on", () => {
    const fd = files.open();
    const mine = new RangeError('mine');
    const throwing = {
      *[Symbol.iterator]() {
        yield 'FIONREAD';
        throw mine;
      },
    };
    expect(caught(() => anything(fd, throwing))).toBe(mine);
    expect(getIoctls(fd)).toBe('all');
  });

  test('does not need the right ioctl, and does not give it', () => {
    const fd = files.open();
    limitRights(fd, ['read']);
    limitIoctls(fd, []);
    expect(caught(() => limitIoctls(fd, ['FIONREAD'])).code).toBe('ENOTCAPABLE');
    expect(getRights(fd).has('ioctl')).toBe(false);
  });

  test('any list and any second list: the second is taken if the first has all of it', () => {
    const commands = fc.uniqueArray(fc.oneof(fc.constantFrom(...NAMES), fc.nat({ max: 30 })), { maxLength: 12 });
    fc.assert(
      fc.property(commands, commands, (first, second) => {
        const fd = files.open();
        limitIoctls(fd, first);
        const fits = second.every((command) => first.includes(command));
        if (fits) {
          limitIoctls(fd, second);
          expect(getIoctls(fd)).toEqual(second);
        } else {
          expect(caught(() => limitIoctls(fd, second)).code).toBe('ENOTCAPABLE');
          expect(getIoctls(fd)).toEqual(first);
        }
        files.closeAll();
      }),
    );
  });
});
