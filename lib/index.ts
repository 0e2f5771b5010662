/**
 * FreeBSD's Capsicum and jails for Node.js and Bun.
 *
 * A *capability* is a descriptor together with the rights that the kernel keeps for it. In *capability mode* a process
 * can use the capabilities it holds and nothing else: no path, no address, no process number opens anything new. So a
 * program first opens what it needs, then limits each descriptor to what it is for, then enters. `seal()` does all of
 * it for a server in one call; `Rights`, `limitRights()` and `enter()` are the parts.
 *
 * Where a comment says since which FreeBSD something works, 14.0 is the oldest that the package supports; much of it is
 * older. On older kernels than named the call throws, as it does where there is no FreeBSD.
 *
 * @packageDocumentation
 */

export {
  type ExplanationContext,
  explainCapabilityError,
  type HeldRights,
  isCapabilityError,
} from './capability-errors.ts';
export { Capability } from './capsicum/capability.ts';
export { type FcntlCommand, getFcntls, limitFcntls } from './capsicum/fcntls.ts';
export { getIoctls, type IoctlCommand, type IoctlName, limitIoctls } from './capsicum/ioctls.ts';
export { enter, isSandboxed } from './capsicum/mode.ts';
export { getRights, type Implied, limitRights, type Parts, RIGHTS, type Right, Rights } from './capsicum/rights.ts';
export { Capsule, type JailCapsule, type SpawnedCapsule } from './capsule/capsule.ts';
export type { CapsulePlan, PlannedJail } from './capsule/capsule-plan.ts';
export {
  type DescriptorInfo,
  type DescriptorKind,
  type DescriptorOwner,
  listDescriptors,
} from './capsule/inventory.ts';
export type { JailSealOptions } from './capsule/jail-seal.ts';
export type { DescriptorPlan, DirectoryPlan, SealPlan, ServerLike } from './capsule/plan.ts';
export type { Adversary, Cell, Grade, Property, PropertyTable, Requirements } from './capsule/properties.ts';
export type {
  SealedDescriptor,
  SealedJail,
  SealReport,
  SealReportData,
  SealStep,
  SealStepName,
} from './capsule/report.ts';
export type { Limits } from './capsule/roles.ts';
export { seal } from './capsule/seal.ts';
export type { JailSealing } from './capsule/seal-jail.ts';
export type { CapsuleSpawnOptions } from './capsule/spawn-capsule.ts';
export type { DescriptorLike } from './descriptor.ts';
export type { RelativePath, TimeLike } from './directory/arguments.ts';
export type { FileData } from './directory/descriptor-calls.ts';
export {
  Directory,
  type DirectoryOptions,
  type IntoOptions,
  type ListOptions,
  type MakeDirectoryOptions,
  type ReadFileOptions,
  type RemoveOptions,
  type WriteFileOptions,
} from './directory/directory.ts';
export type {
  FileDataSource,
  FileHandle,
  HandleReadStreamOptions,
  HandleWriteStreamOptions,
  ReadOptions,
} from './directory/file-handle.ts';
export type { JailCreateOptions } from './jail/create.ts';
export { isJailed, Jail, type JailListOptions } from './jail/jail.ts';
export { JailDescriptor } from './jail/jail-descriptor.ts';
export { type JailParameterInfo, type JailParameterType, jailParameters } from './jail/parameter-table.ts';
export type {
  JailChanges,
  JailMetadata,
  JailParameterName,
  JailParameters,
  JailParameterTypes,
  JailSystem,
  JailValue,
  JailValues,
} from './jail/parameter-types.ts';
export type { JailEvent, JailWatchOptions } from './jail/watch.ts';
export { type Kernel, kernel } from './kernel.ts';
export type { ChildDescriptor, Stdio } from './process/child-descriptors.ts';
export type { ExitStatus } from './process/exit-status.ts';
export { ProcessDescriptor, type WaitOptions } from './process/process-descriptor.ts';
export { spawn } from './process/spawn.ts';
export type { LimitName, ResourceLimit, SpawnOptions } from './process/spawn-options.ts';
