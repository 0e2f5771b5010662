/**
 * A process that seals itself in a jail of its own, by the plan that is its argument. Prints a line of JSON for the capsule
 * and one for each event that it is told from inside. Ends with its standard input.
 */

import { writeSync } from 'node:fs';
import { isSandboxed, type JailEvent, type PropertyTable, type SealPlan, seal } from 'freebsd-capsule';

export type SealedLine =
  | {
      readonly jid: number;
      readonly pid: number;
      readonly sandboxed: boolean;
      readonly uid: number;
      readonly properties: PropertyTable;
    }
  | { readonly event: JailEvent }
  | { readonly error: string; readonly steps: readonly string[] };

const say = (line: SealedLine) => writeSync(1, `${JSON.stringify(line)}\n`);

const [, , plan] = process.argv;
if (plan !== undefined) {
  try {
    const capsule = await seal(JSON.parse(plan) as SealPlan);
    const { jail } = capsule.report;
    if (jail === undefined) throw new Error('no jail in the report');
    const uid = process.geteuid?.() ?? -1;
    say({ jid: jail.jid, pid: process.pid, sandboxed: isSandboxed(), uid, properties: jail.properties });
    process.stdin.resume().on('end', () => process.exit());
    for await (const event of capsule.tampering()) say({ event });
  } catch (error) {
    const { steps = [] } = error as { steps?: { name: string }[] };
    say({ error: String(error), steps: steps.map(({ name }) => name) });
    process.exitCode = 1;
  }
}
