/** What `capsule run` would do, of the very steps and values that it would take. */

import {
  type CapsuleSpawnOptions,
  checkOrder,
  type Order,
  SPAWN_STEPS,
  type SpawnStepName,
} from '../capsule/spawn-capsule.ts';

/** One step, in order. */
export interface PlannedStep {
  readonly step: SpawnStepName;
  readonly does: string;
  /** What it sets or looks at, for this plan. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** Checks what is to be started, as the start does first, and lists the steps. Changes nothing. */
export function dryRun(file: string, args: readonly string[], options: CapsuleSpawnOptions): PlannedStep[] {
  const order: Order = checkOrder(file, args, options);
  const { jail: _jail, allow: _allow, securelevel: _securelevel, require = {}, ...process } = options;
  const values: Readonly<Record<SpawnStepName, Readonly<Record<string, unknown>>>> = {
    check: require,
    create: { ...order.parameters },
    configure: {},
    start: process,
    seal: Object.fromEntries(order.sealed),
    watch: {},
    verify: require,
    release: { command: [file, ...args] },
  };
  return Object.entries(SPAWN_STEPS).map(([name, does]) => {
    const step = name as SpawnStepName;
    return { step, does, values: values[step] };
  });
}

/** The steps for people: a line each, and one for each value. */
export function dryRunText(steps: readonly PlannedStep[]): string {
  return steps
    .flatMap(({ step, does, values }, index) => [
      `${index + 1}. ${step}: ${does}`,
      ...Object.entries(values).map(([name, value]) => `     ${name} = ${JSON.stringify(value)}`),
    ])
    .map((line) => `${line}\n`)
    .join('');
}
