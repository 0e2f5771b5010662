/**
 * A process that seals itself in a jail of its own, by the order that is its argument, as JSON. Prints a line of JSON for
 * the capsule and one for each event that it is told from inside. What it reads it has its helper try; the answers are
 * lines too. Ends with its standard input.
 */

import { openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isSandboxed, type JailEvent, type PropertyTable, type SealPlan, seal, spawn } from 'freebsd-capsule';
import { LineReader } from './line-reader.ts';

export interface SealedOrder {
  readonly plan: SealPlan;
  /** A static executable (test/support/helpers/attempts.c), to be started inside. */
  readonly helper?: string;
}

export type SealedLine =
  | {
      readonly jid: number;
      readonly pid: number;
      readonly sandboxed: boolean;
      readonly uid: number;
      readonly properties: PropertyTable;
    }
  | { readonly event: JailEvent }
  | { readonly errno: number }
  /** A process that goes on when this one has ended. */
  | { readonly left: number }
  | { readonly error: string; readonly steps: readonly string[] };

const say = (line: SealedLine) => writeSync(1, `${JSON.stringify(line)}\n`);

async function answer(helper: number): Promise<void> {
  const trying = spawn({ fd: helper }, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = new LineReader<string>(trying, String);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'leave') {
      const left = spawn({ fd: helper }, [], { stdio: ['pipe', 'pipe', 'inherit'], daemon: true });
      left.stdin?.write('z 0\n');
      await new LineReader<string>(left, String).next();
      say({ left: left.pid as number });
      continue;
    }
    trying.stdin?.write(`${line}\n`);
    say({ errno: Number(await answers.next()) });
  }
  process.exit();
}

const [, , order] = process.argv;
if (order !== undefined) {
  try {
    const { plan, helper } = JSON.parse(order) as SealedOrder;
    const fd = helper === undefined ? -1 : openSync(helper, 'r');
    const kept = helper === undefined ? {} : { descriptors: [{ fd, rights: ['fexecve', 'read', 'fstat'] as const }] };
    const capsule = await seal({ ...plan, ...kept });
    const { jail } = capsule.report;
    if (jail === undefined) throw new Error('no jail in the report');
    const uid = process.geteuid?.() ?? -1;
    say({ jid: jail.jid, pid: process.pid, sandboxed: isSandboxed(), uid, properties: jail.properties });
    if (helper === undefined) process.stdin.resume().on('end', () => process.exit());
    else void answer(fd);
    for await (const event of capsule.tampering()) say({ event });
  } catch (error) {
    const { steps = [] } = error as { steps?: { name: string }[] };
    say({ error: String(error), steps: steps.map(({ name }) => name) });
    process.exitCode = 1;
  }
}
