import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AnyFunction, Holder } from '../interception.ts';
import { describedError, pathText } from '../refusal-errors.ts';

const resolver = 'node:internal/modules/esm/resolve';
const loader = 'node:internal/modules/esm/load';
const regularFile = 0o100000n;
const fileTypeMask = 0o170000n;

/** What becomes of a call by path: not the ESM loader's; the loader's and let through; or the loader's last. */
export type ImportVerdict = 'not an import' | 'pass' | NodeJS.ErrnoException;

/**
 * Makes the judge of calls that Node's ESM loader makes by path, for the versions (Node 20) whose loader keeps its own
 * copy of the stat function, where a missing file would be noticed, and has no synchronous hooks. What that loader
 * cannot avoid is asking the `fs` binding for the real path of a file it found. The call stack tells that it is the
 * loader who asks, and which file imports. The directories of the path are let through, and the file itself is
 * reported as missing. Takes the binding as it is before anything in it is replaced.
 */
export function importJudge(binding: Holder): (call: string, path: unknown) => ImportVerdict {
  const lstat = binding.lstat as AnyFunction;
  return (call, path) => {
    const files = filesOnStack();
    if (files.includes(loader) && call.startsWith('open')) return moduleNotFound(pathText(path), undefined);
    const resolving = files.lastIndexOf(resolver);
    if (resolving === -1) return 'not an import';
    if (call !== 'lstat') return 'pass';
    const [, mode] = Reflect.apply(lstat, binding, [path, true, undefined, true]) as BigInt64Array;
    if (((mode ?? 0n) & fileTypeMask) !== regularFile) return 'pass';
    const importer = files.slice(resolving).find((file) => !file.startsWith('node:'));
    return moduleNotFound(pathText(path), importer);
  };
}

function moduleNotFound(path: string, importer: string | undefined): NodeJS.ErrnoException {
  const base = importer ?? process.argv[1] ?? '';
  const from = base.startsWith('file:') ? fileURLToPath(base) : base;
  return describedError(`Cannot find module '${path}' imported from ${from}`, {
    code: 'ERR_MODULE_NOT_FOUND',
    url: pathToFileURL(path).href,
  });
}

/** Names the files of the running functions, innermost first. */
function filesOnStack(): string[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = Number.POSITIVE_INFINITY;
    Error.prepareStackTrace = (_error, sites) => sites.map((site) => site.getFileName() ?? '');
    return new Error().stack as unknown as string[];
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}
