import fs from 'node:fs';
import { promisify } from 'node:util';
import { type AnyFunction, refuseMethods } from '../interception.ts';

/** Judges a call by its arguments: the error that refuses it, or undefined to let it through. */
export type Judge = (args: readonly unknown[]) => Error | undefined;

/** Refuses a function of `node:fs` in all its forms: callback, promisified, `…Sync` and `fs.promises`. */
export function refuseInEveryForm(name: string, judge: Judge): void {
  const promisified = (fs as unknown as Record<string, { [promisify.custom]?: AnyFunction } | undefined>)[name];
  if (promisified?.[promisify.custom] !== undefined) {
    refuseMethods(promisified, [promisify.custom], (_name, _self, args) => rejection(judge(args)));
  }
  refuseMethods(fs, [name], (_name, _self, args) => {
    const callback = args.findLast((argument) => typeof argument === 'function');
    // Without a callback, the call fails by itself, on its arguments.
    const error = callback === undefined ? undefined : judge(args);
    if (error === undefined) return undefined;
    setImmediate(callback as (error: Error) => void, error);
    return [undefined];
  });
  refuseSync(`${name}Sync`, judge);
  refusePromise(fs.promises, name, judge);
}

/** Refuses a function of `node:fs` that throws. */
export function refuseSync(name: string, judge: Judge): void {
  refuseMethods(fs, [name], (_name, _self, args) => {
    const error = judge(args);
    if (error !== undefined) throw error;
    return undefined;
  });
}

/** Refuses a method that returns a promise. */
export function refusePromise(holder: object, name: string, judge: Judge): void {
  refuseMethods(holder, [name], (_name, _self, args) => rejection(judge(args)));
}

function rejection(error: Error | undefined): [Promise<never>] | undefined {
  return error === undefined ? undefined : [Promise.reject(error)];
}
