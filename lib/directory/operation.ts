/**
 * Operations written once for both forms: a generator that yields each call it needs, run at once or off the thread.
 */

import { abortError } from '../abort-error.ts';
import { native } from '../binding.ts';
import type { DirectoryCalls } from '../native.ts';

/** One call of an operation, in its two forms. */
interface Call {
  now(): unknown;
  later(): Promise<unknown>;
}

/** A piece of work that yields its calls and ends with a result. */
export interface Operation<Result> extends Iterable<Call, Result, unknown> {
  next(answer?: unknown): IteratorResult<Call, Result>;
  throw(error: unknown): IteratorResult<Call, Result>;
}

/** One call as an operation: as a generator it would take as long to make as a short system call. */
class Step<Result> implements Operation<Result>, Call {
  readonly now: () => Result;
  readonly later: () => Promise<Result>;
  #made = false;

  constructor(now: () => Result, later: () => Promise<Result>) {
    this.now = now;
    this.later = later;
  }

  next(answer?: unknown): IteratorResult<Call, Result> {
    if (this.#made) return { done: true, value: answer as Result };
    this.#made = true;
    return { done: false, value: this };
  }

  throw(error: unknown): never {
    throw error;
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/** Makes a call of an operation. */
export function step<Result>(now: () => Result, later: () => Promise<Result>): Operation<Result> {
  return new Step(now, later);
}

type Arguments<Name extends keyof DirectoryCalls> = Parameters<DirectoryCalls[Name]>;
type Result<Name extends keyof DirectoryCalls> = ReturnType<DirectoryCalls[Name]>;

/** Makes a call of the addon that has both forms. */
export function kernelCall<Name extends keyof DirectoryCalls>(
  name: Name,
  ...args: Arguments<Name>
): Operation<Result<Name>> {
  const binding = native(name) as unknown as Record<string, (...args: unknown[]) => unknown>;
  return new Step(
    () => binding[name]?.(...args) as Result<Name>,
    () => binding[`${name}Async`]?.(...args) as Promise<Result<Name>>,
  );
}

/** Runs an operation to its end on this thread. */
export function runNow<Result>(operation: Operation<Result>): Result {
  let state = operation.next();
  while (state.done !== true) {
    let answer: unknown;
    try {
      answer = state.value.now();
    } catch (error) {
      state = operation.throw(error);
      continue;
    }
    state = operation.next(answer);
  }
  return state.value;
}

/** Runs an operation with its calls off this thread. An abort is noticed between two calls. */
export async function runLater<Result>(operation: Operation<Result>, signal?: AbortSignal): Promise<Result> {
  let state = operation.next();
  while (state.done !== true) {
    let answer: unknown;
    try {
      if (signal?.aborted) throw abortError(signal);
      answer = await state.value.later();
    } catch (error) {
      state = operation.throw(error);
      continue;
    }
    state = operation.next(answer);
  }
  return state.value;
}
