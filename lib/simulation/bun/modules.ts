import { describedError } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';

interface PluginBuilder {
  onResolve(constraints: { filter: RegExp }, callback: () => undefined): void;
  onLoad(constraints: { filter: RegExp }, callback: (file: { path: string }) => never): void;
}

/** The part of Bun's global that is used here; Bun's own types are not a dependency of this package. */
interface Bun {
  plugin(plugin: { name: string; setup(builder: PluginBuilder): void }): void;
}

/** Refuses to load files as modules. Modules already loaded, and built-in ones, stay reachable. */
export function refuseModules(kernel: SimulatedKernel): void {
  const { Bun } = globalThis as unknown as { Bun: Bun };
  let refusing = false;
  Bun.plugin({
    name: 'freebsd-capsule: capability mode',
    setup: (builder) => {
      builder.onResolve({ filter: /.*/ }, () => {
        // A plugin that loads must load every file it is asked for, so there is none before capability mode.
        if (!refusing && kernel.isSandboxed()) {
          refusing = true;
          Bun.plugin({ name: 'freebsd-capsule: no module files', setup: refuseToLoad });
        }
        return undefined;
      });
    },
  });
}

function refuseToLoad(builder: PluginBuilder): void {
  builder.onLoad({ filter: /.*/ }, ({ path }) => {
    throw describedError(`ECAPMODE reading "${path}"`, {});
  });
}
