/**
 * Errors in Node's own forms: argument errors with its codes and message form, system errors with `code`, negative
 * `errno` and `syscall`. Nothing here subclasses Error.
 */

import { constants } from 'node:os';
import { type InspectOptions, inspect } from 'node:util';

type ErrorClass = new (message: string) => Error;

function withCode(Base: ErrorClass, code: string, message: string): Error {
  const error = new Base(message);
  // As in Node: the first line of the stack names the code, the name property stays plain.
  const { name } = error;
  Object.defineProperty(error, 'name', { value: `${name} [${code}]`, configurable: true, writable: true });
  void error.stack;
  Reflect.deleteProperty(error, 'name');
  Object.defineProperty(error, 'code', { value: code, configurable: true, enumerable: true, writable: true });
  return error;
}

/** A value as text, whatever its own `[inspect.custom]` does. */
function shown(value: unknown, options: InspectOptions): string {
  try {
    return inspect(value, options);
  } catch {
    return 'an object';
  }
}

/** Describes a value as Node's argument errors do: "undefined", "an instance of Foo", "type string ('x')". */
function received(value: unknown): string {
  if (value === null || value === undefined) return `${value}`;
  if (typeof value === 'function' && value.name !== '') return `function ${value.name}`;
  if (typeof value === 'object') {
    let name: unknown;
    try {
      name = value.constructor?.name;
    } catch {
      // A getter of the caller's threw; what it is called does not matter enough.
    }
    return typeof name === 'string' && name !== '' ? `an instance of ${name}` : shown(value, { depth: -1 });
  }
  const text = inspect(value, { colors: false });
  return `type ${typeof value} (${text.length > 28 ? `${text.slice(0, 25)}...` : text})`;
}

/** Makes the TypeError for an argument of the wrong type; `expected` continues "must be ". */
export function invalidArgType(name: string, expected: string, actual: unknown): Error {
  const what = name.includes('.') ? 'property' : 'argument';
  return withCode(
    TypeError,
    'ERR_INVALID_ARG_TYPE',
    `The "${name}" ${what} must be ${expected}. Received ${received(actual)}`,
  );
}

/** Makes the RangeError for a number outside its range; `expected` continues "It must be ". */
export function outOfRange(name: string, expected: string, actual: number): Error {
  // As Node writes large ones: 8_589_934_592.
  const numericSeparator = Number.isInteger(actual) && Math.abs(actual) > 2 ** 32;
  return withCode(
    RangeError,
    'ERR_OUT_OF_RANGE',
    `The value of "${name}" is out of range. It must be ${expected}. Received ${inspect(actual, { numericSeparator })}`,
  );
}

/** Makes the TypeError for a value of the right type that has no meaning here. */
export function invalidArgValue(name: string, actual: unknown, reason: string): Error {
  const what = name.includes('.') ? 'property' : 'argument';
  const text = shown(actual, { depth: 0, breakLength: Number.POSITIVE_INFINITY });
  const received = text.length > 128 ? `${text.slice(0, 125)}...` : text;
  return withCode(TypeError, 'ERR_INVALID_ARG_VALUE', `The ${what} '${name}' ${reason}. Received ${received}`);
}

/** Makes the error of a call that a worker thread may not make, as `process.chdir()` does there. */
export function workerUnsupported(operation: string): Error {
  return withCode(TypeError, 'ERR_WORKER_UNSUPPORTED_OPERATION', `${operation} is not supported in workers`);
}

/** Makes an error in the shape of a system call's, for one that is not made; `advice` says why and what to do. */
function refusedCall(
  code: string,
  errno: number,
  text: string,
  syscall: string,
  advice: string,
  options?: ErrorOptions,
) {
  const error: NodeJS.ErrnoException = new Error(`${code}: ${text}, ${syscall}\n${advice}`, options);
  error.errno = -errno;
  error.code = code;
  error.syscall = syscall;
  return error;
}

/** Makes an ENOSYS error: this process has no kernel that could do `syscall`. */
export function notSupported(syscall: string, advice: string, cause?: unknown): NodeJS.ErrnoException {
  const options = cause === undefined ? undefined : { cause };
  return refusedCall('ENOSYS', constants.errno.ENOSYS, 'function not implemented', syscall, advice, options);
}

/** Makes an EPERM error for what the kernel would refuse. */
export function notPermitted(syscall: string, advice: string): NodeJS.ErrnoException {
  return refusedCall('EPERM', constants.errno.EPERM, 'operation not permitted', syscall, advice);
}

/** ECAPMODE: the call does not exist in capability mode. FreeBSD's number, on every system; no runtime knows its name. */
export const ECAPMODE = 94;

/** Makes the ECAPMODE error of a call that this process makes no more. */
export function notInCapabilityMode(syscall: string, advice: string): NodeJS.ErrnoException {
  return refusedCall('ECAPMODE', ECAPMODE, 'not permitted in capability mode', syscall, advice);
}

/** Throws for a key that is not in `known`: a misspelt option must not be none. */
export function checkKeys(name: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const options =
      known.length === 0 ? 'there are none' : `known are ${known.map((option) => `'${option}'`).join(', ')}`;
    throw invalidArgValue(`${name}.${key}`, (value as Record<string, unknown>)[key], `is not an option; ${options}`);
  }
}

/**
 * Throws unless `value` is an object whose content is its properties. That of a Map, a Set or an array is not: taken for
 * an object, it would pass for an empty one, and an empty one may mean "remove all".
 */
export function checkObject(name: string, value: unknown, expected = 'of type object'): asserts value is object {
  if (typeof value !== 'object' || value === null || Symbol.iterator in value) {
    throw invalidArgType(name, expected, value);
  }
}

/** Throws unless `value` is an integer from `minimum` to `maximum`. */
export function checkInteger(name: string, value: unknown, minimum: number, maximum: number): asserts value is number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < minimum || value > maximum) throw outOfRange(name, `>= ${minimum} && <= ${maximum}`, value);
}

/** Makes the error of a call that does not fit what was done before. */
export function invalidState(message: string): Error {
  return withCode(Error, 'ERR_INVALID_STATE', message);
}

/**
 * Adds to the message of an error, and to its stack, which was written when the error was made and is what gets printed.
 *
 * @returns the error; or, for what cannot be changed (no Error, a frozen one, a DOMException), a new one that has it as
 * its cause
 */
export function withMore(error: unknown, text: string): Error {
  if (!(error instanceof Error)) return new Error(`${shown(error, { depth: 0 })}${text}`, { cause: error });
  const { message, stack } = error;
  try {
    if (!Object.isExtensible(error)) throw error;
    error.message = message + text;
  } catch {
    return new Error(message + text, { cause: error });
  }
  if (typeof stack === 'string' && message !== '') error.stack = stack.replace(message, () => message + text);
  return error;
}
