/** The best grades that a plan can have: none that a machine could give is missed, and each is given by one. */

import { expect, test } from 'vitest';
import { attainableGrades } from '../../lib/capsule/attainable.ts';
import type { CapsulePlan } from '../../lib/capsule/capsule-plan.ts';
import { ADVERSARIES, type Facts, GRADES, gradeCapsule, PROPERTIES } from '../../lib/capsule/properties.ts';

const PLANS: CapsulePlan[] = ['/', '/jail'].flatMap((path) =>
  [[], ['allow.suser'], ['allow.unprivileged_parent_tampering', 'allow.unprivileged_proc_debug']].flatMap((allow) =>
    [undefined, 0].flatMap((securelevel) =>
      [true, false].map((capabilityMode) => ({
        version: 1 as const,
        jail: { path },
        allow,
        capabilityMode,
        ...(securelevel === undefined ? {} : { securelevel }),
      })),
    ),
  ),
);

/** What `Capsule.spawn` can find for a plan, on whatever machine. */
function* factsFor({ jail, allow = [], securelevel = 3, capabilityMode = false }: CapsulePlan): Generator<Facts> {
  for (let bits = 0; bits < 1 << 9; bits++) {
    const bit = (number: number) => (bits & (1 << number)) !== 0;
    yield {
      parameters: new Map<string, string | number | boolean>([
        ['path', jail.path],
        ['securelevel', securelevel],
        ['enforce_statfs', 2],
        ...(bit(0) ? [['allow.unprivileged_parent_tampering', false] as const] : []),
        ...allow.map((name) => [name, true] as const),
      ]),
      processes: bit(1) ? [17] : undefined,
      nested: bit(2),
      untraceable: true,
      ownSessions: true,
      terminals: bit(3) ? ['/dev/pts/1'] : [],
      owned: true,
      closedDirectory: bit(4) ? '/ (mode 700)' : undefined,
      allDevices: bit(5),
      possibleTracers: bit(6) ? ['process 11, reaper of 17'] : [],
      sockets: bit(8) ? ['options.stdio[0]'] : [],
      alsoAt: bit(7) ? ['/home (nullfs on /jail/home)'] : [],
      capabilityMode,
    };
  }
}

test('of each cell it is the best of all machines', () => {
  for (const plan of PLANS) {
    const attainable = attainableGrades(plan);
    const tables = [...factsFor(plan)].map(gradeCapsule);
    for (const property of PROPERTIES) {
      for (const adversary of ADVERSARIES) {
        const best = Math.max(...tables.map((table) => GRADES.indexOf(table[property][adversary].grade)));
        const what = `${property} against ${adversary}: ${JSON.stringify(plan)}`;
        expect(attainable[property][adversary].grade, what).toBe(GRADES[best]);
      }
    }
  }
});
