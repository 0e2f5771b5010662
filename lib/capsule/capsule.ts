import { inspect } from 'node:util';
import type { DescriptorLike } from '../descriptor.ts';
import type { Directory } from '../directory/directory.ts';
import { invalidState } from '../errors.ts';
import type { Jail } from '../jail/jail.ts';
import type { JailDescriptor } from '../jail/jail-descriptor.ts';
import type { JailEvent, JailWatchOptions } from '../jail/watch.ts';
import type { ProcessDescriptor } from '../process/process-descriptor.ts';
import type { Evidence } from './evidence.ts';
import type { Requirements } from './properties.ts';
import type { SealReport } from './report.ts';
import { checkRequirements, requireGrades } from './requirements.ts';
import { type CapsuleSpawnOptions, spawnCapsule } from './spawn-capsule.ts';

/** What a capsule consists of besides its report. */
export interface CapsuleParts<Names extends string = string> {
  readonly directories?: Readonly<Record<Names, Directory>>;
  readonly jail?: Jail | JailDescriptor;
  readonly process?: ProcessDescriptor;
  readonly evidence?: Evidence;
  /** What ends with the capsule, in order. */
  readonly held?: readonly Disposable[];
}

/** A program in a jail of its own, as `Capsule.spawn` hands it back. */
export interface SpawnedCapsule extends Capsule<never> {
  readonly process: ProcessDescriptor;
  readonly jail: JailDescriptor;
}

/** A jail that was sealed from outside, as `Jail#seal` hands it back. */
export interface JailCapsule extends Capsule<never> {
  readonly jail: Jail | JailDescriptor;
}

/** Makes the object of what was sealed. For seals alone: nothing else knows what is. */
export let makeCapsule: <Names extends string>(report: SealReport, parts?: CapsuleParts<Names>) => Capsule<Names>;

/**
 * Something that is sealed: this process (`seal()`), this process in a jail of its own (`seal({ jail })`), a program in a
 * jail (`Capsule.spawn()`), or a jail (`Jail#seal()`).
 *
 * Where there is a jail, `report` grades it: for each property and each adversary whether the kernel enforces it, whether a
 * breach is evident afterwards, or whether it is open.
 *
 * @since FreeBSD 14.0; 15.0 where there is a jail
 */
export class Capsule<Names extends string = string> implements Disposable, AsyncDisposable {
  /** What was done, and what the kernel said afterwards. */
  readonly report: SealReport;
  /** The directories of the plan, open and limited to their rights. */
  readonly directories: Readonly<Record<Names, Directory>>;
  /** The jail; undefined for a process without one. */
  readonly jail: Jail | JailDescriptor | undefined;
  /** The program that `Capsule.spawn` started. */
  readonly process: ProcessDescriptor | undefined;
  readonly #evidence: Evidence | undefined;
  readonly #held: readonly Disposable[];

  static {
    makeCapsule = (report, parts = {}) => new Capsule(report, parts);
  }

  private constructor(report: SealReport, { directories, jail, process, evidence, held = [] }: CapsuleParts<Names>) {
    this.report = report;
    this.directories = Object.freeze({ ...(directories as Readonly<Record<Names, Directory>>) });
    this.jail = jail;
    this.process = process;
    this.#evidence = evidence;
    this.#held = held;
    Object.freeze(this);
  }

  /**
   * Starts a program in a new jail that is sealed before the program's first instruction, and tied to this process: when
   * this process ends, in whatever way, the jail is removed with everything in it. Root; FreeBSD 15.0.
   *
   * The steps, in order, and what is true when one fails:
   *
   * 1. `check`: every argument, and the grades that `require` asks for, as they are to be. Nothing has happened.
   * 2. `create`: jail_set(2) with JAIL_CREATE and JAIL_OWN_DESC. From here on a failure removes the jail.
   * 3. `configure`: the callback, with the jail as it is before the seal. It must leave no process in it, and the
   *    descriptor open.
   * 4. `start`: the child, as `spawn()` makes it: session, descriptors, limits (no core dumps), no new privileges, no
   *    tracing (PROC_TRACE_CTL_DISABLE_EXEC), the jail, directory, user, capability mode. It stands before execve(2), waits
   *    for a word from here, and ends without one. Since 15.1 it is the child of init(8), or of the reaper that this
   *    process has: as this one's it could have itself traced by it, and be ended by no signal. From here on a failure
   *    kills it.
   * 5. `seal`: one jail_set(2): `children.max` 0, `nopersist`, `securelevel`, `enforce_statfs` 2, every `allow.*`, and the
   *    namespaces of System V IPC again as they are.
   * 6. `watch`: the kernel reports every change from here on, and every attachment since before `start`.
   * 7. `verify`: each parameter is read back, and those that the seal leaves are as they were after `configure`; the child
   *    is the only process inside, in a session of its own, with nothing open that reaches out, and nobody else has
   *    attached; then the grades, and what `require` asks for.
   * 8. `release`: the word; execve(2) or fexecve(2). Its failure is an error here.
   *
   * After a failure neither jail nor process is left: `error.steps` has each step with its state, and the message says if
   * the kernel has not finished with the jail. That holds too when this process is killed at any moment.
   *
   * The child gets the descriptors of `stdio` and `descriptors` and no others. A directory, the descriptor of a jail or a
   * process, and a device (but null, zero, random) are refused among them, for they reach out. With a terminal, which
   * `'inherit'` often is, `signal` against `inside` is open. Whoever holds the other end of a UNIX socket can send more:
   * choose them well.
   *
   * @param file a path inside the jail; a name, looked for by the `PATH` of `env`; or a descriptor
   * @throws the argument errors; as `Jail.create` and `spawn()`; `ERR_INVALID_STATE` where the bar of `require` is not met,
   * where `configure` leaves a process or closes the descriptor, where another process attaches meanwhile; `ENOSYS` before
   * FreeBSD 15.0
   * @see [jail(2)](https://man.freebsd.org/cgi/man.cgi?query=jail&sektion=2),
   * [pdfork(2)](https://man.freebsd.org/cgi/man.cgi?query=pdfork&sektion=2)
   *
   * @example
   * ```ts
   * import { Capsule } from 'freebsd-capsule';
   * await using capsule = await Capsule.spawn('/bin/sleep', ['60'], {
   *   jail: { path: '/jails/job' },
   *   user: 1001,
   *   require: { signal: { unprivileged: 'enforced' }, attach: { hostRoot: 'evident' } },
   * });
   * console.log(capsule.report);
   * for await (const event of capsule.tampering()) console.log(event); // { type: 'attach', pid: 4711, … }
   * ```
   */
  static spawn(
    file: string | DescriptorLike,
    args: readonly string[],
    options: CapsuleSpawnOptions,
  ): Promise<SpawnedCapsule> {
    return spawnCapsule(file, args, options);
  }

  /**
   * Throws unless the report's grades are at least these, so that a program can refuse to run below its own bar.
   *
   * @throws `ERR_INVALID_STATE` that names what falls short, also in `error.shortfalls`; so too for a capsule without a
   * jail, of which nothing is graded
   *
   * @example
   * ```ts
   * import { Capsule } from 'freebsd-capsule';
   * await using capsule = await Capsule.spawn('/bin/sleep', ['60'], { jail: { path: '/jails/job' } });
   * capsule.require({ debug: { unprivileged: 'enforced' }, outlive: { inside: 'enforced' } });
   * capsule.require({ attach: 'enforced' }); // throws: attach against hostRoot is to be 'enforced' and is 'evident'
   * ```
   */
  require(requirements: Requirements): void {
    const checked = checkRequirements('requirements', requirements);
    const graded = this.report.jail;
    if (graded === undefined) throw invalidState('Only a capsule with a jail is graded');
    requireGrades(graded.properties, checked);
  }

  /**
   * Tells what happened to the jail since it was sealed: attachments, with the process where the kernel names it;
   * parameters set; its removal, which is the last event and comes also when its last process has ended. Each call begins
   * with the first event: none is missed by asking late. The first 1,024 events are kept one by one; of those after them,
   * whoever was not waiting for the next is told one of each type, which stands for all of it (`coalesced` for
   * attachments).
   *
   * Waiting for the next event keeps the program running until the jail is gone, the capsule is closed, the loop is left
   * or the signal aborts. Inside a jail, `seal({ jail })` has the same of its own; capability mode does not stop it.
   *
   * @throws `ERR_INVALID_STATE` for a capsule without a jail; from the iterator, the signal's reason
   */
  tampering(options: JailWatchOptions = {}): AsyncIterableIterator<JailEvent, undefined> {
    if (this.#evidence === undefined) throw invalidState('Only a capsule with a jail can tell of tampering');
    return this.#evidence.tell(options);
  }

  /**
   * Whether this process has been told of nothing that happened to the jail since it was sealed, its end included: false for
   * good once something was. The kernel tells by the event loop, so true means "not yet told": what happens while the
   * program computes shows only some time after it has gone back to its event loop.
   *
   * Undefined where nobody can say: without a jail, and after `close()`, which ends the watch.
   */
  get intact(): boolean | undefined {
    if (this.#evidence === undefined) return undefined;
    if (this.#evidence.first !== undefined) return false;
    return this.#evidence.over ? undefined : true;
  }

  /**
   * Ends what holds the capsule: the watch, a program of `Capsule.spawn` (SIGKILL) and its jail. A jail of `Jail#seal` and
   * this process stay as they are. A second call does nothing.
   */
  close(): void {
    this.#evidence?.[Symbol.dispose]();
    for (const part of this.#held) part[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Closes, and waits until the jail of `Capsule.spawn` is gone, for 20 seconds at most: a program inside can keep its jail
   * dying by a call of which the kernel keeps the credentials, its processes by TCP sockets that linger, and before 15.1 by
   * being traced.
   *
   * @throws `TimeoutError`, a DOMException, when it is not gone by then
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    if (this.process !== undefined) await this.jail?.removed({ signal: AbortSignal.timeout(20_000) });
  }

  toJSON(): { report: SealReport } {
    return { report: this.report };
  }

  [inspect.custom](): string {
    return `Capsule {\n${this.report}\n}`;
  }
}
