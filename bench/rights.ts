/** What do `getRights` and `limitRights` cost over the system call that they make, in a loop in C? */

import { execFileSync } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { getRights, kernel, limitRights, Rights } from 'freebsd-capsule';
import { compiled } from '../test/support/compiled.ts';
import { report, sideBySide, times } from './row.ts';

const CALLS = times(200_000);
const fd = openSync('/dev/null', 'r');
const rights = Rights.of('pread', 'fstat');

const helper = [compiled(`helpers/rights-${process.arch}`), compiled('helpers/rights')].find((path) =>
  existsSync(path),
);
if (helper === undefined) throw new Error('The loop in C was not built; run: npm run bench');

function nanoseconds(call: () => unknown): number {
  const started = performance.now();
  for (let i = 0; i < CALLS; i++) call();
  return ((performance.now() - started) * 1e6) / CALLS;
}

const inC = (call: 'get' | 'limit') => {
  const answer = execFileSync(helper, [String(CALLS)], { encoding: 'utf8' });
  return (JSON.parse(answer) as Record<'get' | 'limit', number>)[call];
};

const { get, limit, getInC, limitInC } = await sideBySide(times(11), {
  get: () => nanoseconds(() => getRights(fd)),
  getInC: () => inC('get'),
  limit: () => nanoseconds(() => limitRights(fd, rights)),
  limitInC: () => inC('limit'),
});
const name = kernel.kind === 'freebsd' ? 'the system call, in C' : 'the simulated call, in C++';
const target = { atMost: 2 };
report({ question: 'getRights()', ours: get, unit: 'ns', against: { name, value: getInC }, target });
report({ question: 'limitRights()', ours: limit, unit: 'ns', against: { name, value: limitInC }, target });
