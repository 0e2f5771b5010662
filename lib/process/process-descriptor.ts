import type { Socket } from 'node:net';
import { inspect } from 'node:util';
import { abortError, checkAbortSignal } from '../abort-error.ts';
import { native } from '../binding.ts';
import { isSandboxed } from '../capsicum/mode.ts';
import { getRights, type Right } from '../capsicum/rights.ts';
import { listDescriptors } from '../capsule/inventory.ts';
import { type DescriptorLike, toFd } from '../descriptor.ts';
import { checkObject, invalidArgValue, invalidState, withMore } from '../errors.ts';
import { type ExitStatus, exitStatus } from './exit-status.ts';
import { signalNumber } from './signals.ts';

/** How to wait for a process. */
export interface WaitOptions {
  /** Gives up waiting. The process goes on. */
  readonly signal?: AbortSignal;
}

/** What `spawn` has started. */
export interface StartedProcess {
  readonly fd: number;
  readonly pid: number | undefined;
  /** Standard input, output and error. */
  readonly streams: readonly (Socket | null)[];
  readonly signal: AbortSignal | undefined;
}

/** What is left to do when a process has ended, or is nobody's business any more. */
type Settled = { readonly status: ExitStatus } | { readonly error: Error };

/** Names the right that a descriptor lacks in the error of a call that needed it. */
function lacking(error: unknown, fd: number, right: Right): Error {
  const refused = (error as NodeJS.ErrnoException).code === 'ENOTCAPABLE' && !getRights(fd).has(right);
  return refused ? withMore(error, `: the process descriptor lacks '${right}'`) : (error as Error);
}

/** Who holds a process by which number, in this thread: more than one where it was adopted again. */
const holders = new Map<number, Set<ProcessDescriptor>>();

/** Makes the descriptor of a process that `spawn` has started; the class alone can. */
export let describeStarted: (started: StartedProcess) => ProcessDescriptor;

/**
 * A process, held by a descriptor: a capability to signal it, wait for it and end it.
 *
 * Whoever holds the descriptor has the process, and nobody else's: its number cannot come to mean another process while
 * the descriptor is open, unlike the `pid` that `process.kill()` takes. It works in capability mode, where there is no
 * signalling by number. `limitRights` narrows what may be done through it: `pdkill` to signal, `event` to learn of the
 * end, `pdwait` for the resource usage, `pdgetpid` for the number.
 *
 * **Closing it kills the process** (SIGKILL) unless it was started as `daemon`, as the kernel does when the last
 * descriptor of a process goes: also at the end of this process, or of the worker thread that started it (which there
 * needs the right `pdgetpid`, to make sure that the number is still this descriptor's). After the
 * process has ended its descriptor stays open until `close()`.
 *
 * The descriptor is this object's to close. Where it was closed some other way (`fs.closeSync()`) and its number has come to
 * be another's, the object does nothing to that one: every call is `EBADF`, and once the package has given the number to
 * another process the object counts as closed. An `exited` that was pending cannot be told of such a close. Whether the
 * number is still this process's is asked of the kernel, which needs the right `pdgetpid`; without it only the package's
 * own descriptors are told apart.
 *
 * @see [pdfork(2)](https://man.freebsd.org/cgi/man.cgi?query=pdfork&sektion=2)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { limitRights, spawn } from 'freebsd-capsule';
 * using worker = spawn('/bin/sleep', ['60']);
 * worker.kill('SIGTERM');
 * await worker.exited; // { code: null, signal: 'SIGTERM', coreDumped: false, … }
 * worker.kill(); // throws ESRCH: it has ended, and its number is not looked at
 * ```
 */
export class ProcessDescriptor implements Disposable {
  /** The process's standard input; null unless `stdio` says `'pipe'`. */
  readonly stdin: Socket | null;
  /** The process's standard output; null unless `stdio` says `'pipe'`. */
  readonly stdout: Socket | null;
  /** The process's standard error; null unless `stdio` says `'pipe'`. */
  readonly stderr: Socket | null;

  #fd: number;
  readonly #pid: number | undefined;
  #watch: number | undefined;
  #keepsLoop = true;
  #settled: Settled | undefined;
  #exited: Promise<ExitStatus> | undefined;
  #settle: ((settled: Settled) => void) | undefined;
  #forgetSignal: (() => void) | undefined;

  private constructor({ fd, pid, streams: [stdin, stdout, stderr], signal }: StartedProcess) {
    this.#fd = fd;
    this.#pid = pid;
    this.stdin = stdin ?? null;
    this.stdout = stdout ?? null;
    this.stderr = stderr ?? null;
    if (signal !== undefined) this.#obey(signal);
    this.#hold();
  }

  static {
    describeStarted = (started) => {
      // Its number was nobody's a moment ago.
      for (const stale of holders.get(started.fd) ?? []) stale.#letGo();
      const process = new ProcessDescriptor(started);
      process.#observe();
      return process;
    };
  }

  /**
   * Takes over a process descriptor received from elsewhere: inherited, or passed through a UNIX socket. It becomes
   * close-on-exec, and is closed with the object. Learning of the end needs the right `event`; not having it is an error
   * only of `exited` and `wait`.
   *
   * Two objects may have one descriptor: closing either closes both. Without the right `pdgetpid` nobody can say that it is
   * the same, and the objects from before count as closed.
   *
   * @throws `EBADF` when the descriptor is not open or not one of a process; `ERR_INVALID_ARG_VALUE` when it is another one
   * that lacks the right `pdgetpid`, where that can be found out: in capability mode it cannot
   *
   * @example
   * ```ts
   * import { limitRights, ProcessDescriptor } from 'freebsd-capsule';
   * using inherited = ProcessDescriptor.from(3);
   * limitRights(inherited, ['event', 'pdgetpid']);
   * inherited.kill(); // throws ENOTCAPABLE: the descriptor lacks 'pdkill'
   * ```
   */
  static from(fd: DescriptorLike): ProcessDescriptor {
    const number = toFd(fd);
    const none = { fd: number, pid: undefined, streams: [], signal: undefined };
    try {
      return new ProcessDescriptor({ ...none, pid: native('pdgetpid').pdAdopt(number, false) });
    } catch (error) {
      // Not allowed to be told is not EBADF: it may be one all the same. The inventory knows, outside capability mode.
      if ((error as NodeJS.ErrnoException).code !== 'ENOTCAPABLE') throw error;
      const kind = listDescriptors().find((descriptor) => descriptor.fd === number)?.kind;
      if (kind !== 'process' && !isSandboxed()) throw invalidArgValue('fd', fd, 'is not a process descriptor');
      native('pdgetpid').pdAdopt(number, true);
      return new ProcessDescriptor(none);
    }
  }

  /** The descriptor's number; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * The process's number, to show to people. It says nothing for sure once the descriptor is closed. Undefined for a
   * descriptor from elsewhere without the right `pdgetpid`.
   */
  get pid(): number | undefined {
    return this.#pid;
  }

  /**
   * How the process ended: settles once. Until then it keeps the event loop alive, unless `unref()` was called.
   *
   * Rejects with `ENOTCAPABLE` when the descriptor lacks the right `event`, with `ERR_INVALID_STATE` when it is closed
   * before the end is known, and when `signal` of `spawn` has aborted and the process cannot be signalled with why: `EPERM`
   * where it is somebody else's by now, `ENOTCAPABLE` without the right `pdkill`. The process goes on then; `close()` ends
   * it.
   *
   * @see [kevent(2)](https://man.freebsd.org/cgi/man.cgi?query=kevent&sektion=2), EVFILT_PROCDESC
   */
  get exited(): Promise<ExitStatus> {
    return this.#observe();
  }

  /**
   * Waits for the end of the process, and gives up when told to.
   *
   * @throws `AbortError` when `signal` aborts; the process goes on and can be waited for again. Otherwise as `exited`
   */
  async wait(options: WaitOptions = {}): Promise<ExitStatus> {
    checkObject('options', options);
    for (const key of Object.keys(options)) {
      if (key !== 'signal') throw invalidArgValue('options', options, `has no property '${key}'`);
    }
    const { signal } = options;
    checkAbortSignal('options.signal', signal);
    const exited = this.#observe();
    if (signal === undefined) return exited;
    if (signal.aborted) throw abortError(signal);
    return new Promise((resolve, reject) => {
      const abort = () => reject(abortError(signal));
      signal.addEventListener('abort', abort, { once: true });
      exited.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }

  /**
   * Sends a signal to the process; 0 only asks whether it could be sent.
   *
   * @param signal its name or number
   * @throws `ESRCH` when the end of the process is known (before, a signal to one that has ended does nothing); `ENOTCAPABLE` when the descriptor lacks the right `pdkill`; `EPERM` when
   * it is somebody else's process; `EBADF` when the number is another's now
   * @see [pdkill(2)](https://man.freebsd.org/cgi/man.cgi?query=pdkill&sektion=2)
   */
  kill(signal: NodeJS.Signals | number = 'SIGTERM'): void {
    const number = signalNumber(signal);
    const fd = this.#open();
    if (this.#settled !== undefined && 'status' in this.#settled) {
      // The kernel says so of a process that was waited for; one that was not can still be signalled, to no effect.
      throw Object.assign(new Error('ESRCH: no such process, pdkill'), {
        errno: -3,
        code: 'ESRCH',
        syscall: 'pdkill',
        fd,
      });
    }
    try {
      native('pdkill').pdKill(fd, number);
    } catch (error) {
      throw lacking(error, fd, 'pdkill');
    }
  }

  /** Lets the event loop end although the process runs, as on `ChildProcess`. */
  unref(): this {
    return this.#keepLoop(false);
  }

  /** Undoes `unref()`. */
  ref(): this {
    return this.#keepLoop(true);
  }

  /**
   * Closes the descriptor, and the streams with what has not been read. Kills the process, with SIGKILL, unless it has
   * ended, was started as `daemon`, or others hold its descriptor too. A second call does nothing.
   *
   * @throws `EBADF` when it was closed some other way, and nothing is closed then
   */
  close(): void {
    const fd = this.#fd;
    if (fd === -1) return;
    for (const holder of holders.get(fd) ?? []) holder.#letGo();
    native('close').pdClose(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [inspect.custom](): string {
    if (this.#fd === -1) return 'ProcessDescriptor { closed }';
    const status = this.#settled !== undefined && 'status' in this.#settled ? this.#settled.status : undefined;
    const state = status === undefined ? '' : `, ended: ${status.signal ?? status.code}`;
    return `ProcessDescriptor { fd: ${this.#fd}, pid: ${this.#pid ?? 'unknown'}${state} }`;
  }

  /** The number, which is this process's still. */
  #open(): number {
    if (this.#fd === -1) throw invalidArgValue('this', this, 'is closed');
    native('pdgetpid').pdCheck(this.#fd);
    return this.#fd;
  }

  /** Joins those who hold the same process. Who held another by the number holds nothing: it was closed past them. */
  #hold(): void {
    const others = holders.get(this.#fd) ?? new Set();
    for (const other of others) if (other.#pid === undefined || other.#pid !== this.#pid) other.#letGo();
    holders.set(this.#fd, others.add(this));
  }

  /** Counts as closed from now on. */
  #letGo(): void {
    const others = holders.get(this.#fd);
    others?.delete(this);
    if (others?.size === 0) holders.delete(this.#fd);
    this.#fd = -1;
    this.#finish(() => ({
      error: invalidState(
        'The process descriptor was closed before its process had ended: nobody can tell how it will',
      ),
    }));
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream?.destroy();
  }

  #keepLoop(keep: boolean): this {
    this.#keepsLoop = keep;
    if (this.#watch !== undefined) native('kevent').refEvent(this.#watch, keep);
    return this;
  }

  #obey(signal: AbortSignal): void {
    const kill = () => {
      try {
        this.kill();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
        // Nobody is there to throw to but who waits for an end that does not come.
        this.#finish(() => ({ error: withMore(error, ': the process goes on although it was to be ended') }));
      }
    };
    signal.addEventListener('abort', kill, { once: true });
    this.#forgetSignal = () => signal.removeEventListener('abort', kill);
  }

  /** Starts to wait for the end, once. */
  #observe(): Promise<ExitStatus> {
    if (this.#exited !== undefined) return this.#exited;
    const promise = new Promise<ExitStatus>((resolve, reject) => {
      this.#settle = (settled) => ('status' in settled ? resolve(settled.status) : reject(settled.error));
    });
    this.#exited = promise;
    // Whoever asks gets the rejection; nobody has to ask.
    promise.catch(() => {});
    if (this.#settled !== undefined) {
      this.#settle?.(this.#settled);
      return promise;
    }
    try {
      const binding = native('kevent');
      this.#watch = binding.watchEvent('procdesc', this.#open(), (_fflags, status) => this.#ended(status));
      if (!this.#keepsLoop) binding.refEvent(this.#watch, false);
    } catch (error) {
      // For good: rights do not come back.
      this.#settle?.({ error: lacking(error, this.#fd, 'event') });
    }
    return promise;
  }

  #ended(status: number): void {
    let usage: number[] | undefined;
    try {
      [, ...usage] = native('pdwait').pdReap(this.#open());
    } catch {
      // Somebody has waited for it already, or may wait for it and we may not: the status is known all the same.
    }
    // Nobody is left to write to; what can be read stays to be read.
    this.stdin?.destroy();
    this.#finish(() => ({ status: exitStatus(status, usage) }));
  }

  #finish(how: () => Settled): void {
    if (this.#watch !== undefined) native('kevent').unwatchEvent(this.#watch);
    this.#watch = undefined;
    this.#forgetSignal?.();
    this.#forgetSignal = undefined;
    if (this.#settled !== undefined) return;
    this.#settled = how();
    this.#settle?.(this.#settled);
  }
}
