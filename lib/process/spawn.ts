import { abortError } from '../abort-error.ts';
import { native } from '../binding.ts';
import { getRights } from '../capsicum/rights.ts';
import type { DescriptorLike } from '../descriptor.ts';
import { invalidArgValue, withMore } from '../errors.ts';
import { isJailDescriptor } from '../jail/calls.ts';
import { OpenedDescriptors } from './child-descriptors.ts';
import { describeStarted, type ProcessDescriptor } from './process-descriptor.ts';
import { type CheckedSpawn, checkSpawn, type SpawnOptions } from './spawn-options.ts';

/** Says in an error of a step what the step was about, as Node does. */
function explained(error: unknown, spawn: CheckedSpawn): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  const about = (properties: object, text: string) => Object.assign(withMore(error, ` '${text}'`), properties);
  switch (syscall) {
    case 'open':
    case 'execve':
    case 'fexecve': {
      const named = typeof spawn.file === 'string' ? about({ path: spawn.file }, spawn.file) : (error as Error);
      if (typeof spawn.file === 'number') Object.assign(named, { fd: spawn.file });
      if (code === 'ENOEXEC' && syscall === 'fexecve') {
        return withMore(
          named,
          '\nA script cannot be started by its descriptor, which its interpreter would not be given: start the ' +
            'interpreter, with the descriptor among `descriptors` or as its standard input',
        );
      }
      if (code !== 'ECAPMODE') return named;
      return withMore(
        named,
        '\nIn capability mode a program is started by its descriptor, opened before, and must be a static executable: ' +
          'the run-time linker of a dynamic one, and the interpreter of a script, would be found by their paths',
      );
    }
    case 'chdir':
      return about({ path: spawn.cwd }, String(spawn.cwd));
    case 'fchdir':
      return Object.assign(error as Error, { fd: spawn.cwd });
    case 'jail_get':
    case 'jail_attach':
      return about({ jail: spawn.jail }, String(spawn.jail));
    case 'pdfork':
    case 'pdrfork':
      if (code !== 'ECHILD') return error;
      return withMore(error, '\nThe child was killed before it executed the file');
    case 'jail_set':
      return Object.assign(error as Error, { fd: (spawn.jail as { fd: number }).fd });
    default:
      return error;
  }
}

/**
 * Throws `EBADF` for a descriptor of the caller's that is closed: its number could be that of one that is opened for the
 * child in a moment.
 */
function checkOpen({ file, cwd, jail, descriptors }: CheckedSpawn): void {
  const numbers: unknown[] = [file, cwd, typeof jail === 'object' ? jail.fd : undefined];
  for (const descriptor of descriptors.values()) if (typeof descriptor === 'object') numbers.push(descriptor.fd);
  for (const fd of numbers) if (typeof fd === 'number') getRights(fd);
}

/** Whoever has a descriptor of a jail can enter and change that jail, from inside of another or of itself as well. */
function refuseKeysInJail({ jail, descriptors }: CheckedSpawn): void {
  if (jail === undefined) return;
  for (const [target, descriptor] of descriptors) {
    if (typeof descriptor !== 'object' || !isJailDescriptor(descriptor.fd)) continue;
    const name = target < 3 ? `options.stdio[${target}]` : `options.descriptors[${target}]`;
    throw invalidArgValue(
      name,
      descriptor.fd,
      'must not be the descriptor of a jail, which leads out of the one it is in',
    );
  }
}

/** What only a capsule asks of a new process. */
interface Holding {
  readonly noTracing: boolean;
  readonly held: boolean;
}

function start(
  spawn: CheckedSpawn,
  opened: OpenedDescriptors,
  holding: Holding,
): [pid: number, fd: number, socket: number] {
  const { file, cwd, jail } = spawn;
  try {
    return native('pdfork').spawn({
      files: spawn.files,
      search: typeof file === 'string' && !file.includes('/'),
      file: typeof file === 'number' ? file : -1,
      args: spawn.args,
      env: spawn.env,
      cwd: typeof cwd === 'string' ? cwd : null,
      directory: typeof cwd === 'number' ? cwd : -1,
      descriptors: opened.pairs,
      limits: spawn.limits,
      groups: spawn.groups,
      gid: spawn.gid,
      uid: spawn.uid,
      jid: typeof jail === 'string' ? native('jail_get').findJail(jail) : typeof jail === 'number' ? jail : 0,
      jail: typeof jail === 'object' ? jail.fd : -1,
      session: spawn.session,
      noNewPrivileges: spawn.noNewPrivileges,
      noTracing: holding.noTracing,
      capabilityMode: spawn.capabilityMode,
      held: holding.held,
      daemon: spawn.daemon,
    });
  } catch (error) {
    throw explained(error, spawn);
  }
}

/**
 * Starts a program as a process that its descriptor holds, also in capability mode, where `child_process` is gone.
 *
 * It either runs when this returns, or this throws what prevented it and there is no process. The child never runs
 * JavaScript: on FreeBSD 15.1 it does not even get a copy of this process's memory, so that what a start costs does not
 * grow with it (pdrfork(2) with RFSPAWN); before, it gets one for a moment (pdfork(2)).
 *
 * What happens, in order. In this process:
 *
 * 1. Every argument is checked, descriptors are made sure to be open (`EBADF`) and, with `jail`, not to be of a jail, and
 *    names of users, groups and jails are looked up. After an error nothing has happened.
 * 2. Pipes are made, and duplicates of the descriptors with rights, which are limited. After an error they are closed
 *    again: `EMFILE`, `ENOTCAPABLE` for a right that a descriptor does not have.
 * 3. What tells of its end is set up (`EMFILE`, `ENFILE`; `EAGAIN` of `pthread_create`), and the child is made: `EAGAIN`
 *    (process limit), `EMFILE`, `ENFILE`, `ENOMEM`. `ECHILD`: it was killed before it came to step 13.
 *
 * In the child; a step that fails is thrown here under the name of its system call, and the child, its descriptor and the
 * pipes are gone then. What earlier steps did went with it.
 *
 * 4. Signals: default actions, none blocked.
 * 5. `session`: setsid(2).
 * 6. Descriptors: each is put where the program expects it, and every other one is closed, whatever its flags. `EMFILE`
 *    where a number is beyond the limit of open files.
 * 7. `limits`: setrlimit(2).
 * 8. `noNewPrivileges`: procctl(2).
 * 9. `jail`: jail_attach(2), which makes the jail's root the root and working directory.
 * 10. `cwd`: chdir(2), as the user that this process is.
 * 11. `groups`, `group`, `user`: setgroups(2), setgid(2), setuid(2).
 * 12. `capabilityMode`: the file is opened and cap_enter(2) called.
 * 13. execve(2), or fexecve(2) for a descriptor.
 *
 * The kernel would kill a dynamic executable that starts in capability mode with SIGABRT, too late for an error; so step
 * 13 looks first, and says `ECAPMODE`. A script by descriptor is `ENOEXEC` outside of capability mode, since its
 * interpreter would not be given the descriptor. Where the descriptor lacks the right `read` or `fstat` it cannot look.
 * A descriptor of what is no file is `EACCES` or `EBADF`, as the kernel says it. What else it finds once the old program is
 * gone, such as a `limits.as` that the new one does not fit into, it cannot refuse any more: that is a `SIGABRT` in `exited`.
 *
 * In capability mode `file` must be a descriptor of a static executable with the right `fexecve`, and `cwd`, `jail`,
 * `groups`, `user`, `group`, `noNewPrivileges` and `'ignore'` are refused with `ECAPMODE`.
 *
 * @param file a path; a name, looked for by the `PATH` of `env`; or a descriptor. A name is searched as execvp(3) does,
 * but a file that is no program is `ENOEXEC` and not given to a shell, and other errors than that there is no such file, or
 * none that may be executed, end the search
 * @param args what follows `argv[0]`
 * @throws the argument errors; the errors above, with `path`, `fd` or `jail` where it applies; `AbortError` when
 * `options.signal` has aborted already; `ENOSYS` without a FreeBSD kernel
 * @see [pdfork(2)](https://man.freebsd.org/cgi/man.cgi?query=pdfork&sektion=2),
 * [fexecve(2)](https://man.freebsd.org/cgi/man.cgi?query=fexecve&sektion=2)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { openSync } from 'node:fs';
 * import { enter, spawn } from 'freebsd-capsule';
 * using child = spawn('/bin/cat', [], { descriptors: { 3: { fd: openSync('/etc/motd', 'r'), rights: ['read'] } } });
 * child.stdin?.end('hello');
 * await child.exited; // { code: 0, signal: null, coreDumped: false, resourceUsage: … }
 * const helper = openSync('/rescue/true', 'r');
 * enter();
 * using inside = spawn(helper); // static: starts
 * spawn('/bin/true'); // throws ECAPMODE: no paths here
 * ```
 */
export function spawn(
  file: string | DescriptorLike,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): ProcessDescriptor {
  return startChecked(checkSpawn(file, args, options), { noTracing: false, held: false }).process;
}

function startChecked(checked: CheckedSpawn, holding: Holding): { process: ProcessDescriptor; socket: number } {
  if (checked.signal?.aborted) throw abortError(checked.signal);
  checkOpen(checked);
  refuseKeysInJail(checked);
  const opened = new OpenedDescriptors(checked.descriptors);
  let started: [pid: number, fd: number, socket: number];
  try {
    started = start(checked, opened, holding);
  } catch (error) {
    opened.abandon();
    throw error;
  }
  const [pid, fd, socket] = started;
  try {
    opened[Symbol.dispose]();
    const process = describeStarted({ fd, pid, streams: opened.takeStreams(), signal: checked.signal });
    return { process, socket };
  } catch (error) {
    // Nobody would hold the process: a strange AbortSignal, or a runtime that has no room for a stream.
    native('close').pdClose(fd);
    if (socket !== -1) native('close').closeHeld(socket);
    opened.abandon();
    throw error;
  }
}

/** A process that has taken every step of `spawn` but the last, and cannot be traced: its program has not begun. */
export class HeldProcess implements Disposable {
  readonly process: ProcessDescriptor;
  readonly #checked: CheckedSpawn;
  #socket: number;

  constructor(checked: CheckedSpawn) {
    this.#checked = checked;
    const { process, socket } = startChecked(checked, { noTracing: true, held: true });
    this.process = process;
    this.#socket = socket;
  }

  /** Lets the program begin. */
  release(): void {
    try {
      native('pdfork').letExecute(this.#socket);
    } catch (error) {
      throw explained(error, this.#checked);
    }
  }

  /** Ends the process, unless it was released. */
  [Symbol.dispose](): void {
    const socket = this.#socket;
    this.#socket = -1;
    if (socket !== -1) native('close').closeHeld(socket);
  }
}
