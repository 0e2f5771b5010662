import type { DescriptorLike } from '../descriptor.ts';
import { checkObject, invalidArgValue } from '../errors.ts';
import type { ProcessDescriptor } from '../process/process-descriptor.ts';
import { spawn } from '../process/spawn.ts';
import type { SpawnOptions } from '../process/spawn-options.ts';

/** Starts a program in a jail; an option that names another is a contradiction, not a choice. */
export function spawnIn(
  jail: number | { readonly fd: number },
  file: string | DescriptorLike,
  args: readonly string[],
  options: Omit<SpawnOptions, 'jail'>,
): ProcessDescriptor {
  checkObject('options', options);
  const { jail: other } = options as SpawnOptions;
  if (other !== undefined) throw invalidArgValue('options.jail', other, 'cannot be given: it is this jail');
  return spawn(file, args, { ...options, jail });
}
