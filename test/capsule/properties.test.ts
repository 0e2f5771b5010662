/** The table of grades: that no cell is silent, and that every one is played on the real kernel. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ADVERSARIES, type Facts, gradeCapsule, PROPERTIES } from '../../lib/capsule/properties.ts';
import { PLAYED, type Way } from '../kernel/capsule-cells.kernel.ts';

const SEALED: Facts = {
  parameters: new Map<string, string | number | boolean>([
    ['securelevel', 3],
    ['allow.suser', false],
    ['allow.unprivileged_proc_debug', false],
    ['allow.unprivileged_parent_tampering', false],
    ['path', '/jails/job'],
  ]),
  processes: [17],
  nested: false,
  untraceable: true,
  ownSessions: true,
  terminals: [],
  owned: true,
  possibleTracers: [],
  sockets: [],
  alsoAt: [],
  closedDirectory: undefined,
  allDevices: false,
  capabilityMode: false,
};

test('the table of the README is that of a capsule of Capsule.spawn', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const rows = readme.matchAll(/^\| `(\w+)` +\| (\w+) +\| (\w+) +\| (\w+) +\| (\w+) +\|$/gm);
  const said = Object.fromEntries([...rows].map(([, property, ...grades]) => [property, grades]));
  const table = gradeCapsule(SEALED);
  const graded = PROPERTIES.map((property) => [
    property,
    ADVERSARIES.map((adversary) => table[property][adversary].grade),
  ]);
  expect(said).toEqual(Object.fromEntries(graded));
});

test('outlive against inside rests on the owner, on who could trace, and on capability mode', () => {
  const grade = (others: Partial<Facts>, ...parameters: [string, boolean | number][]) =>
    gradeCapsule({ ...SEALED, parameters: new Map([...SEALED.parameters, ...parameters]), ...others }).outlive.inside
      .grade;
  const possibleTracers = ['process 11, reaper of 17'];
  expect(grade({})).toBe('enforced');
  expect(grade({ owned: false })).toBe('open');
  expect(grade({ possibleTracers })).toBe('open');
  expect(grade({ possibleTracers, capabilityMode: true })).toBe('enforced');
  expect(grade({}, ['allow.unprivileged_proc_debug', true])).toBe('open');
  expect(grade({ sockets: ['ip4=inherit'] })).toBe('open');
  expect(grade({ sockets: ['options.stdio[0]'], capabilityMode: true })).toBe('open');
  expect(grade({ capabilityMode: true }, ['allow.unprivileged_proc_debug', true])).toBe('enforced');
  expect(grade({}, ['allow.suser', true], ['securelevel', 0])).toBe('open');
  expect(grade({}, ['allow.suser', true])).toBe('enforced');
});

/** Whatever a kernel can have answered. */
function* allFacts(): Generator<Facts> {
  for (let bits = 0; bits < 1 << 14; bits++) {
    const bit = (number: number) => (bits & (1 << number)) !== 0;
    yield {
      parameters: new Map<string, string | number | boolean>([
        ['securelevel', bit(0) ? 3 : 0],
        ['allow.suser', bit(1)],
        ['allow.unprivileged_proc_debug', bit(11)],
        ...(bit(2) ? [['allow.unprivileged_parent_tampering', bit(3)] as const] : []),
        ['path', bit(4) ? '/jail' : '/'],
      ]),
      processes: bit(5) ? [17] : undefined,
      nested: bit(5),
      untraceable: bit(6),
      ownSessions: bit(7),
      terminals: bit(10) ? ['process 17: /dev/pts/3'] : [],
      owned: bit(8),
      possibleTracers: bit(10) ? ['process 11, reaper of 17'] : [],
      sockets: bit(13) ? ['ip4.addr=127.0.0.1'] : [],
      alsoAt: bit(12) ? ['/home (nullfs on /jail/home)'] : [],
      closedDirectory: bit(4) ? '/jail (mode 700)' : undefined,
      allDevices: bit(9),
      capabilityMode: bit(9) && bit(0),
    };
  }
}

const cells = PROPERTIES.flatMap((property) => ADVERSARIES.map((adversary) => [property, adversary] as const));

test('every cell says what it rests on, and with which value', () => {
  for (const facts of allFacts()) {
    const table = gradeCapsule(facts);
    for (const [property, adversary] of cells) {
      const { mechanism, value } = table[property][adversary];
      expect(mechanism, `${property} ${adversary}`).not.toBe('');
      expect(value, `${property} ${adversary}`).not.toBe('');
    }
  }
});

test('each cell is played for each of the three ways to make a capsule', () => {
  const ways: Way[] = ['Capsule.spawn', 'Jail#seal', 'seal({ jail })'];
  const missing = ways.flatMap((way) =>
    cells
      .filter(
        ([property, adversary]) =>
          !PLAYED.some(
            (play) => play.way === way && play.adversary === adversary && play.properties.includes(property),
          ),
      )
      .map((cell) => [way, ...cell].join(': ')),
  );
  expect(missing).toEqual([]);
});

test('each grade that a cell can have is played', () => {
  const possible = new Set<string>();
  for (const facts of allFacts()) {
    const table = gradeCapsule(facts);
    for (const [property, adversary] of cells) {
      possible.add([property, adversary, table[property][adversary].grade].join(': '));
    }
  }
  const played = new Set(
    PLAYED.flatMap(({ adversary, grade, properties }) =>
      properties.map((property) => [property, adversary, grade].join(': ')),
    ),
  );
  expect([...possible].filter((cell) => !played.has(cell))).toEqual([]);
  expect([...played].filter((cell) => !possible.has(cell))).toEqual([]);
});
