/**
 * What `capsule` exits with, where it is not what its command did. From sysexits(3), and env(1) for a command that did not
 * start.
 */
export const STATUS = {
  ok: 0,
  /** EX_USAGE */
  usage: 64,
  /** EX_DATAERR: the plan is not valid. */
  invalidPlan: 65,
  /** EX_NOINPUT: the plan cannot be read. */
  noPlan: 66,
  /** EX_UNAVAILABLE: no kernel that could do it, or could be asked. */
  unavailable: 69,
  /** EX_SOFTWARE: a fault of this program. */
  software: 70,
  /** EX_OSERR: the system refused, for another reason than those here. */
  system: 71,
  /** EX_CANTCREAT: the file for the report cannot be written. */
  noReport: 73,
  /** EX_NOPERM */
  noPermission: 77,
  /** EX_CONFIG: the capsule does not hold what the plan requires of it. */
  requirement: 78,
  cannotExecute: 126,
  notFound: 127,
} as const;

/** How a shell tells of a command that a signal ended: 128 and its number. */
export const SIGNALLED = 128;
