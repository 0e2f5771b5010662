import fs from 'node:fs';

/** Makes the error of a call on something closed, as Node's FileHandle does. */
function closedError(syscall: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${what} closed`), { code: 'EBADF', syscall });
}

/**
 * A descriptor that calls on other threads use. It is closed when the last of them is done: closed any earlier, its number
 * might be another file's by the time such a call gets to it.
 */
export class SharedDescriptor {
  readonly #what: string;
  #fd: number;
  #users = 0;
  #closing: { readonly fd: number; readonly closed: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(fd: number, what: string) {
    this.#fd = fd;
    this.#what = what;
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

  /** Takes no more work, and closes when there is none. A second call does nothing but wait with the first. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      let resolve = () => {};
      const closed = new Promise<void>((done) => {
        resolve = done;
      });
      this.#closing = { fd: this.#fd, closed, resolve };
      this.#fd = -1;
      this.#closeIfUnused();
    }
    return this.#closing.closed;
  }

  #closeIfUnused(): void {
    if (this.#closing === undefined || this.#users > 0) return;
    fs.closeSync(this.#closing.fd);
    this.#closing.resolve();
  }
}
