import { native } from '../binding.ts';

/** Makes the error of a call on something closed, as Node's FileHandle does. */
function closedError(syscall: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${what} closed`), { code: 'EBADF', syscall });
}

/** Closes a descriptor that the addon opened, which keeps account of them. */
export function closeHeld(fd: number): void {
  native('close').closeHeld(fd);
}

/**
 * A descriptor that calls on other threads use. It is closed when the last of them is done: closed any earlier, its number
 * might be another file's by the time such a call gets to it.
 */
export class SharedDescriptor {
  readonly #what: string;
  readonly #close: (fd: number) => void;
  #fd: number;
  #users = 0;
  #closing:
    | { readonly fd: number; readonly closed: Promise<void>; resolve(): void; reject(reason: unknown): void }
    | undefined;

  /** Takes over a descriptor, to be closed by those who opened it: the runtime keeps account of its own too. */
  constructor(fd: number, what: string, close: (fd: number) => void = closeHeld) {
    this.#fd = fd;
    this.#what = what;
    this.#close = close;
  }

  /** The number; -1 once `close` was called. */
  get fd(): number {
    return this.#fd;
  }

  /** Gives the number to a call of this thread. */
  open(syscall: string): number {
    if (this.#fd === -1) throw closedError(syscall, this.#what);
    return this.#fd;
  }

  /** Keeps the descriptor until the work is done. */
  async during<Result>(syscall: string, work: (fd: number) => Promise<Result>): Promise<Result> {
    const fd = this.open(syscall);
    this.#users++;
    try {
      return await work(fd);
    } finally {
      this.#users--;
      this.#closeIfUnused();
    }
  }

  /**
   * Takes no more work, and closes when there is none. A second call does nothing but wait with the first. Rejects when
   * somebody else has closed the number.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      let settle: { resolve(): void; reject(reason: unknown): void } | undefined;
      const closed = new Promise<void>((resolve, reject) => {
        settle = { resolve, reject };
      });
      this.#closing = { fd: this.#fd, closed, ...(settle as NonNullable<typeof settle>) };
      this.#fd = -1;
      this.#closeIfUnused();
    }
    return this.#closing.closed;
  }

  #closeIfUnused(): void {
    if (this.#closing === undefined || this.#users > 0) return;
    const { fd, resolve, reject } = this.#closing;
    try {
      this.#close(fd);
      resolve();
    } catch (error) {
      // Not thrown: it is no news to the call that happens to be the last.
      reject(error);
    }
  }
}
