import fs from 'node:fs';
import { type Holder, refuseMethods, replaceMethod } from '../interception.ts';
import { describedError, ECAPMODE, pathText, systemError } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { answerWithError } from './binding-answers.ts';
import { bindingPrototype, nodeBinding } from './bindings.ts';
import { importJudge } from './imports.ts';

/** Functions of the `fs` binding whose first argument is a path, with the name their errors give the call. */
const pathCalls = {
  access: 'access',
  chmod: 'chmod',
  chown: 'chown',
  lchown: 'lchown',
  lstat: 'lstat',
  lutimes: 'lutime',
  mkdir: 'mkdir',
  mkdtemp: 'mkdtemp',
  open: 'open',
  openFileHandle: 'open',
  readFileUtf8: 'open',
  readdir: 'scandir',
  readdirRecursive: 'scandir',
  readlink: 'readlink',
  realpath: 'realpath',
  rmSync: 'rm',
  rmdir: 'rmdir',
  stat: 'stat',
  statfs: 'statfs',
  unlink: 'unlink',
  utimes: 'utime',
  writeFileUtf8: 'open',
} as const;

/** The same, for those with two paths. */
const pathPairCalls = {
  copyFile: 'copyfile',
  cpSyncCheckPaths: 'cp',
  cpSyncCopyDir: 'cp',
  cpSyncOverrideFile: 'cp',
  link: 'link',
  rename: 'rename',
  symlink: 'symlink',
} as const;

/** Refuses every call of `node:fs` that names a file by its path. */
export function refusePaths(kernel: SimulatedKernel): void {
  const binding = nodeBinding('fs');
  const judgeImport = importJudge(binding);

  refuseMethods(binding, Object.keys(pathCalls), (name, _self, args) => {
    // A number is a descriptor, which some of these take as well.
    if (!kernel.isSandboxed() || typeof args[0] === 'number') return undefined;
    const call = name as keyof typeof pathCalls;
    const verdict = judgeImport(call, args[0]);
    if (verdict === 'pass') return undefined;
    if (verdict !== 'not an import') return [answerWithError(args, verdict)];
    const path = call === 'mkdtemp' ? templatePath(args[0]) : pathText(args[0]);
    return [answerWithError(args, systemError(ECAPMODE, { syscall: pathCalls[call], path }))];
  });

  refuseMethods(binding, Object.keys(pathPairCalls), (name, _self, args) => {
    if (!kernel.isSandboxed()) return undefined;
    const syscall = pathPairCalls[name as keyof typeof pathPairCalls];
    const call = { syscall, path: pathText(args[0]), dest: pathText(args[1]) };
    return [answerWithError(args, systemError(ECAPMODE, call))];
  });

  refuseMethods(binding, ['existsSync'], () => (kernel.isSandboxed() ? [false] : undefined));

  refuseMethods(bindingPrototype('fs_event_wrap', 'FSEvent'), ['start'], () =>
    kernel.isSandboxed() ? [-ECAPMODE] : undefined,
  );
  refuseJobs(kernel, binding);
  refuseWatchFile(kernel, binding);
  refuseUnreachableBindings(kernel);
}

/** Node 26 reads and writes a small file in one job for its thread pool: open, transfer, close. */
function refuseJobs(kernel: SimulatedKernel, binding: Holder): void {
  for (const name of ['ReadFileJob', 'WriteFileJob']) {
    const job = binding[name] as { prototype: object } | undefined;
    if (job === undefined) continue;
    refuseMethods(job.prototype, ['run'], (_name, self, args) => {
      if (!kernel.isSandboxed()) return undefined;
      const error = systemError(ECAPMODE, { syscall: 'open', path: pathText(args[0]) });
      setImmediate(() => (self as { ondone(error: Error): void }).ondone(error));
      return [undefined];
    });
  }
}

/** A polled file that cannot be asked about is reported once, as all zeros, like one that does not exist. */
function refuseWatchFile(kernel: SimulatedKernel, binding: Holder): void {
  const { StatWatcher, statValues } = binding as {
    StatWatcher?: { prototype: object };
    statValues?: { length: number };
  };
  if (StatWatcher === undefined) return;
  refuseMethods(StatWatcher.prototype, ['start'], (_name, self) => {
    if (!kernel.isSandboxed()) return undefined;
    const watcher = self as { onchange(status: number, stats: Float64Array): void };
    setImmediate(() => watcher.onchange(-ECAPMODE, new Float64Array(statValues?.length ?? 36)));
    return [0];
  });
}

/** Calls that end in native modules which Node hands out to nobody: refused in the public functions instead. */
function refuseUnreachableBindings(kernel: SimulatedKernel): void {
  const refusal = (path: unknown, syscall: string) => systemError(ECAPMODE, { syscall, path: pathText(path) });

  refuseMethods(fs, ['opendirSync'], (_name, _self, args) => {
    // The synchronous form does not say which directory.
    if (kernel.isSandboxed() && isPath(args[0])) throw systemError(ECAPMODE, { syscall: 'opendir' });
    return undefined;
  });
  refuseMethods(fs.promises, ['opendir'], (_name, _self, args) =>
    kernel.isSandboxed() && isPath(args[0]) ? [Promise.reject(refusal(args[0], 'opendir'))] : undefined,
  );
  refuseMethods(fs, ['opendir'], (_name, _self, args) => {
    const callback = args.findLast((argument) => typeof argument === 'function');
    if (!kernel.isSandboxed() || !isPath(args[0]) || callback === undefined) return undefined;
    setImmediate(callback as (error: Error) => void, refusal(args[0], 'opendir'));
    return [undefined];
  });
  refuseMethods(fs, ['openAsBlob'], (_name, _self, args) => {
    // Thrown, though a promise is what it returns; and for no reason that Node tells.
    if (kernel.isSandboxed() && isPath(args[0])) {
      throw describedError('Unable to open file as blob', { code: 'ERR_INVALID_ARG_VALUE' }, TypeError);
    }
    return undefined;
  });
  replaceMethod(
    process,
    'loadEnvFile',
    (original) =>
      function (this: unknown, ...args) {
        if (kernel.isSandboxed()) throw refusal(args[0] ?? '.env', 'open');
        return Reflect.apply(original, this, args);
      },
  );
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' || value instanceof Uint8Array || value instanceof URL;
}

/** Some versions of Node append the placeholder in JavaScript, others below; errors always show it. */
function templatePath(prefix: unknown): string {
  const text = pathText(prefix);
  return text.endsWith('XXXXXX') ? text : `${text}XXXXXX`;
}
