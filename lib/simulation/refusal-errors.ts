import { ECAPMODE } from '../errors.ts';

/** ENOTCAPABLE: the descriptor lacks a right. FreeBSD's number, on every system. */
export const ENOTCAPABLE = 93;
export { ECAPMODE };

/** What a refused call was about, as far as its error tells. */
export interface RefusedCall {
  readonly syscall: string;
  readonly path?: string | undefined;
  readonly dest?: string | undefined;
}

/** Tells whether the process runs under Bun. */
export const underBun = 'bun' in process.versions;

const bunNames = { [ENOTCAPABLE]: 'ENOTCAPABLE', [ECAPMODE]: 'ECAPMODE' } as const;

/** Names an error number as libuv does where it has no name for it. */
export function libuvName(errno: number): string {
  return `Unknown system error -${errno}`;
}

/** Makes the error that the running runtime gives for a refused file-system call. */
export function systemError(errno: typeof ENOTCAPABLE | typeof ECAPMODE, call: RefusedCall): NodeJS.ErrnoException {
  const code = underBun ? bunNames[errno] : libuvName(errno);
  const reason = underBun ? 'unknown error' : code;
  let message = `${code}: ${reason}, ${call.syscall}`;
  if (call.path !== undefined) message += ` '${call.path}'`;
  if (call.dest !== undefined) message += ` -> '${call.dest}'`;
  const error = describedError(message, { errno: -errno, code, syscall: call.syscall });
  if (call.path !== undefined) error.path = call.path;
  if (call.dest !== undefined) Object.assign(error, { dest: call.dest });
  return error;
}

/** Makes an error with the given message and properties. */
export function describedError(message: string, properties: object, type: ErrorConstructor = Error) {
  return Object.assign(new type(message), properties) as NodeJS.ErrnoException;
}

/** Makes the ERR_SYSTEM_ERROR that `node:os` throws. `errno` is what the C++ side reported, of either sign. */
export function operatingSystemError(syscall: string, errno: number): NodeJS.ErrnoException {
  const code = `Unknown system error ${errno}`;
  const error = describedError(`A system error occurred: ${syscall} returned ${code} (${code})`, {
    code: 'ERR_SYSTEM_ERROR',
    info: { errno, code, message: code, syscall },
    errno,
    syscall,
  });
  Object.defineProperty(error, 'name', { value: 'SystemError', configurable: true, writable: true });
  return error;
}

/** Shows a path argument of any accepted kind the way error messages do. */
export function pathText(path: unknown): string {
  if (typeof path === 'string') return path;
  if (path instanceof URL) return decodeURIComponent(path.pathname);
  if (path instanceof Uint8Array) return Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString();
  return String(path);
}
