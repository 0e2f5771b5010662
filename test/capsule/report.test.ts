import { inspect } from 'node:util';
import { type Right, Rights } from 'freebsd-capsule';
import { describe, expect, test } from 'vitest';
import { makeCapsule } from '../../lib/capsule/capsule.ts';
import type { DescriptorInfo } from '../../lib/capsule/inventory.ts';
import { SealReport, type SealReportData, whereabouts } from '../../lib/capsule/report.ts';
import { caught } from '../support/caught.ts';

/** A set of which the compiler knows as little as of one that was read from the kernel. */
const rights = (...names: Right[]): Rights => Rights.from(names);

function descriptor(properties: Partial<DescriptorInfo>): DescriptorInfo {
  return {
    fd: 5,
    kind: 'file',
    owner: 'caller',
    access: 'read',
    closeOnExec: true,
    rights: rights('read', 'write'),
    ioctls: 'all',
    fcntls: [],
    ...properties,
  };
}

const data: SealReportData = {
  kernel: { kind: 'freebsd', release: '15.1-RELEASE' },
  steps: [
    { name: 'check', state: 'done', detail: 'one server' },
    { name: 'core dumps', state: 'left', detail: 'plan.coreDumps' },
  ],
  descriptors: [
    {
      before: descriptor({ fd: 7, kind: 'tcp', owner: 'server', local: '127.0.0.1:80', listening: true }),
      after: { rights: rights('accept', 'event'), ioctls: [], fcntls: [] },
    },
    {
      before: descriptor({ fd: 1, kind: 'tty', owner: 'stdio', path: '/dev/pts/3' }),
      after: { rights: rights('write', 'ioctl', 'fcntl'), ioctls: ['TIOCGWINSZ'], fcntls: ['getfl', 'setfl'] },
    },
    {
      before: descriptor({ fd: 8, kind: 'device', path: '/dev/x' }),
      after: { rights: rights('ioctl'), ioctls: 'all', fcntls: [] },
    },
    {
      before: descriptor({ fd: 9, kind: 'unix' }),
      after: { rights: rights(), ioctls: [], fcntls: [] },
    },
    { before: descriptor({ fd: 10, path: '/etc/passwd' }) },
  ],
};
const report = new SealReport(data);

/** The cells of the line of the table that starts with these. */
function row(text: string, ...cells: string[]): string[] {
  const lines = text.split('\n').map((line) => line.split('│').map((cell) => cell.trim().replace(/^'(.*)'$/, '$1')));
  const found = lines.find((line) => cells.every((cell, index) => line[index + 2] === cell));
  expect(found, `a line with ${cells}`).toBeDefined();
  return (found as string[]).slice(2, -1);
}

describe('a report', () => {
  test('prints a table of steps and one of descriptors', () => {
    const text = report.toString();
    expect(text.split('\n')[0]).toBe('Sealed on FreeBSD 15.1-RELEASE');
    expect(row(text, 'check')).toEqual(['check', 'done', 'one server']);
    expect(row(text, 'core dumps')).toEqual(['core dumps', 'left', 'plan.coreDumps']);
    expect(row(text, '7')).toEqual(['7', 'tcp', 'server', '127.0.0.1:80 (listening)', 'accept event']);
    expect(row(text, '1')[4]).toBe('write fcntl ioctl; ioctls: TIOCGWINSZ; fcntls: getfl setfl');
    expect(row(text, '8')[4]).toBe('ioctl; ioctls: all');
    expect(row(text, '9')).toEqual(['9', 'unix', 'caller', '', 'none']);
    expect(row(text, '10')).toEqual(['10', 'file', 'caller', '/etc/passwd', 'closed']);
  });

  test('prints the same wherever it is printed', () => {
    expect(inspect(report)).toBe(report.toString());
    expect(`${report}`).toBe(report.toString());
    expect(inspect(makeCapsule(report))).toContain(report.toString());
    // No colours, whatever the terminal.
    expect(inspect(report, { colors: true })).toBe(report.toString());
  });

  test('says of the simulation that it protects nothing', () => {
    const simulated = new SealReport({ ...data, kernel: { kind: 'simulated', release: '15.1-RELEASE' } });
    const [title] = simulated.toString().split('\n');
    expect(title).toBe('Sealed against a SIMULATED kernel (FreeBSD 15.1-RELEASE): nothing is protected');
  });

  test('serialises', () => {
    const json = JSON.parse(JSON.stringify(report));
    expect(json.kernel).toEqual(data.kernel);
    expect(json.steps).toEqual(data.steps);
    expect(json.descriptors[0]).toEqual({
      before: {
        ...{ fd: 7, kind: 'tcp', owner: 'server', local: '127.0.0.1:80', listening: true, access: 'read' },
        ...{ closeOnExec: true, rights: ['read', 'write'], ioctls: 'all', fcntls: [] },
      },
      after: { rights: ['accept', 'event'], ioctls: [], fcntls: [] },
    });
    expect(json.descriptors[4]).not.toHaveProperty('after');
    expect(JSON.parse(JSON.stringify(makeCapsule(report)))).toEqual({ report: json });
  });

  test('cannot be changed', () => {
    const capsule = makeCapsule(report);
    for (const frozen of [report, report.steps, report.descriptors, capsule])
      expect(Object.isFrozen(frozen)).toBe(true);
    expect(caught(() => Object.assign(capsule, { report: 5 }))).toBeInstanceOf(TypeError);
    const steps = [...data.steps];
    const own = new SealReport({ ...data, steps });
    steps.pop();
    expect(own.steps).toHaveLength(2);
  });
});

test.each([
  [{ path: '/a', local: '1.2.3.4:5' }, '/a'],
  [{ pid: 12 }, 'pid 12'],
  [{ jid: 3 }, 'jid 3'],
  [{ local: '1.2.3.4:5', peer: '6.7.8.9:10' }, '1.2.3.4:5 - 6.7.8.9:10'],
  [{ peer: '/x' }, ' - /x'],
  [{ local: '[::]:80', listening: true }, '[::]:80 (listening)'],
  [{ local: '0.0.0.0:53', listening: false }, '0.0.0.0:53'],
  [{}, ''],
])('whereabouts of %o', (properties, text) => {
  expect(whereabouts(descriptor(properties))).toBe(text);
});
