import Module from 'node:module';
import { refuseMethods, replaceMethod } from '../interception.ts';
import { describedError, ECAPMODE, pathText } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { nodeBinding } from './bindings.ts';

/**
 * Refuses to load files as modules: with stat(2) refused, the loaders find no file, so that a module that exists is
 * reported as missing. That goes for a loaded module too when another module asks for it: the loaders remember what a
 * name meant to each importer, and look for the file again for a new one. (In Node 20, `import` by a new importer still
 * finds a loaded module here: nothing it does then can be seen from outside.) Built-in modules stay reachable.
 */
export function refuseModules(kernel: SimulatedKernel): void {
  // Enough for both loaders where they look this function up each time (Node 22 and later).
  refuseMethods(nodeBinding('fs'), ['internalModuleStat'], () => (kernel.isSandboxed() ? [-ECAPMODE] : undefined));
  refuseRequire(kernel);
  replaceMethod(
    process,
    'dlopen',
    (original) =>
      function (this: unknown, ...args) {
        if (!kernel.isSandboxed()) return Reflect.apply(original, this, args);
        throw describedError(`Cannot open "${pathText(args[1])}"`, { code: 'ERR_DLOPEN_FAILED' });
      },
  );
}

/** Node 20's CommonJS loader keeps its own copy of the stat function: only what it found before is found again. */
function refuseRequire(kernel: SimulatedKernel): void {
  const loader = Module as unknown as { _pathCache: Record<string, string | undefined> };
  refuseMethods(Module, ['_findPath'], (_name, _self, args) => {
    if (!kernel.isSandboxed()) return undefined;
    const [request, paths] = args as [string, readonly string[] | undefined];
    return [loader._pathCache[`${request}\x00${paths?.join('\x00') ?? ''}`] ?? false];
  });
}
