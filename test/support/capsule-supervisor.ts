/**
 * A supervisor of one capsule, as a process of its own that can be killed, or put into a jail.
 *
 * Takes one argument, JSON. Prints a line of JSON for each step as it begins, one with the capsule, and one for each event
 * that tampering() tells. Stays until its standard input ends.
 */

import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import {
  Capsule,
  type CapsuleSpawnOptions,
  Jail,
  type JailCapsule,
  type JailEvent,
  type PropertyTable,
  type SpawnedCapsule,
} from 'freebsd-capsule';

export interface SupervisorOrder {
  /** How the capsule is made: `Capsule.spawn()`, or `seal()` of a jail, with an owner or without. */
  readonly way?: 'Capsule.spawn' | 'Jail#seal' | 'JailDescriptor#seal';
  readonly command: string;
  readonly options: CapsuleSpawnOptions;
  /** Kills itself when this step begins. */
  readonly killAt?: string;
}

export type SupervisorLine =
  | { readonly step: string }
  | { readonly jid: number; readonly pid: number; readonly supervisor: number; readonly properties: PropertyTable }
  | { readonly event: JailEvent }
  | { readonly signal: NodeJS.Signals }
  | { readonly error: string };

const say = (line: SupervisorLine) => writeSync(1, `${JSON.stringify(line)}\n`);

const SH = '/bin/sh';

/** Seals a jail that runs the command already. */
async function sealedJail({ way, command, options }: SupervisorOrder): Promise<[JailCapsule, pid: number]> {
  const { jail: parameters, allow, securelevel, ...spawning } = options;
  const owned = way === 'JailDescriptor#seal';
  const jail = owned ? Jail.create({ ...parameters, persist: true }, { owned }) : Jail.create(parameters);
  const program = jail.spawn(SH, ['-c', command], { stdio: 'ignore', ...spawning });
  return [await jail.seal({ allow, securelevel }), program.pid as number];
}

async function spawned({ command, options }: SupervisorOrder): Promise<[SpawnedCapsule, pid: number]> {
  const capsule = await Capsule.spawn(SH, ['-c', command], { stdio: 'ignore', ...options });
  return [capsule, capsule.process.pid as number];
}

async function supervise(order: SupervisorOrder): Promise<void> {
  const { way = 'Capsule.spawn', killAt } = order;
  process.on('SIGWINCH', (signal) => say({ signal }));
  subscribe('freebsd-capsule:step', (message) => {
    const { step } = message as { step: string };
    say({ step });
    if (step === killAt) process.kill(process.pid, 'SIGKILL');
  });
  const [capsule, pid] = await (way === 'Capsule.spawn' ? spawned(order) : sealedJail(order));
  const { jail } = capsule.report;
  if (jail === undefined) throw new Error('no jail in the report');
  say({ jid: jail.jid, pid, supervisor: process.pid, properties: jail.properties });
  if (killAt === 'end') process.kill(process.pid, 'SIGKILL');
  process.stdin.resume().on('end', () => process.exit());
  // As in any busy program, there is a system call now and then: whoever traces it waits for one.
  setInterval(() => {}, 100).unref();
  for await (const event of capsule.tampering()) say({ event });
}

const [, , order] = process.argv;
if (order !== undefined) {
  try {
    await supervise(JSON.parse(order) as SupervisorOrder);
  } catch (error) {
    say({ error: String(error) });
    process.exitCode = 1;
  }
}
