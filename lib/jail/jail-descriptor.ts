import fs from 'node:fs';
import { inspect } from 'node:util';
import { native } from '../binding.ts';
import type { JailCapsule } from '../capsule/capsule.ts';
import { type JailSealing, sealJail } from '../capsule/seal-jail.ts';
import type { DescriptorLike } from '../descriptor.ts';
import { checkObject, invalidArgValue, invalidState } from '../errors.ts';
import type { ProcessDescriptor } from '../process/process-descriptor.ts';
import type { SpawnOptions } from '../process/spawn-options.ts';
import { attachProcess } from './attach.ts';
import {
  attachByDescriptor,
  checkNewName,
  inJail,
  JAIL,
  type JailKey,
  openJail,
  readJail,
  requireFreeBSD15,
  updateJail,
} from './calls.ts';
import { createJail, isOwned, type JailCreateOptions } from './create.ts';
import type { JailChanges, JailParameterName, JailParameters, JailValues } from './parameter-types.ts';
import { encodeParameters } from './parameters.ts';
import { untilRemoved } from './removed.ts';
import { spawnIn } from './spawn-in.ts';
import { checkSignal, type JailEvent, type JailEvents, type JailWatchOptions, watchJail } from './watch.ts';

let construct: (fd: number, jid: number, owned: boolean) => JailDescriptor;
let forget: (descriptor: JailDescriptor) => number;

/**
 * A descriptor of a jail. It means that very jail, also after another got the number; an owning one keeps it alive, and
 * removes it when it is closed. FreeBSD 15.0.
 *
 * **Whoever has one that root made can change, enter and remove the jail.** The kernel asks who opened it, not who uses it,
 * and looks at neither capability rights nor whether the user is inside: a process in the jail that gets hold of it can
 * undo what confines it. So never let one into the jail it names. It is closed on exec; do not pass it to a child that will
 * be attached, nor over a socket that a jailed process reads.
 *
 * @see [jail(2)](https://man.freebsd.org/cgi/man.cgi?query=jail&sektion=2)
 * @since FreeBSD 15.0
 *
 * @example
 * ```ts
 * import { Jail } from 'freebsd-capsule';
 * using jail = Jail.create({ name: 'job', path: '/jails/job' }, { owned: true });
 * jail.set({ 'host.hostname': 'job.example' });
 * // Removed here, with every process in it; also if this process is killed before.
 * ```
 */
export class JailDescriptor implements Disposable, AsyncDisposable {
  #fd: number;
  readonly #jid: number;
  readonly #owned: boolean;
  readonly #watches = new Set<JailEvents>();

  static {
    construct = (fd, jid, owned) => new JailDescriptor(fd, jid, owned);
    forget = (descriptor) => descriptor.#forget();
  }

  private constructor(fd: number, jid: number, owned: boolean) {
    this.#fd = fd;
    this.#jid = jid;
    this.#owned = owned;
  }

  /** The descriptor's number; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** The jail's number. */
  get jid(): number {
    return this.#jid;
  }

  /** Whether closing it removes the jail. */
  get owned(): boolean {
    return this.#owned;
  }

  /**
   * Reads parameters: those named, or all that the running kernel has.
   *
   * @throws `ENOENT` when the jail is gone; `ERR_INVALID_ARG_VALUE` for an unknown name, or when this is closed
   */
  get<Name extends JailParameterName>(...names: Name[]): JailValues<Name> {
    return inJail(this.#jid, () => Object.fromEntries(readJail(this.#key(), names)) as JailValues<Name>);
  }

  /**
   * Changes parameters, all or none but for metadata: see `Jail#set`.
   *
   * Limits are checked against the jail of this process, not against the jail's parent.
   *
   * @throws as `Jail#set`
   */
  set(parameters: JailChanges): void {
    checkObject('parameters', parameters);
    const { name, ...others } = parameters;
    const encoded = encodeParameters({ name, ...others }, 'parameters', false);
    inJail(this.#jid, () => {
      checkNewName(this.#key(), name);
      updateJail(this.#key(), encoded);
    });
  }

  /**
   * Creates a jail in this one, with this process's own privilege.
   *
   * @throws as `Jail.create`; `EPERM` also when this jail's `children.max` is reached, and 0 it is by default
   */
  create(parameters: JailParameters, options: JailCreateOptions = {}): JailDescriptor {
    const owned = isOwned(options);
    const created = createJail(parameters, owned ? 'owned' : 'plain', this.#open());
    return construct(created.fd, created.jid, owned);
  }

  /**
   * Puts this process into the jail, irreversibly, with all its threads. As `Jail#attach`; and close this descriptor
   * right after: who has it inside can still change and remove the jail. Closing one that owns the jail removes it, with
   * this process; so open another to attach by.
   *
   * @throws as `Jail#attach`; `ENOENT` when the jail is gone
   */
  attach(): void {
    const { name } = this.get('name');
    // Not jail_attach_jd(2): in 15.0 and 15.1 it keeps a reference for good, and the jail would be dying for ever.
    attachProcess('jail_set', () => {
      inJail(this.#jid, () => attachByDescriptor(this.#open()));
      return { jid: this.#jid, name };
    });
  }

  /**
   * Starts a program in the jail: the child attaches, never this process. As `spawn()`, with this jail; `cwd` and a path
   * for `file` are inside of it.
   *
   * @throws as `spawn()`; `EPERM` when not root
   * @see [jail_attach(2)](https://man.freebsd.org/cgi/man.cgi?query=jail_attach&sektion=2)
   */
  spawn(
    file: string | DescriptorLike,
    args: readonly string[] = [],
    options: Omit<SpawnOptions, 'jail'> = {},
  ): ProcessDescriptor {
    return spawnIn({ fd: this.#open() }, file, args, options);
  }

  /**
   * Removes the jail, the jails in it, and kills every process in them. The descriptor stays open.
   *
   * @throws `ENOENT` when the jail is gone; `EPERM` when the descriptor was not opened by root
   */
  remove(): void {
    const fd = this.#open();
    inJail(this.#jid, () => native('jail_remove_jd').jailRemoveDescriptor(fd));
  }

  /**
   * Seals the jail, with the processes that are in it. As `Jail#seal`; `configure` must leave this descriptor open.
   *
   * @throws as `Jail#seal`; `ERR_INVALID_STATE` when it was closed
   */
  async seal(options: JailSealing<JailDescriptor> = {}): Promise<JailCapsule> {
    this.#open();
    return sealJail<JailDescriptor>(this, options);
  }

  /**
   * Waits until the jail is gone, with its last process. As `Jail#removed`.
   *
   * @throws the signal's reason
   */
  async removed(options: JailWatchOptions = {}): Promise<void> {
    const signal = checkSignal(options);
    // By the descriptor as long as there is one: it means this very jail, and sees it from wherever this process is.
    let dying = this.#owned;
    if (this.#fd !== -1) {
      for await (const event of this.watch({ signal })) dying ||= event.type === 'remove';
    }
    await untilRemoved(this.#jid, signal, dying);
  }

  /**
   * Watches the jail. As `Jail#watch`, and it works with a descriptor of a jail in another branch of the tree. Of a jail
   * that is gone, the removal is told. Closing the descriptor ends the watch.
   *
   * @throws `ENOTCAPABLE` when the descriptor lacks the right `event`
   */
  watch(options: JailWatchOptions = {}): AsyncIterableIterator<JailEvent, undefined> {
    const events = watchJail('jaildesc', this.#open(), options, (over) => this.#watches.delete(over));
    this.#watches.add(events);
    return events;
  }

  /**
   * Closes the descriptor; if it owns the jail, that removes it, unless another process still has a duplicate: then the
   * last close does. This works in capability mode too. A second call does nothing.
   */
  close(): void {
    const fd = this.#forget();
    if (fd === -1) return;
    native('close').releaseHeld(fd);
    fs.closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Closes, and of an owned jail waits until it is gone; not where a duplicate in another process keeps it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const wasOpen = this.#fd !== -1;
    this.close();
    if (wasOpen && this.#owned) await this.removed();
  }

  [inspect.custom](): string {
    if (this.#fd === -1) return `JailDescriptor { closed, jid: ${this.#jid} }`;
    return `JailDescriptor { fd: ${this.#fd}, jid: ${this.#jid}${this.#owned ? ', owned' : ''} }`;
  }

  #open(): number {
    if (this.#fd === -1) throw invalidArgValue('this', this, 'is closed');
    requireFreeBSD15('jail_get', 'Jail descriptors');
    return this.#fd;
  }

  #key(): JailKey {
    return { fd: this.#open() };
  }

  #forget(): number {
    const fd = this.#fd;
    this.#fd = -1;
    // The kernel would forget them without a word, and their number may be another descriptor's in a moment.
    for (const events of this.#watches) void events.return();
    return fd;
  }
}

/**
 * Makes sure that a descriptor is open on its jail, and the jail alive: who knows the number can have closed it, and it can
 * be another file's by now.
 *
 * @param who whom the error is to name
 * @throws `ERR_INVALID_STATE` when it was closed; `ENOENT` when the jail is gone
 */
export function checkOpen(descriptor: JailDescriptor, who: string): void {
  const { fd, jid } = descriptor;
  const closed = () =>
    invalidState(`${who} closed the descriptor of jail ${jid}, which has to stay open until the jail is sealed`);
  if (fd === -1) throw closed();
  let found: number;
  try {
    ({ jid: found } = inJail(jid, () => native('jail_get').jailGet([], [], fd, JAIL.USE_DESC)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EINVAL: it is not one of a jail.
    throw code === 'EBADF' || code === 'EINVAL' ? closed() : error;
  }
  if (found !== jid) throw closed();
}

/**
 * Closes a descriptor, unless its number is another file's by now.
 *
 * @returns whether it was there to close
 */
export function closeOwn(descriptor: JailDescriptor): boolean {
  try {
    checkOpen(descriptor, 'Somebody');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_INVALID_STATE') {
      forget(descriptor);
      return false;
    }
    // A jail that is gone, and capability mode, which does not tell: all the more it is to be closed.
  }
  descriptor.close();
  return true;
}

/** Opens a descriptor of a jail. */
export function openDescriptor(key: JailKey, options: unknown): JailDescriptor {
  const owned = isOwned(options);
  requireFreeBSD15('jail_get', 'Jail descriptors');
  const { fd, jid } = openJail(key, owned);
  return construct(fd, jid, owned);
}

/** Creates a jail that its descriptor owns. */
export function createOwned(parameters: unknown): JailDescriptor {
  const { fd, jid } = createJail(parameters, 'owned');
  return construct(fd, jid, true);
}
