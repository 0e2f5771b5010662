/** What `capsule run` does while its command runs. */

import { constants } from 'node:os';
import type { ExitStatus } from '../process/exit-status.ts';
import type { ProcessDescriptor } from '../process/process-descriptor.ts';
import { SIGNALLED } from './exit-status.ts';
import { printable, printableJson } from './printable.ts';

/** The part of a running capsule that is supervised. */
export interface Supervised {
  readonly process: ProcessDescriptor;
  tampering(options: { readonly signal: AbortSignal }): AsyncIterable<unknown>;
}

function kill(process: ProcessDescriptor, signal: NodeJS.Signals): void {
  try {
    process.kill(signal);
  } catch (error) {
    // It has ended by itself, and its end is on the way.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Passes signals on until the returned function is called. */
export function forwardSignals(target: ProcessDescriptor): () => void {
  let toldToEnd = false;
  const handlers: Partial<Record<NodeJS.Signals, () => void>> = {
    // Many programs reload on it, as often as they are told to.
    SIGHUP: () => kill(target, 'SIGHUP'),
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    handlers[signal] = () => {
      kill(target, toldToEnd ? 'SIGKILL' : signal);
      toldToEnd = true;
    };
  }
  const entries = Object.entries(handlers) as [NodeJS.Signals, () => void][];
  for (const [signal, handler] of entries) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of entries) process.off(signal, handler);
  };
}

/** Tells of tampering as it happens. Not to be told any more counts as tampering. */
async function watchTampering(capsule: Supervised, onTampering: 'kill' | 'report', signal: AbortSignal): Promise<void> {
  const tell = (text: string) => {
    process.stderr.write(`capsule: ${text}\n`);
    if (onTampering === 'kill') kill(capsule.process, 'SIGKILL');
  };
  try {
    for await (const event of capsule.tampering({ signal })) {
      tell(`tampering: ${printableJson(event).replace(/\n\s*/g, ' ')}`);
    }
  } catch (error) {
    if (!signal.aborted) tell(`tampering is no longer watched: ${printable(String(error))}`);
  }
}

/** The status of a command as shells give it. */
export function statusOf({ code, signal }: ExitStatus): number {
  if (code !== null) return code;
  // A real-time signal has no name but `SIG` and its number.
  const number = signal === null ? 0 : (constants.signals[signal] ?? Number(signal.slice('SIG'.length)));
  return SIGNALLED + number;
}

/** Waits for the end of a capsule's command, and returns the status to exit with. */
export async function supervise(capsule: Supervised, onTampering: 'kill' | 'report'): Promise<number> {
  const stopForwarding = forwardSignals(capsule.process);
  const over = new AbortController();
  void watchTampering(capsule, onTampering, over.signal);
  try {
    return statusOf(await capsule.process.exited);
  } finally {
    stopForwarding();
    // What the kernel told of together with the end comes with it.
    await new Promise((resolve) => setImmediate(resolve));
    over.abort();
  }
}
