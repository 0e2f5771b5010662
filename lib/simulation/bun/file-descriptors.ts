import fs from 'node:fs';
import { type DescriptorCall, fixedDescriptorCalls, lackingRights, readCall, writeCall } from '../descriptor-rights.ts';
import { afterwards, replaceMethod } from '../interception.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { refuseInEveryForm } from './call-forms.ts';

type Describe = (rest: readonly unknown[]) => readonly DescriptorCall[];

/** What each call does with its descriptor, by the arguments after it. */
const descriptorCalls: Record<string, Describe> = {
  ...Object.fromEntries(Object.entries(fixedDescriptorCalls).map(([name, call]) => [name, () => [call]])),
  read: (rest) => [readCall(transferPosition(rest))],
  readv: (rest) => [readCall(rest[1])],
  write: (rest) => [writeCall(transferPosition(rest))],
  writev: (rest) => [writeCall(rest[1])],
  readFile: () => [readCall(undefined)],
  writeFile: () => [writeCall(undefined)],
  appendFile: () => [writeCall(undefined)],
};

/** The same calls as methods of a FileHandle. */
const handleMethods: Record<string, Describe> = {
  appendFile: () => [writeCall(undefined)],
  chmod: () => [fixedDescriptorCalls.fchmod],
  chown: () => [fixedDescriptorCalls.fchown],
  datasync: () => [fixedDescriptorCalls.fdatasync],
  read: (args) => [readCall(transferPosition(args))],
  readFile: () => [readCall(undefined)],
  readv: (args) => [readCall(args[1])],
  stat: () => [fixedDescriptorCalls.fstat],
  sync: () => [fixedDescriptorCalls.fsync],
  truncate: () => [fixedDescriptorCalls.ftruncate],
  utimes: () => [fixedDescriptorCalls.futimes],
  write: (args) => [writeCall(transferPosition(args))],
  writeFile: () => [writeCall(undefined)],
  writev: (args) => [writeCall(args[1])],
};

/** Makes the calls of `node:fs` on descriptors need the descriptors' rights, in capability mode or not. */
export function refuseDescriptorCalls(kernel: SimulatedKernel): void {
  const lacking = (fd: unknown, calls: readonly DescriptorCall[]): Error | undefined => {
    for (const call of calls) {
      const error = lackingRights(kernel, fd, call);
      if (error !== undefined) return error;
    }
    return undefined;
  };

  for (const [name, describe] of Object.entries(descriptorCalls)) {
    refuseInEveryForm(name, ([fd, ...rest]) => (typeof fd === 'number' ? lacking(fd, describe(rest)) : undefined));
  }
  for (const name of ['close', 'closeSync']) {
    replaceMethod(
      fs,
      name,
      (original) =>
        function (this: unknown, ...args) {
          const [fd, callback] = args as [number, ((...results: unknown[]) => unknown) | undefined];
          const version = kernel.descriptorClosing(fd);
          if (typeof callback !== 'function') {
            const result = Reflect.apply(original, this, args);
            kernel.descriptorClosed(fd, version);
            return result;
          }
          const told = (...results: unknown[]) => {
            kernel.descriptorClosed(fd, version);
            return callback(...results);
          };
          return Reflect.apply(original, this, [fd, told]);
        },
    );
  }

  // The class of file handles is not exported: its prototype is met with the first handle.
  let prepared = false;
  replaceMethod(
    fs.promises,
    'open',
    (original) =>
      async function (this: unknown, ...args) {
        const handle = (await Reflect.apply(original, this, args)) as { fd: number };
        if (!prepared) prepareHandles(Object.getPrototypeOf(handle) as object);
        prepared = true;
        return handle;
      },
  );

  const prepareHandles = (prototype: object): void => {
    for (const [name, describe] of Object.entries(handleMethods)) {
      replaceMethod(
        prototype,
        name,
        (original) =>
          function (this: unknown, ...args) {
            const error = lacking((this as { fd: number }).fd, describe(args));
            return error === undefined ? Reflect.apply(original, this, args) : Promise.reject(error);
          },
      );
    }
    replaceMethod(
      prototype,
      'close',
      (original) =>
        function (this: unknown, ...args) {
          const { fd } = this as { fd: number };
          const version = kernel.descriptorClosing(fd);
          const result = Reflect.apply(original, this, args);
          if (fd >= 0) afterwards(result, () => kernel.descriptorClosed(fd, version));
          return result;
        },
    );
  };
}

/** Finds the position among (buffer, offset, length, position), (buffer, options), (options) and (text, position). */
function transferPosition(args: readonly unknown[]): unknown {
  if (typeof args[0] === 'string') return args[1];
  const options = args
    .slice(0, 2)
    .find((argument) => typeof argument === 'object' && argument !== null && !ArrayBuffer.isView(argument));
  return options === undefined ? args[3] : (options as { position?: unknown }).position;
}
