/**
 * How long does it take to create a jail and remove it again: from here, and with jail(8)?
 *
 * Root on FreeBSD: `node build/bench/jail.js`.
 */

import { execFileSync } from 'node:child_process';
import { Jail, kernel } from 'freebsd-capsule';

/** Runs `round` often enough to tell, and returns the median of its milliseconds. */
function median(rounds: number, round: (index: number) => void): number {
  const times = Array.from({ length: rounds }, (_, index) => {
    const started = performance.now();
    round(index);
    return performance.now() - started;
  }).sort((a, b) => a - b);
  return times[Math.floor(rounds / 2)] as number;
}

const name = (index: number) => `bench-${process.pid}-${index}`;

/** The parameters of the second and third row; jail(8) adds nothing of its own to them. */
const parameters = (index: number) => ({
  name: name(index),
  path: '/',
  'ip4.addr': ['127.0.0.1'],
  'allow.raw_sockets': true,
});

function byPackage(index: number): void {
  Jail.create(parameters(index)).remove();
}

function byDescriptor(index: number): void {
  Jail.create(parameters(index), { owned: true }).close();
}

function byProgram(index: number): void {
  const options = { stdio: 'ignore' } as const;
  execFileSync(
    'jail',
    ['-c', `name=${name(index)}`, 'path=/', 'ip4.addr=127.0.0.1', 'allow.raw_sockets', 'persist'],
    options,
  );
  execFileSync('jail', ['-r', name(index)], options);
}

// The first call loads the addon and reads the kernel's list of parameters.
byPackage(-1);

const rows: [what: string, milliseconds: number][] = [
  ['Jail.create(), remove()', median(500, byPackage)],
  ['Jail.create({ owned }), close()', median(500, byDescriptor)],
];
const jail = Jail.create(parameters(-2));
rows.push(['get() of one parameter', median(500, () => jail.get('persist'))]);
rows.push(['get() of all', median(200, () => jail.get())]);
jail.remove();
if (kernel.kind === 'freebsd') rows.push(['jail -c, jail -r', median(25, byProgram)]);

console.log(`kernel: ${kernel.kind} ${kernel.release}`);
for (const [what, milliseconds] of rows) console.log(`${what.padEnd(32)} ${milliseconds.toFixed(3).padStart(9)} ms`);
const [here, , , , program] = rows;
if (here !== undefined && program !== undefined)
  console.log(`${(program[1] / here[1]).toFixed(0)} times as fast as jail(8)`);
