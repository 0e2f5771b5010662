/**
 * Finds and loads the addon on first use. Importing the package never loads it and never throws; a call that needs
 * the kernel does both.
 */

import { closeSync, existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { notSupported } from './errors.ts';
import type { NativeBinding, NativeSimulation } from './native.ts';
import { module } from './runtime-modules.ts';

/** The environment variable by which a caller asks for the simulated kernel, and the only value it takes. */
const KERNEL_VARIABLE = 'FREEBSD_CAPSULE_KERNEL';

const onFreeBSD = process.platform === 'freebsd';

let loaded: NativeBinding | undefined;

const inPackage = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The places an addon may be in, best first: what was built here, then what came with the package. */
function candidates(): string[] {
  const prebuild = `prebuilds/${process.platform}-${process.arch}/freebsd-capsule.node`;
  return ['build/Release/freebsd_capsule.node', prebuild].map(inPackage);
}

const SHIPPED = 'Prebuilt addons come for FreeBSD 14 and newer (x64, arm64) and for Linux with glibc >= 2.28 (x64).';

/** What helps against every failure to load. */
const howToBuild = () =>
  `Build it from source (npm, python3, a C++ compiler): npm --prefix "${inPackage('.')}" run setup`;

/**
 * Tells which kernel this process may use. The answer does not touch the addon: 'none' is what a platform other than
 * FreeBSD has until the simulation is asked for.
 */
export function kernelKind(): 'freebsd' | 'simulated' | 'none' {
  // Once there is one, that is the one: the variable may have changed since.
  if (loaded !== undefined) return loaded.kernelKind;
  if (onFreeBSD) return 'freebsd';
  return process.env[KERNEL_VARIABLE] === 'simulated' ? 'simulated' : 'none';
}

function load(syscall: string): NativeBinding {
  const asked = process.env[KERNEL_VARIABLE];
  const wanted = kernelKind();
  if (wanted === 'none') {
    throw notSupported(
      syscall,
      `This is ${process.platform}, not FreeBSD. To develop and test against a simulated kernel, which protects ` +
        `nothing, set ${KERNEL_VARIABLE}=simulated` +
        (asked === undefined || asked === '' ? '.' : ` (it is set to '${asked}').`),
    );
  }
  if (onFreeBSD && asked !== undefined && asked !== '' && asked !== 'freebsd') {
    // A program that believes it plays must not be sealed for real, nor the other way round.
    throw notSupported(syscall, `${KERNEL_VARIABLE} is '${asked}', but on FreeBSD the real kernel answers. Unset it.`);
  }

  const require = module().createRequire(import.meta.url);
  const tried: string[] = [];
  for (const path of candidates()) {
    if (!existsSync(path)) {
      tried.push(`${path}: not there`);
      continue;
    }
    let binding: NativeBinding;
    try {
      binding = require(path) as NativeBinding;
    } catch (cause) {
      // That there is no room for another descriptor passes, and has a code that says so.
      closeSync(openSync(path, 'r'));
      // A binary that is there and does not load is the news; one further down the list would hide it.
      throw notSupported(
        syscall,
        `The addon ${path} does not load: ${String(cause)}\n${SHIPPED}\n${howToBuild()}`,
        cause,
      );
    }
    if (binding.kernelKind !== wanted) {
      throw notSupported(syscall, `The addon ${path} is for the ${binding.kernelKind} kernel, not ${wanted}.`);
    }
    if (binding.kernelKind === 'simulated') {
      // Synchronous, and only here: nothing of the simulation is loaded on FreeBSD.
      const simulation = require('./simulation/index.js') as typeof import('./simulation/index.ts');
      simulation.startSimulation(binding as NativeSimulation);
    }
    return binding;
  }
  throw notSupported(
    syscall,
    `No addon for ${process.platform}-${process.arch} was found.\n${tried.map((line) => `  - ${line}`).join('\n')}\n` +
      `${SHIPPED}\n${howToBuild()}`,
  );
}

/**
 * Returns the addon, loading it on first use.
 *
 * Must have happened before `cap_enter(2)`: loading opens a path. `enter()` itself is in the addon, so it has.
 *
 * @param syscall what the caller is about to do, for the ENOSYS error when there is no kernel to do it
 */
export function native(syscall: string): NativeBinding {
  loaded ??= load(syscall);
  return loaded;
}

/** Returns the addon if a call has loaded it already. */
export function loadedBinding(): NativeBinding | undefined {
  return loaded;
}
