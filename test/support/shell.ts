/** Commands run by somebody: another user, a process in a jail, a shell that is already there. */

import { randomUUID } from 'node:crypto';
import type { ProcessDescriptor, SpawnOptions } from 'freebsd-capsule';

export interface Ran {
  readonly status: number | string | null;
  readonly output: string;
}

type Start = (file: string, args: readonly string[], options: Omit<SpawnOptions, 'jail'>) => ProcessDescriptor;

/** Runs a command of sh(1) in a process of its own, and waits for its end. */
export async function runShell(start: Start, command: string, options: Omit<SpawnOptions, 'jail'> = {}): Promise<Ran> {
  using child = start('/bin/sh', ['-c', `exec 2>&1; ${command}`], {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const ended = new Promise((resolve) => child.stdout?.once('close', resolve));
  const { code, signal } = await child.exited;
  await ended;
  return { status: code ?? signal, output };
}

/** A shell that reads commands from its standard input: somebody who is in a capsule already. */
export class Shell {
  /** What the program must be: sh(1) with these arguments, and pipes for its standard input and output. */
  static readonly ARGUMENTS = ['-c', 'exec 2>&1; while IFS= read -r line; do eval "$line"; done'];
  readonly #process: ProcessDescriptor;
  #output = '';
  #wake = () => {};

  constructor(process: ProcessDescriptor) {
    this.#process = process;
    process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#wake();
    });
    process.stdout?.on('close', () => this.#wake());
  }

  async run(command: string): Promise<Ran> {
    const mark = randomUUID();
    this.#output = '';
    this.#process.stdin?.write(`(${command}) <&-; echo "${mark} $?"\n`);
    for (;;) {
      const [output, rest] = this.#output.split(mark);
      const status = rest?.match(/^ (\d+)\n/)?.[1];
      if (output !== undefined && status !== undefined) return { status: Number(status), output };
      if (this.#process.stdout?.closed) return { status: null, output: this.#output };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
