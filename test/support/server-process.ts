/** Starts sealable-server.ts and talks to it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { compiled } from './compiled.ts';
import type { ServerOrder } from './sealable-server.ts';

export class ServerProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  port = 0;

  private constructor(order: ServerOrder) {
    this.child = spawn(process.execPath, [compiled('test/support/sealable-server.js'), JSON.stringify(order)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (this.child.stdout === null) throw new Error('no standard output');
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** Starts a server and waits until it listens. */
  static async start(order: ServerOrder): Promise<ServerProcess> {
    const started = new ServerProcess(order);
    started.port = ((await started.#answer()) as { port: number }).port;
    return started;
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`The server ended: ${this.child.exitCode ?? this.child.signalCode}`);
    return JSON.parse(value);
  }

  /** Sends a command; throws what went wrong over there. */
  async tell<Answer = unknown>(command: string): Promise<Answer> {
    this.child.stdin?.write(`${command}\n`);
    const answer = (await this.#answer()) as Answer & { error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  /** Lets it exit and tells how it did. */
  async exit(): Promise<number | string | null> {
    const closed = once(this.child, 'close');
    this.child.stdin?.write('exit\n');
    const [status, signal] = (await closed) as [number | null, string | null];
    return status ?? signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = once(this.child, 'close');
    this.child.kill('SIGKILL');
    await closed;
  }
}
