/** How long does it take to create a jail and remove it again: from here, and with jail(8)? Root. */

import { execFileSync } from 'node:child_process';
import { Jail, kernel } from 'freebsd-capsule';
import { median, report, sideBySide, times } from './row.ts';

/** Runs `round` often enough to tell, and returns the median of its milliseconds. */
function medianOf(rounds: number, round: (index: number) => void): number {
  return median(
    Array.from({ length: rounds }, (_, index) => {
      const started = performance.now();
      round(index);
      return performance.now() - started;
    }),
  );
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

const OFTEN = times(50);
if (kernel.kind === 'freebsd') {
  const { ours, owned, theirs } = await sideBySide(times(11), {
    ours: () => medianOf(OFTEN, byPackage),
    owned: () => medianOf(OFTEN, byDescriptor),
    theirs: () => medianOf(3, byProgram),
  });
  const against = { name: 'jail -c, jail -r', value: theirs };
  const target = { atMost: 0.1 };
  report({ question: 'Jail.create(), remove()', ours, unit: 'ms', against, target });
  report({ question: 'Jail.create({ owned }), close()', ours: owned, unit: 'ms', against, target });
} else {
  // There is no jail(8) to compare with.
  report({ question: 'Jail.create(), remove()', ours: medianOf(10 * OFTEN, byPackage), unit: 'ms' });
  report({ question: 'Jail.create({ owned }), close()', ours: medianOf(10 * OFTEN, byDescriptor), unit: 'ms' });
}
const jail = Jail.create(parameters(-2));
report({ question: 'Jail#get() of one parameter', ours: medianOf(10 * OFTEN, () => jail.get('persist')), unit: 'ms' });
report({ question: 'Jail#get() of all', ours: medianOf(4 * OFTEN, () => jail.get()), unit: 'ms' });
jail.remove();
