import fs from 'node:fs';
import { type DescriptorCall, fixedDescriptorCalls, lackingRights, readCall, writeCall } from '../descriptor-rights.ts';
import { afterwards, refuseMethods, replaceMethod } from '../interception.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { answerWithError } from './binding-answers.ts';
import { bindingPrototype, nodeBinding } from './bindings.ts';

/** Functions of the `fs` binding that read or write, by where among their arguments the position is. */
const transferCalls: Record<string, (args: readonly unknown[]) => DescriptorCall> = {
  read: (args) => readCall(args[4]),
  readBuffers: (args) => readCall(args[2]),
  readFileUtf8: () => readCall(undefined),
  writeBuffer: (args) => writeCall(args[4]),
  writeBuffers: (args) => writeCall(args[2]),
  writeFileUtf8: () => writeCall(undefined),
  writeString: (args) => writeCall(args[2]),
};

/** Makes the calls of `node:fs` on descriptors need the descriptors' rights, in capability mode or not. */
export function refuseDescriptorCalls(kernel: SimulatedKernel): void {
  const binding = nodeBinding('fs');

  refuseMethods(binding, Object.keys(fixedDescriptorCalls), (name, _self, args) => {
    const call = fixedDescriptorCalls[name as keyof typeof fixedDescriptorCalls];
    const error = lackingRights(kernel, args[0], call);
    return error === undefined ? undefined : [answerWithError(args, error)];
  });
  refuseMethods(binding, Object.keys(transferCalls), (name, _self, args) => {
    // readFileUtf8 and writeFileUtf8 take paths too; those are not this file's business.
    if (typeof args[0] !== 'number') return undefined;
    const call = transferCalls[name as string];
    const error = call === undefined ? undefined : lackingRights(kernel, args[0], call(args));
    return error === undefined ? undefined : [answerWithError(args, error)];
  });

  // fs.readFile with a callback reads by a copy of `binding.read` that it took when Node started.
  refuseMethods(fs, ['readFile'], (_name, _self, args) => {
    const callback = args.at(-1);
    if (typeof callback !== 'function') return undefined;
    const error =
      lackingRights(kernel, args[0], fixedDescriptorCalls.fstat) ?? lackingRights(kernel, args[0], readCall(undefined));
    if (error === undefined) return undefined;
    setImmediate(callback as (error: Error) => void, error);
    return [undefined];
  });

  replaceMethod(
    binding,
    'close',
    (original) =>
      function (this: unknown, ...args) {
        const [fd, request] = args as [number, { oncomplete?: (...results: unknown[]) => unknown } | undefined];
        const version = kernel.descriptorClosing(fd);
        if (typeof request?.oncomplete !== 'function') {
          const result = Reflect.apply(original, this, args);
          kernel.descriptorClosed(fd, version);
          return result;
        }
        // Closed by the thread pool, when it gets to it.
        const { oncomplete } = request;
        request.oncomplete = function (this: unknown, ...results) {
          kernel.descriptorClosed(fd, version);
          return Reflect.apply(oncomplete, this, results);
        };
        return Reflect.apply(original, this, args);
      },
  );
  const fileHandle = bindingPrototype('fs', 'FileHandle');
  for (const name of ['close', 'closeSync']) {
    replaceMethod(
      fileHandle,
      name,
      (original) =>
        function (this: unknown, ...args) {
          const { fd } = this as { fd: number };
          const version = kernel.descriptorClosing(fd);
          const result = Reflect.apply(original, this, args);
          if (fd >= 0) afterwards(result, () => kernel.descriptorClosed(fd, version));
          return result;
        },
    );
  }
}
