import { inspect } from 'node:util';
import { native } from '../binding.ts';
import type { JailCapsule } from '../capsule/capsule.ts';
import { type JailSealing, sealJail } from '../capsule/seal-jail.ts';
import type { DescriptorLike } from '../descriptor.ts';
import { checkInteger, checkKeys, checkObject, invalidArgType, invalidArgValue, withMore } from '../errors.ts';
import type { ProcessDescriptor } from '../process/process-descriptor.ts';
import type { SpawnOptions } from '../process/spawn-options.ts';
import { attachProcess, enteredJail } from './attach.ts';
import { checkNewName, inJail, nextJail, readJail, updateJail } from './calls.ts';
import { createJail, fullName, isOwned, type JailCreateOptions } from './create.ts';
import { createOwned, type JailDescriptor, openDescriptor } from './jail-descriptor.ts';
import { jidOfName } from './numeric-name.ts';
import type { JailChanges, JailParameterName, JailParameters, JailValues } from './parameter-types.ts';
import { encodeParameters } from './parameters.ts';
import { untilRemoved } from './removed.ts';
import { spawnIn } from './spawn-in.ts';
import { checkSignal, type JailEvent, type JailWatchOptions, watchJail } from './watch.ts';

/** JAIL_MAX */
const MAX_JID = 999999;

/** Options of `Jail.list`. */
export interface JailListOptions {
  /** Whether jails are listed that are removed, but kept by a process or a socket that has not ended. */
  readonly dying?: boolean | undefined;
}

/**
 * A jail, by its number.
 *
 * A number is a name, not a possession: another process may remove the jail, and in time the number may be another's.
 * `open()` and `Jail.create(…, { owned: true })` give a descriptor, which means one jail for good. Seen from a process in a
 * jail, only the jails below its own exist.
 *
 * @see [jail(2)](https://man.freebsd.org/cgi/man.cgi?query=jail&sektion=2)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { Jail } from 'freebsd-capsule';
 * const jail = Jail.create({ name: 'web', path: '/jails/web', 'ip4.addr': ['192.0.2.7'], 'allow.set_hostname': false });
 * jail.get('path', 'ip4.addr'); // { path: '/jails/web', 'ip4.addr': ['192.0.2.7'] }
 * Jail.create({ name: 'web', path: '/' }); // throws EEXIST: … jail "web" already exists
 * jail.remove();
 * ```
 */
export class Jail {
  readonly #jid: number;
  #name: string;
  /** Whether this process is in it: then only watching works. */
  readonly #own: boolean;

  private constructor(jid: number, name: string, own = false) {
    this.#jid = jid;
    this.#name = name;
    this.#own = own;
  }

  /**
   * Creates a jail. It is there until it is removed, with or without processes; with `owned`, until its descriptor is
   * closed.
   *
   * `persist` is true unless given: the kernel makes no jail that neither persists nor is entered at once.
   *
   * @param parameters by the kernel's names: see `JailParameterTypes`. All are checked before the kernel is asked
   * @throws argument errors that name the parameter, what it takes and, for an unknown one, the nearest known name;
   * `EPERM` when not root, or in a jail whose `children.max` is reached or that has less than what is asked for; `EEXIST`
   * for a name or number in use; `ENOENT` or `ENOTDIR` for `path`; `EADDRINUSE` for an address that another jail with
   * several has. Whether the machine has an address is not checked by the kernel: binding fails then, in the jail
   * @see [jail_set(2)](https://man.freebsd.org/cgi/man.cgi?query=jail_set&sektion=2)
   */
  static create(parameters: JailParameters, options: JailCreateOptions & { readonly owned: true }): JailDescriptor;
  static create(parameters: JailParameters, options?: JailCreateOptions & { readonly owned?: false }): Jail;
  static create(parameters: JailParameters, options: JailCreateOptions): Jail | JailDescriptor;
  static create(parameters: JailParameters, options: JailCreateOptions = {}): Jail | JailDescriptor {
    if (isOwned(options)) return createOwned(parameters);
    const { jid, name } = createJail(parameters, 'none');
    return new Jail(jid, name);
  }

  /**
   * Finds a jail by number or name. Names of jails inside others have dots: `'web.worker'`.
   *
   * @throws `ENOENT` when there is none, or it is dying
   * @see [jail_get(2)](https://man.freebsd.org/cgi/man.cgi?query=jail_get&sektion=2)
   *
   * @example
   * ```ts
   * import { Jail } from 'freebsd-capsule';
   * Jail.get('no-such-jail'); // throws ENOENT: … jail "no-such-jail" not found
   * ```
   */
  static get(idOrName: number | string): Jail {
    if (typeof idOrName === 'string') {
      if (idOrName === '' || idOrName.includes('\0')) {
        throw invalidArgValue('idOrName', idOrName, 'must be a name that is not empty and has no null bytes');
      }
      const jid = jidOfName(idOrName);
      if (jid !== undefined) return Jail.get(jid);
      return inJail(idOrName, () => {
        const jid = readJail({ name: idOrName }, ['jid']).get('jid') as number;
        return new Jail(jid, idOrName);
      });
    }
    if (typeof idOrName !== 'number') throw invalidArgType('idOrName', 'of type number or string', idOrName);
    checkInteger('idOrName', idOrName, 1, MAX_JID);
    return inJail(idOrName, () => {
      const name = readJail({ jid: idOrName }, ['name']).get('name') as string;
      return new Jail(idOrName, name);
    });
  }

  /**
   * Lists the jails that this process can see, by number.
   *
   * Jails may come and go meanwhile: one that is there all the time is in the list, once.
   *
   * @throws `ENOSYS` when there is no FreeBSD kernel
   */
  static list(options: JailListOptions = {}): Jail[] {
    checkObject('options', options);
    checkKeys('options', options, ['dying']);
    const { dying = false } = options;
    if (typeof dying !== 'boolean') throw invalidArgType('options.dying', 'of type boolean', dying);
    const jails: Jail[] = [];
    for (let found = nextJail(0, dying); found !== undefined; found = nextJail(found.jid, dying)) {
      jails.push(new Jail(found.jid, found.name));
    }
    return jails;
  }

  /**
   * Returns the jail that this process is in; undefined outside of any.
   *
   * From inside, the kernel tells `watch()` what happens to the jail, and nothing else: not even its number, which is 0
   * here unless this program itself attached. Ask before `enter()` or `seal()`: capability mode does not tell either.
   *
   * @throws `ENOSYS` when there is no FreeBSD kernel; `EPERM` in capability mode
   */
  static current(): Jail | undefined {
    if (!isJailed()) return undefined;
    const { jid, name } = enteredJail() ?? { jid: 0, name: '' };
    return new Jail(jid, name, true);
  }

  /** The jail's number; 0 for the jail of this process, unless it attached itself. */
  get jid(): number {
    return this.#jid;
  }

  /** The name it had when it was looked up or set through this object; empty where `jid` is 0. */
  get name(): string {
    return this.#name;
  }

  /**
   * Reads parameters: those named, or all that the running kernel has, at one moment.
   *
   * Needs no privilege. `ip4` and `ip6` read as `'disable'` for a jail made with `'new'`: the kernel keeps no difference.
   *
   * @throws `ENOENT` when the jail is gone or dying; `ERR_INVALID_ARG_VALUE` for an unknown name
   * @see [jail_get(2)](https://man.freebsd.org/cgi/man.cgi?query=jail_get&sektion=2)
   */
  get<Name extends JailParameterName>(...names: Name[]): JailValues<Name> {
    return this.#call(() => Object.fromEntries(readJail({ jid: this.#jid }, names)) as JailValues<Name>);
  }

  /**
   * Changes parameters, all or none. `undefined` leaves one as it is; `'meta.key': null` removes a key.
   *
   * With one exception, the kernel's: when `meta` or `env` would get too long (`EFBIG`), the others are changed.
   *
   * Limits of a jail further down are checked against the jail of this process, not against the jail's own parent: the
   * kernel lets it get more than that has.
   *
   * @throws argument errors as `create`, also for what is fixed at creation; `ENOENT` when the jail is gone; `EPERM` when
   * not root, or beyond what the jail of this process has; `EEXIST` for a name in use; `EFBIG` for more metadata than
   * the sysctl security.jail.meta_maxbufsize allows
   * @see [jail_set(2)](https://man.freebsd.org/cgi/man.cgi?query=jail_set&sektion=2)
   *
   * @example
   * ```ts
   * import { Jail } from 'freebsd-capsule';
   * Jail.get('web').set({ 'allow.raw_sockets': true, 'meta.owner': 'ops' });
   * Jail.get('web').set({ path: '/' }); // does not compile; at run time an argument error
   * ```
   */
  set(parameters: JailChanges): void {
    checkObject('parameters', parameters);
    const { name, ...others } = parameters;
    const encoded = encodeParameters({ name, ...others }, 'parameters', false);
    this.#call(() => {
      checkNewName({ jid: this.#jid }, name);
      updateJail({ jid: this.#jid }, encoded);
    });
    if (name !== undefined) this.#name = fullName(name, this.#jid);
  }

  /**
   * Puts this process into the jail, irreversibly, with all its threads: its root directory and its working directory
   * become the jail's path.
   *
   * The process must have no directory open, since that would lead out: the error names those of the program; one that
   * the runtime holds for itself is replaced by an eventfd(2) without rights. To start a program in a jail instead, leave this process out.
   *
   * @throws `EPERM` when not root, or with a directory open (then nothing was changed); `EINVAL` when the jail is gone;
   * `ERR_WORKER_UNSUPPORTED_OPERATION` in a worker thread
   * @see [jail_attach(2)](https://man.freebsd.org/cgi/man.cgi?query=jail_attach&sektion=2)
   */
  attach(): void {
    attachProcess('jail_attach', () => {
      this.#call(() => native('jail_attach').jailAttach(this.#jid));
      return { jid: this.#jid, name: this.#name };
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
    return spawnIn(this.#jid, file, args, options);
  }

  /**
   * Removes the jail, the jails in it, and kills every process in them. They may take a while to end: see `removed()`.
   *
   * @throws `EINVAL` when the jail is gone; `EPERM` when not root
   * @see [jail_remove(2)](https://man.freebsd.org/cgi/man.cgi?query=jail_remove&sektion=2)
   */
  remove(): void {
    this.#call(() => native('jail_remove').jailRemove(this.#jid));
  }

  /**
   * Waits until the jail is gone, removed by whomever: no process, no socket keeps it any more, and a jail of the same name
   * on the same addresses finds nothing of it. It also ends when a new jail gets the number of the dying one, which the
   * kernel then gives another.
   *
   * For the jail that this process is in, it waits for the removal, which kills the process.
   *
   * @throws the signal's reason
   *
   * @example
   * ```ts
   * import { Jail } from 'freebsd-capsule';
   * const jail = Jail.get('web');
   * jail.remove();
   * await jail.removed({ signal: AbortSignal.timeout(10_000) });
   * ```
   */
  async removed(options: JailWatchOptions = {}): Promise<void> {
    const signal = checkSignal(options);
    if (!this.#own) return untilRemoved(this.#jid, signal);
    // From inside the jail looks as if it were gone.
    for await (const event of this.watch(options)) if (event.type === 'remove') return;
  }

  /**
   * Watches what happens to the jail, from this call on. Keeps the program running until the jail is removed, the loop is
   * left, or the signal aborts. FreeBSD 15.0.
   *
   * Needs no privilege; the own jail (`Jail.current()`) can be watched in capability mode too.
   *
   * @throws `ENOENT` when the jail is gone; `ENOSYS` before FreeBSD 15.0; from the iterator, the signal's reason
   * @see [kqueue(2)](https://man.freebsd.org/cgi/man.cgi?query=kqueue&sektion=2), EVFILT_JAIL
   *
   * @example
   * ```ts
   * import { Jail } from 'freebsd-capsule';
   * for await (const event of Jail.get('web').watch()) {
   *   if (event.type === 'attach') console.log(event.pid ?? 'several processes', 'attached');
   * }
   * console.log('removed');
   * ```
   */
  watch(options: JailWatchOptions = {}): AsyncIterableIterator<JailEvent, undefined> {
    return this.#call(() => watchJail('jail', this.#own ? 0 : this.#jid, options));
  }

  /**
   * Seals the jail, with the processes that are in it: `children.max` 0, `nopersist`, `securelevel`, `enforce_statfs` 2, and
   * every `allow.*` off but those in `allow`, set in one jail_set(2) and read back. Root; FreeBSD 15.0. Namespaces of System
   * V IPC that are the jail's own stay its own; the others go where `allow.sysvipc` goes.
   *
   * Outside, root undoes it by the same call: the report says so, and `tampering()` tells when it happens. Inside, what
   * runs already keeps the session, the descriptors and the right to be traced that it has: a program that is to be sealed
   * itself is started by `Capsule.spawn()`.
   *
   * The steps, in order, and what is true when one fails:
   *
   * 1. `check`: every argument, the jail, and the grades that `require` asks for, as they are to be. Nothing was changed.
   * 2. `configure`: the callback. What it did stays.
   * 3. `seal`: the kernel reports every attachment from here on; the jail must have a process, because a sealed one ends
   *    with the last, and no jails of its own; no process may be traced (ptrace(2), ktrace(2)), or have the
   *    descriptor of a jail or of a process outside, or a directory or a device that is not under the jail's root (a terminal
   *    is graded instead: `signal` against `inside` is open then). Then the one call. From here on a failure puts back every
   *    parameter that the seal sets; the message lists those that the kernel did not take back. Whoever is inside can have
   *    raised `kern.securelevel`, or the last process can have ended, and the jail with it.
   * 4. `watch`: the kernel reports every change from here on.
   * 5. `verify`: each parameter is read back, those that the seal leaves are as they were before it, and nothing leads out
   *    still; then the grades, and what `require` asks for.
   *
   * The capsule ends with its watch, not with the jail: `close()` leaves the jail sealed.
   *
   * @throws argument errors; `ENOENT` when the jail is gone or dying; `EPERM` when not root, or for what the jail of this
   * process does not have itself; `ERR_INVALID_STATE` when this program has it sealed already or is about to, when it has no
   * process or has jails in it, when something leads out of it or a process is traced, when the bar of `require` is not met,
   * when somebody interferes; `EMFILE`; `ENOSYS` before FreeBSD 15.0
   * @see [jail_set(2)](https://man.freebsd.org/cgi/man.cgi?query=jail_set&sektion=2)
   *
   * @example
   * ```ts
   * import { Jail } from 'freebsd-capsule';
   * const jail = Jail.create({ name: 'web', path: '/jails/web' });
   * using capsule = await jail.seal({
   *   allow: ['allow.suser'],
   *   configure: (jail) => void jail.spawn('/usr/local/sbin/httpd', [], { session: true, stdio: 'ignore', daemon: true }),
   * });
   * capsule.require({ weaken: { inside: 'enforced', hostRoot: 'evident' } });
   * ```
   */
  seal(options: JailSealing<Jail> = {}): Promise<JailCapsule> {
    return sealJail<Jail>(this, options);
  }

  /**
   * Opens a descriptor of the jail, close-on-exec. With `owned`, the jail is removed when it is closed. FreeBSD 15.0.
   *
   * @throws `ENOENT` when the jail is gone or dying; `EPERM` for `owned` when not root; `ENOSYS` before FreeBSD 15.0
   */
  open(options: JailCreateOptions = {}): JailDescriptor {
    return this.#call(() => openDescriptor({ jid: this.#jid }, options));
  }

  toJSON(): { jid: number; name: string } {
    return { jid: this.#jid, name: this.#name };
  }

  [inspect.custom](): string {
    return this.#own ? `Jail { jid: ${this.#jid}, current }` : `Jail { jid: ${this.#jid}, name: '${this.#name}' }`;
  }

  #call<Result>(call: () => Result): Result {
    try {
      return inJail(this.#jid, call);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (this.#own && (code === 'ENOENT' || code === 'EINVAL')) {
        throw withMore(error, '\nA process does not see the jail it is in; outside of it, it can be asked for');
      }
      throw error;
    }
  }
}

/**
 * Tells whether this process is in a jail.
 *
 * @throws `ENOSYS` when there is no FreeBSD kernel to ask; `EPERM` in capability mode, which does not tell
 * @see [jail(8)](https://man.freebsd.org/cgi/man.cgi?query=jail&sektion=8), the sysctl security.jail.jailed
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { isJailed } from 'freebsd-capsule';
 * if (!isJailed()) throw new Error('not without a jail');
 * ```
 */
export function isJailed(): boolean {
  return native('sysctl').isJailed();
}
