import { replaceMethod } from './interception.ts';
import type { SimulatedKernel } from './runtime-refusals.ts';

/**
 * Refuses chdir(2), and the working directory to whoever asks for it for the first time: both runtimes keep the answer
 * of the first question until the directory is changed. Questions from before this was installed do not count, so a
 * program that asks only then meets the refusal here and not on FreeBSD; never the other way round.
 */
export function refuseWorkingDirectory(
  kernel: SimulatedKernel,
  refusals: { cwd: () => Error; chdir: (to: string, from: string) => Error },
): void {
  let known: string | undefined;

  replaceMethod(
    process,
    'cwd',
    (original) =>
      function (this: unknown) {
        if (kernel.isSandboxed()) {
          if (known === undefined) throw refusals.cwd();
          return known;
        }
        known = Reflect.apply(original, process, []) as string;
        return known;
      },
  );
  replaceMethod(
    process,
    'chdir',
    (original) =>
      function (this: unknown, ...args) {
        const [directory] = args;
        if (kernel.isSandboxed() && typeof directory === 'string') throw refusals.chdir(directory, known ?? '');
        const result = Reflect.apply(original, process, args);
        known = undefined;
        return result;
      },
  );
}
