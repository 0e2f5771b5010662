import { type FcntlCommand, getFcntls, getIoctls, getRights, limitFcntls, limitRights } from 'freebsd-capsule';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { caught } from '../support/caught.ts';
import { ScratchFiles } from '../support/descriptors.ts';

const files = new ScratchFiles();
afterEach(() => files.closeAll());
afterAll(() => files.remove());

const ALL: readonly FcntlCommand[] = ['getfl', 'setfl', 'getown', 'setown'];
const subsets = Array.from({ length: 16 }, (_, mask) => ALL.filter((_command, index) => (mask >> index) & 1));
const anything = limitFcntls as (...args: unknown[]) => void;

describe('limitFcntls', () => {
  test('a descriptor has all until it is limited', () => {
    expect(getFcntls(files.open())).toEqual(ALL);
  });

  test.each(subsets.map((subset) => [subset.join(), subset]))(
    'to {%s}, and from there to its subsets only',
    (_, first) => {
      for (const second of subsets) {
        const fd = files.open();
        limitFcntls(fd, first as FcntlCommand[]);
        expect(getFcntls(fd)).toEqual(first);
        if (second.every((command) => first.includes(command))) {
          limitFcntls(fd, second);
          expect(getFcntls(fd)).toEqual(second);
        } else {
          const error = caught(() => limitFcntls(fd, second));
          expect(error).toMatchObject({ code: 'ENOTCAPABLE', errno: -93, syscall: 'cap_fcntls_limit', fd });
          expect(getFcntls(fd)).toEqual(first);
        }
      }
    },
  );

  test('takes duplicates, any order and any iterable', () => {
    const fd = files.open();
    limitFcntls(fd, ['setfl', 'getfl', 'setfl']);
    expect(getFcntls(fd)).toEqual(['getfl', 'setfl']);
    limitFcntls(fd, new Set<FcntlCommand>(['setfl']));
    expect(getFcntls(fd)).toEqual(['setfl']);
    limitFcntls(
      fd,
      (function* (): Generator<FcntlCommand> {
        yield 'setfl';
      })(),
    );
    expect(getFcntls(fd)).toEqual(['setfl']);
  });

  test('without the right fcntl there is nothing to limit to', () => {
    const fd = files.open();
    limitRights(fd, ['read']);
    expect(getFcntls(fd)).toEqual([]);
    limitFcntls(fd, []);
    expect(caught(() => limitFcntls(fd, ['getfl'])).code).toBe('ENOTCAPABLE');
  });

  test('wrong arguments change nothing', () => {
    const fd = files.open();
    const before = JSON.stringify([getRights(fd), getIoctls(fd), getFcntls(fd)]);
    const wrong: [unknown, string][] = [
      ...[undefined, null, 8, 'getfl', 'all', true, {}, () => [], Symbol('x'), Number.NaN].map(
        (value): [unknown, string] => [value, 'ERR_INVALID_ARG_TYPE'],
      ),
      ...[undefined, null, 8, true, {}, [], 8n, Symbol('x')].map((value): [unknown, string] => [
        [value],
        'ERR_INVALID_ARG_TYPE',
      ]),
      ...['nope', 'F_GETFL', 'GETFL', '', 'all', '__proto__', 'toString'].map((value): [unknown, string] => [
        [value],
        'ERR_INVALID_ARG_VALUE',
      ]),
      [['getfl', 'nope'], 'ERR_INVALID_ARG_VALUE'],
    ];
    for (const [value, code] of wrong) expect([value, caught(() => anything(fd, value)).code]).toEqual([value, code]);
    expect(caught(() => anything(fd)).code).toBe('ERR_INVALID_ARG_TYPE');
    const mine = new RangeError('mine');
    const throwing = {
      *[Symbol.iterator]() {
        yield 'getfl';
        throw mine;
      },
    };
    expect(caught(() => anything(fd, throwing))).toBe(mine);
    expect(JSON.stringify([getRights(fd), getIoctls(fd), getFcntls(fd)])).toBe(before);
  });
});
