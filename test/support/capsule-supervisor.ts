/**
 * A supervisor of one capsule, as a process of its own that can be killed, or put into a jail.
 *
 * Takes one argument, JSON. Prints a line of JSON for each step as it begins, one with the capsule, and one for each event
 * that tampering() tells. Stays until its standard input ends.
 */

import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import { Capsule, type CapsuleSpawnOptions, type JailEvent, type PropertyTable } from 'freebsd-capsule';

export interface SupervisorOrder {
  readonly command: string;
  readonly options: CapsuleSpawnOptions;
  /** Kills itself when this step begins. */
  readonly killAt?: string;
}

export type SupervisorLine =
  | { readonly step: string }
  | { readonly jid: number; readonly pid: number; readonly properties: PropertyTable }
  | { readonly event: JailEvent }
  | { readonly error: string };

const say = (line: SupervisorLine) => writeSync(1, `${JSON.stringify(line)}\n`);

async function supervise({ command, options, killAt }: SupervisorOrder): Promise<void> {
  subscribe('freebsd-capsule:step', (message) => {
    const { step } = message as { step: string };
    say({ step });
    if (step === killAt) process.kill(process.pid, 'SIGKILL');
  });
  const capsule = await Capsule.spawn('/bin/sh', ['-c', command], { stdio: 'ignore', ...options });
  const { jail } = capsule.report;
  if (jail === undefined) throw new Error('no jail in the report');
  say({ jid: jail.jid, pid: capsule.process.pid as number, properties: jail.properties });
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
