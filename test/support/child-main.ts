/**
 * The program that inChild() starts: runs one function body and reports how it went.
 *
 * All of it is loaded before the body runs, since the body may leave the process without paths to load anything from.
 * The report is one line on standard output between marks that the parent chose; a descriptor of its own would change
 * what the body finds in its table.
 */

import { writeSync } from 'node:fs';
import * as capsule from 'freebsd-capsule';

interface Order {
  readonly body: string;
  readonly input: unknown;
  readonly mark: string;
}

const [argument] = process.argv.splice(2);
const { body, input, mark } = JSON.parse(argument as string) as Order;

function describe(error: unknown): object {
  if (!(error instanceof Error)) return { name: 'not an Error', message: String(error) };
  const { name, message, stack, cause } = error;
  // errno, syscall, fd, path, jail … are own properties.
  return { ...error, name, message, stack, ...(cause === undefined ? {} : { cause: describe(cause) }) };
}

function report(outcome: object): void {
  const bytes = Buffer.from(`${mark}${JSON.stringify(outcome)}${mark}\n`);
  const deadline = Date.now() + 5000;
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(1, bytes, written);
    } catch (error) {
      // The body's own output may fill a pipe that the runtime has made non-blocking.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || Date.now() > deadline) throw error;
    }
  }
}

// Touched now, since both open something the first time.
process.stdout;
process.stderr;

try {
  const run = new Function(`return (${body});`)() as (capsule: unknown, input: unknown) => unknown;
  const result = await run(capsule, input);
  report({ result });
} catch (error) {
  report({ error: describe(error) });
}
// What the body left open (a server, a timer) must not keep the process; what it wrote must get out.
process.stdout.write('', () => process.exit());
