import type { JailValue } from '../jail/parameter-types.ts';
import type { CapsulePlan } from './capsule-plan.ts';
import { DEFAULT_SECURELEVEL, socketsOf } from './jail-seal.ts';
import { gradeCapsule, type PropertyTable } from './properties.ts';

const TAMPERING = 'allow.unprivileged_parent_tampering';

/**
 * Grades the capsule of a plan as well as any machine could keep it: for what the plan leaves to the machine, this takes
 * what grades best. Asks no kernel.
 */
export function attainableGrades({
  jail,
  allow = [],
  securelevel,
  capabilityMode = false,
}: CapsulePlan): PropertyTable {
  return gradeCapsule({
    parameters: new Map<string, JailValue>([
      ['path', jail.path],
      ['securelevel', securelevel ?? DEFAULT_SECURELEVEL],
      ['enforce_statfs', 2],
      ['children.max', 0],
      ['persist', false],
      // Not every kernel has it.
      [TAMPERING, false],
      ...allow.map((permission): [string, boolean] => [permission, true]),
    ]),
    capabilityMode,
    // As `Capsule.spawn` makes it.
    processes: undefined,
    untraceable: true,
    ownSessions: true,
    owned: true,
    // As a machine may have it.
    nested: false,
    terminals: [],
    possibleTracers: [],
    sockets: socketsOf(new Map(Object.entries(jail)), [], capabilityMode),
    alsoAt: [],
    closedDirectory: 'a directory above it',
    allDevices: false,
  });
}
