import { refuseOperatingSystemCalls } from '../operating-system.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { refuseDescriptorCalls } from './file-descriptors.ts';
import { refusePaths } from './file-system.ts';
import { refuseModules } from './modules.ts';
import { refuseNameLookups } from './name-lookups.ts';
import { refuseNetwork } from './network.ts';
import { refuseProcessCalls } from './processes.ts';
import { refuseStandardInput } from './standard-input.ts';

/**
 * Installs every refusal under Bun. There the public functions are what can be replaced, and names imported from a
 * built-in module before this (`import { readFileSync } from 'node:fs'`) keep the functions they have: Bun does not
 * bring them up to date. Calls through the module object (`fs.readFileSync`) are refused.
 */
export function installOnBun(kernel: SimulatedKernel): void {
  refusePaths(kernel);
  refuseDescriptorCalls(kernel);
  refuseModules(kernel);
  refuseNetwork(kernel);
  refuseNameLookups(kernel);
  refuseProcessCalls(kernel);
  refuseStandardInput(kernel);
  refuseOperatingSystemCalls(kernel);
}
