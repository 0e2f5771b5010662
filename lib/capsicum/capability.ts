import fs from 'node:fs';
import { inspect } from 'node:util';
import { toFd } from '../descriptor.ts';
import { invalidArgType, invalidArgValue } from '../errors.ts';
import { getRights, type Implied, limitRights, type Right, type Rights } from './rights.ts';

/**
 * A descriptor whose rights the compiler knows.
 *
 * `limit` narrows the descriptor itself and hands it on: the object it is called on is spent afterwards (`fd` is -1),
 * so that nobody holds one whose type promises more than the kernel grants.
 *
 * @see [rights(4)](https://man.freebsd.org/cgi/man.cgi?query=rights&sektion=4)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { openSync } from 'node:fs';
 * import { Capability, Rights } from 'freebsd-capsule';
 * using log = Capability.of(openSync('/tmp/audit.log', 'a'), Rights.of('write', 'fstat'));
 * using writer = log.limit(Rights.of('write'));
 * writer.limit(Rights.of('read')); // does not compile; at run time throws ENOTCAPABLE
 * ```
 */
export class Capability<R extends Right = Right> implements Disposable {
  #fd: number;
  /** Keeps `R` in the type: one with more rights passes for one with fewer, never the other way round. */
  declare protected readonly allows: (right: R) => void;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Takes over an open descriptor, limits it to `rights`, and closes it when disposed of.
   *
   * @param fd its number, which nothing else may close from now on; or a capability, which is spent. What closes its own
   * descriptor (a FileHandle, a socket) cannot give it away.
   * @throws as `limitRights`; the descriptor then still belongs to the caller, as it was
   */
  static of<R extends Right>(fd: number | Capability<never>, rights: Rights<R>): Capability<R> {
    if (typeof fd !== 'number' && !(fd instanceof Capability)) {
      throw invalidArgType('fd', 'of type number or an instance of Capability', fd);
    }
    const number = toFd(fd);
    limitRights(number, rights);
    if (fd instanceof Capability) fd.#fd = -1;
    return new Capability<R>(number);
  }

  /** The descriptor's number; -1 once closed, or handed on by `limit`. */
  get fd(): number {
    return this.#fd;
  }

  /** The rights it has now, read from the kernel. */
  get rights(): Rights {
    return getRights(this.#open());
  }

  /**
   * Limits the descriptor to `rights` and hands it on as a capability of those; this object is spent.
   *
   * @throws `ENOTCAPABLE` for a right that the descriptor does not have; this object then keeps it, unchanged
   */
  limit<S extends Implied<R>>(rights: Rights<S>): Capability<S> {
    const fd = this.#open();
    limitRights(fd, rights);
    const narrowed = new Capability<S>(fd);
    this.#fd = -1;
    return narrowed;
  }

  /** Closes the descriptor. A second call does nothing, nor does one on a spent object. */
  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd !== -1) fs.closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [inspect.custom](): string {
    if (this.#fd === -1) return 'Capability { closed }';
    let rights: string;
    try {
      rights = inspect(this.rights);
    } catch (error) {
      // Somebody closed the number. Printing must not throw, least of all inside another error.
      rights = String((error as NodeJS.ErrnoException).code);
    }
    return `Capability { fd: ${this.#fd}, ${rights} }`;
  }

  #open(): number {
    if (this.#fd === -1) throw invalidArgValue('this', this, 'is closed or was handed on by limit()');
    return this.#fd;
  }
}
