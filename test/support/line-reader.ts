/** Lines that a process prints: JSON, unless they are told to be something else. */

import { createInterface } from 'node:readline';
import type { ProcessDescriptor } from 'freebsd-capsule';

export class LineReader<Line> {
  readonly #lines: AsyncIterator<string>;

  readonly #parse: (line: string) => Line;

  constructor({ stdout }: ProcessDescriptor, parse: (line: string) => Line = JSON.parse) {
    this.#parse = parse;
    if (stdout === null) throw new Error('no standard output');
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** The next line; undefined at the end. */
  async next(): Promise<Line | undefined> {
    const { value, done } = await this.#lines.next();
    return done === true ? undefined : this.#parse(value);
  }

  /** The first line that is wanted. Throws at the end, and for a line that tells an error. */
  async until<Wanted extends Line>(wanted: (line: Line) => line is Wanted): Promise<Wanted>;
  async until(wanted: (line: Line) => boolean): Promise<Line>;
  async until(wanted: (line: Line) => boolean): Promise<Line> {
    const seen: Line[] = [];
    for (;;) {
      const line = await this.next();
      if (line === undefined) throw new Error(`The process ended after: ${JSON.stringify(seen)}`);
      if (wanted(line)) return line;
      seen.push(line);
    }
  }
}
