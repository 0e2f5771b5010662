import { ENOTCAPABLE, systemError } from './refusal-errors.ts';
import type { SimulatedKernel } from './runtime-refusals.ts';

/** The rights a call on a descriptor needs, and the name its error gives it. Numbers of rights(4), by name. */
export interface DescriptorCall {
  readonly syscall: string;
  readonly rights: readonly string[];
}

/** Calls that need the same rights whatever their further arguments. */
export const fixedDescriptorCalls = {
  fstat: { syscall: 'fstat', rights: ['fstat'] },
  ftruncate: { syscall: 'ftruncate', rights: ['ftruncate'] },
  fsync: { syscall: 'fsync', rights: ['fsync'] },
  fdatasync: { syscall: 'fdatasync', rights: ['fsync'] },
  fchmod: { syscall: 'fchmod', rights: ['fchmod'] },
  fchown: { syscall: 'fchown', rights: ['fchown'] },
  futimes: { syscall: 'futime', rights: ['futimes'] },
} as const satisfies Record<string, DescriptorCall>;

/** Describes a read: with a position it is pread(2), which moves within the file and so needs CAP_SEEK as well. */
export function readCall(position: unknown): DescriptorCall {
  return { syscall: 'read', rights: isPosition(position) ? ['read', 'seek'] : ['read'] };
}

/** Describes a write: with a position it is pwrite(2). */
export function writeCall(position: unknown): DescriptorCall {
  return { syscall: 'write', rights: isPosition(position) ? ['write', 'seek'] : ['write'] };
}

/** Gives the error for a call that the descriptor's rights do not cover, or undefined where they do. */
export function lackingRights(
  kernel: SimulatedKernel,
  fd: unknown,
  call: DescriptorCall,
): NodeJS.ErrnoException | undefined {
  if (typeof fd !== 'number' || !Number.isInteger(fd) || fd < 0) return undefined;
  if (kernel.missingRights(fd, call.rights).length === 0) return undefined;
  return systemError(ENOTCAPABLE, { syscall: call.syscall });
}

/** Both runtimes write "from where the file is" as null, undefined or -1. */
function isPosition(position: unknown): boolean {
  return (typeof position === 'number' || typeof position === 'bigint') && position >= 0;
}
