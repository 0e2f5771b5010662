import fs from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { refuseMethods } from '../interception.ts';
import { ECAPMODE, pathText, systemError } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { type Judge, refuseInEveryForm, refusePromise, refuseSync } from './call-forms.ts';

/** Functions whose first argument is a path, with the name their errors give the call. */
const pathCalls = {
  access: 'access',
  appendFile: 'open',
  chmod: 'chmod',
  chown: 'chown',
  cp: 'lstat',
  lchown: 'lchown',
  lstat: 'lstat',
  lutimes: 'lutime',
  mkdir: 'mkdir',
  mkdtemp: 'mkdtemp',
  open: 'open',
  opendir: 'opendir',
  readFile: 'open',
  readdir: 'scandir',
  readlink: 'readlink',
  rm: 'lstat',
  rmdir: 'rmdir',
  stat: 'stat',
  statfs: 'statfs',
  truncate: 'truncate',
  unlink: 'unlink',
  utimes: 'utime',
  writeFile: 'open',
} as const;

/** The same, for those with two paths. */
const pathPairCalls = { copyFile: 'copyfile', link: 'link', rename: 'rename', symlink: 'symlink' } as const;

/** Refuses every call of `node:fs` that names a file by its path. */
export function refusePaths(kernel: SimulatedKernel): void {
  const judge =
    (describe: (args: readonly unknown[]) => Parameters<typeof systemError>[1]): Judge =>
    (args) =>
      kernel.isSandboxed() && isPath(args[0]) ? systemError(ECAPMODE, describe(args)) : undefined;

  for (const [name, syscall] of Object.entries(pathCalls)) {
    refuseInEveryForm(
      name,
      judge((args) => ({ syscall, path: pathText(args[0]) })),
    );
  }
  for (const [name, syscall] of Object.entries(pathPairCalls)) {
    refuseInEveryForm(
      name,
      judge((args) => ({ syscall, path: pathText(args[0]), dest: pathText(args[1]) })),
    );
  }

  const native = judge((args) => ({ syscall: 'realpath', path: pathText(args[0]) }));
  for (const form of [fs.realpathSync, fs.realpath]) {
    refuseMethods(form, ['native'], (_name, _self, args) => {
      const error = native(args);
      if (error === undefined) return undefined;
      const callback = args.findLast((argument) => typeof argument === 'function');
      if (callback === undefined) throw error;
      setImmediate(callback as (error: Error) => void, error);
      return [undefined];
    });
  }
  // Both forms walk the path from its first component, and do not get further; the promise asks the system at once.
  refuseInEveryForm(
    'realpath',
    judge((args) => ({ syscall: 'lstat', path: `/${resolve('/', pathText(args[0])).split('/')[1]}` })),
  );
  // Last, so that it is asked first.
  refusePromise(fs.promises, 'realpath', native);

  const watch = judge((args) => ({ syscall: 'watch', path: pathText(args[0]) }));
  refuseSync('watch', watch);
  refuseMethods(fs.promises, ['watch'], (_name, _self, args) => {
    const error = watch(args);
    return error === undefined ? undefined : [failingIteration(error)];
  });
  refuseMethods(fs, ['existsSync'], () => (kernel.isSandboxed() ? [false] : undefined));
  refuseMethods(fs.promises, ['exists'], () => (kernel.isSandboxed() ? [Promise.resolve(false)] : undefined));
  refuseMethods(fs.exists, [promisify.custom], () => (kernel.isSandboxed() ? [Promise.resolve(false)] : undefined));
  refuseMethods(fs, ['exists'], (_name, _self, args) => {
    const callback = args.findLast((argument) => typeof argument === 'function');
    if (!kernel.isSandboxed() || callback === undefined) return undefined;
    setImmediate(callback as (exists: boolean) => void, false);
    return [undefined];
  });
  refusePromise(
    fs,
    'openAsBlob',
    judge((args) => ({ syscall: 'open', path: pathText(args[0]) })),
  );
}

/** What fails when it is first asked for an event. */
function failingIteration(error: Error): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' || value instanceof Uint8Array || value instanceof URL;
}
