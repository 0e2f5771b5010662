import { AssertionError } from 'node:assert';

/** Returns what a call throws. A call that does not throw is a failure. */
export function caught(call: () => unknown): NodeJS.ErrnoException & { fd?: number } {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new AssertionError({ message: `expected an error, got ${String(result)}`, stackStartFn: caught });
}
