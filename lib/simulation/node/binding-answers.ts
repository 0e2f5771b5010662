import { describedError } from '../refusal-errors.ts';
import { nodeBinding } from './bindings.ts';

interface Request {
  oncomplete(error: Error): void;
}

/**
 * Hands an error to the caller of a function of Node's `fs` binding, by whichever of the ways the arguments ask for:
 * a request object (callback API), the promise marker, a context object (a few synchronous calls), or a throw.
 */
export function answerWithError(args: readonly unknown[], error: NodeJS.ErrnoException): unknown {
  const binding = nodeBinding('fs');
  const FSReqCallback = binding.FSReqCallback as new () => Request;
  const request = args.find((argument) => argument instanceof FSReqCallback);
  if (request !== undefined) {
    setImmediate(() => (request as Request).oncomplete(error));
    return undefined;
  }
  if (args.includes(binding.kUsePromises)) return Promise.reject(error);
  // With a context object Node learns the number alone, looks for its name and finds none.
  if (args.length > 1 && args.at(-2) === undefined && isPlainObject(args.at(-1))) {
    const code = 'UNKNOWN';
    const message = error.message.replace(/^[^,]*/, `${code}: unknown error`);
    throw describedError(message, { ...error, code });
  }
  throw error;
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
