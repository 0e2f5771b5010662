import { syncBuiltinESMExports } from 'node:module';
import { refuseOperatingSystemCalls } from '../operating-system.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { nameErrorsAsOnFreeBSD } from './error-names.ts';
import { refuseDescriptorCalls } from './file-descriptors.ts';
import { refusePaths } from './file-system.ts';
import { refuseModules } from './modules.ts';
import { refuseNameLookups } from './name-lookups.ts';
import { refuseNetwork } from './network.ts';
import { refuseProcessCalls } from './processes.ts';
import { refuseWorkers } from './workers.ts';

/** Installs every refusal under Node. */
export function installOnNode(kernel: SimulatedKernel): void {
  nameErrorsAsOnFreeBSD(kernel);
  refusePaths(kernel);
  refuseDescriptorCalls(kernel);
  refuseModules(kernel);
  refuseNetwork(kernel);
  refuseNameLookups(kernel);
  refuseProcessCalls(kernel);
  refuseWorkers(kernel);
  refuseOperatingSystemCalls(kernel);
  // `import { cpus } from 'node:os'` reads copies that only this brings up to date.
  syncBuiltinESMExports();
}
