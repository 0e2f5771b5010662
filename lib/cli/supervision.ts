/** What `capsule run` does while its command runs. */

import { constants } from 'node:os';
import type { JailEvent } from '../jail/watch.ts';
import type { ExitStatus } from '../process/exit-status.ts';
import type { ProcessDescriptor } from '../process/process-descriptor.ts';
import { SIGNALLED } from './exit-status.ts';
import { printable, printableJson } from './printable.ts';

/** The part of a running capsule that is supervised. */
export interface Supervised {
  readonly process: ProcessDescriptor;
  tampering(options: { readonly signal: AbortSignal }): AsyncIterable<JailEvent>;
}

/**
 * The command, which may still have to start. From the moment that this is made, signals to this program are for the
 * command: those that come before it has started are passed on when it has.
 */
export class Command implements Disposable {
  #process: ProcessDescriptor | undefined;
  readonly #early: NodeJS.Signals[] = [];
  readonly #handlers: [NodeJS.Signals, () => void][];
  /** Whether this program has killed it. */
  killed = false;

  constructor() {
    let toldToEnd = false;
    const end = (signal: NodeJS.Signals) => () => {
      this.send(toldToEnd ? 'SIGKILL' : signal);
      toldToEnd = true;
    };
    this.#handlers = [
      // Many programs reload on it, as often as they are told to.
      ['SIGHUP', () => this.send('SIGHUP')],
      ['SIGINT', end('SIGINT')],
      ['SIGTERM', end('SIGTERM')],
    ];
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
  }

  started(process: ProcessDescriptor): void {
    this.#process = process;
    for (const signal of this.#early.splice(0)) this.send(signal);
  }

  send(signal: NodeJS.Signals): void {
    if (this.#process === undefined) {
      this.#early.push(signal);
      return;
    }
    this.killed ||= signal === 'SIGKILL';
    try {
      this.#process.kill(signal);
    } catch (error) {
      // It has ended by itself, and its end is on the way.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Gives signals back their usual effect. */
  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }
}

/** Tells of tampering as it happens. Not to be told any more counts as tampering. */
async function watchTampering(
  command: Command,
  capsule: Supervised,
  onTampering: 'kill' | 'report',
  signal: AbortSignal,
): Promise<void> {
  const tell = (text: string) => {
    process.stderr.write(`capsule: ${text}\n`);
    if (onTampering === 'kill') command.send('SIGKILL');
  };
  try {
    for await (const event of capsule.tampering({ signal })) {
      if (event.type !== 'remove') {
        tell(`tampering: ${printableJson(event).replace(/\n\s*/g, ' ')}`);
        continue;
      }
      // So does a capsule end by itself; only somebody else's removal kills what is in it.
      const { signal: by } = await capsule.process.exited;
      if (by === 'SIGKILL' && !command.killed) tell('the command was killed, perhaps with its jail, which is gone');
      return;
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
export async function supervise(
  command: Command,
  capsule: Supervised,
  onTampering: 'kill' | 'report',
): Promise<number> {
  const over = new AbortController();
  command.started(capsule.process);
  void watchTampering(command, capsule, onTampering, over.signal);
  try {
    return statusOf(await capsule.process.exited);
  } finally {
    // What the kernel told of together with the end comes with it.
    await new Promise((resolve) => setImmediate(resolve));
    over.abort();
  }
}
