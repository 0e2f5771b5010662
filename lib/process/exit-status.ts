import { signalName } from './signals.ts';

/** How a process ended. */
export interface ExitStatus {
  /** What it gave to exit(3); null when a signal ended it. */
  readonly code: number | null;
  /** The signal that ended it; null when it exited. */
  readonly signal: NodeJS.Signals | null;
  /** Whether it left a core file. */
  readonly coreDumped: boolean;
  /**
   * What it used, as `process.resourceUsage()` has it (times in microseconds, `maxRSS` in kibibytes). Absent where the
   * kernel does not give it: the descriptor lacks the right `pdwait`, somebody else has waited for the process, or,
   * before FreeBSD 15.1, it is not this process's child.
   */
  readonly resourceUsage?: NodeJS.ResourceUsage;
}

const CORE_FLAG = 0x80;
const SIGNAL_MASK = 0x7f;

/** Reads a wait status (wait(2)) and, where it is known, the numbers of `struct rusage`. */
export function exitStatus(status: number, usage?: readonly number[]): ExitStatus {
  const signal = status & SIGNAL_MASK;
  return {
    code: signal === 0 ? (status >> 8) & 0xff : null,
    signal: signal === 0 ? null : signalName(signal),
    coreDumped: signal !== 0 && (status & CORE_FLAG) !== 0,
    ...(usage === undefined ? {} : { resourceUsage: resourceUsage(usage) }),
  };
}

function resourceUsage(values: readonly number[]): NodeJS.ResourceUsage {
  // In the order of struct rusage.
  const [
    userCPUTime = 0,
    systemCPUTime = 0,
    maxRSS = 0,
    sharedMemorySize = 0,
    unsharedDataSize = 0,
    unsharedStackSize = 0,
    minorPageFault = 0,
    majorPageFault = 0,
    swappedOut = 0,
    fsRead = 0,
    fsWrite = 0,
    ipcSent = 0,
    ipcReceived = 0,
    signalsCount = 0,
    voluntaryContextSwitches = 0,
    involuntaryContextSwitches = 0,
  ] = values;
  return {
    userCPUTime,
    systemCPUTime,
    maxRSS,
    sharedMemorySize,
    unsharedDataSize,
    unsharedStackSize,
    minorPageFault,
    majorPageFault,
    swappedOut,
    fsRead,
    fsWrite,
    ipcSent,
    ipcReceived,
    signalsCount,
    voluntaryContextSwitches,
    involuntaryContextSwitches,
  };
}
