import fs, { type BigIntStats, constants, type Dirent, type ReadStream, type Stats, type WriteStream } from 'node:fs';
import type { Server, ServerOpts, Socket } from 'node:net';
import { inspect } from 'node:util';
import { native } from '../binding.ts';
import { getRights, limitRights, type Right, Rights } from '../capsicum/rights.ts';
import { checkInteger, checkObject, invalidArgType, invalidArgValue, invalidState, withMore } from '../errors.ts';
import { cluster, net } from '../runtime-modules.ts';
import { checkAmbientPath, leadsOutsideByName, type RelativePath, streamOptions, type TimeLike } from './arguments.ts';
import type { FileData } from './descriptor-calls.ts';
import {
  type FileDataSource,
  FileHandle,
  type HandleReadStreamOptions,
  type HandleWriteStreamOptions,
  writeSource,
} from './file-handle.ts';
import { runLater, runNow } from './operation.ts';
import { closeHeld, SharedDescriptor } from './shared-descriptor.ts';
import { learnBigIntStats } from './stats.ts';
import * as verbs from './verbs.ts';

/** Options of `Directory.open` and `openDirectory`. */
export interface DirectoryOptions {
  /**
   * What the directory, and everything opened through it, may be used for. Default: what it has. `fchdir` and `fchroot`,
   * which no verb uses, are left out in either case.
   */
  readonly rights?: Rights | Iterable<Right>;
}

/** Options of the verbs that may put something into another directory. */
export interface IntoOptions {
  /** The directory that the new path is in. Default: the same. */
  readonly into?: Directory;
}

type Encoding = BufferEncoding | { readonly encoding?: BufferEncoding | null } | null;
type BufferOptions = 'buffer' | { readonly encoding: 'buffer' };

/** Options of `readFile`: [those of `node:fs/promises`](https://nodejs.org/api/fs.html#fspromisesreadfilepath-options). */
export interface ReadFileOptions {
  readonly encoding?: BufferEncoding | null;
  readonly flag?: string | number;
  readonly signal?: AbortSignal;
}

/** Options of `writeFile` and `appendFile`: [those of `node:fs/promises`](https://nodejs.org/api/fs.html#fspromiseswritefilefile-data-options). */
export interface WriteFileOptions {
  readonly encoding?: BufferEncoding | null;
  readonly mode?: number | string;
  readonly flag?: string | number;
  readonly flush?: boolean;
  readonly signal?: AbortSignal;
}

/** Options of `mkdir`: [those of `node:fs/promises`](https://nodejs.org/api/fs.html#fspromisesmkdirpath-options). */
export interface MakeDirectoryOptions {
  readonly recursive?: boolean;
  readonly mode?: number | string;
}

/** Options of `rm`: [those of `node:fs/promises`](https://nodejs.org/api/fs.html#fspromisesrmpath-options), but for retries. */
export interface RemoveOptions {
  readonly recursive?: boolean;
  readonly force?: boolean;
  /** With `recursive`: how often to try again after EBUSY, EMFILE, ENFILE, ENOTEMPTY or EPERM. Default: 0. */
  readonly maxRetries?: number;
  /** How many milliseconds longer to wait before each further attempt. Default: 100. */
  readonly retryDelay?: number;
}

/** Options of `readdir`: [those of `node:fs/promises`](https://nodejs.org/api/fs.html#fspromisesreaddirpath-options). */
export interface ListOptions {
  readonly encoding?: BufferEncoding | 'buffer' | null;
  readonly recursive?: boolean;
  readonly withFileTypes?: boolean;
}

/**
 * Rights that no verb uses. A directory is opened without them for another reason too: one that has not every right
 * confines all that is looked up in it, whatever flags a call has or lacks, on every supported kernel.
 */
const NEVER: readonly Right[] = ['fchdir', 'fchroot'];

/**
 * An open directory as a capability: the verbs of `node:fs/promises` on paths relative to it, and nothing outside of it.
 *
 * Opening is the one call that takes a path of the whole system. After it no path leads out: absolute ones, `..` beyond
 * the directory, and symbolic links that do either are refused with ENOTCAPABLE by the kernel, in capability mode or
 * not; links that stay inside are followed. What is opened through a directory has its rights at most. It goes on working
 * in capability mode, where `node:fs` can open nothing.
 *
 * Enforced by capability rights on the descriptor (every supported kernel), O_RESOLVE_BENEATH and AT_RESOLVE_BENEATH on
 * each call, and FD_RESOLVE_BENEATH (15.0). It does not hold against other code in the process, unless that is in
 * capability mode, nor against who can move a directory out of this one meanwhile.
 *
 * With a worker thread its directories and files are closed, whenever it is terminated; not so what `openSync` returned.
 *
 * Verbs take the options of their namesakes and give the same results and errors. Those without `Sync` run on the
 * runtime's thread pool.
 *
 * @see [openat(2)](https://man.freebsd.org/cgi/man.cgi?query=openat&sektion=2),
 * [rights(4)](https://man.freebsd.org/cgi/man.cgi?query=rights&sektion=4)
 * @since FreeBSD 14.0
 *
 * @example
 * ```ts
 * import { Directory, enter } from 'freebsd-capsule';
 * using site = Directory.open('/usr/local/www', { rights: Directory.READ });
 * enter();
 * await site.readFile('index.html', 'utf8');
 * await site.readFile('../../etc/passwd'); // throws: errno -93, ENOTCAPABLE, the path leads outside of the directory
 * await site.writeFile('index.html', ''); // throws: errno -93, ENOTCAPABLE, the directory lacks 'write'
 * ```
 */
export class Directory implements Disposable {
  /** To read: files, at any position, their metadata, and lists of them. */
  static readonly READ = Rights.of('pread', 'fstatat');

  /** To create files and append to them (flag `'a'`): not to read, overwrite, truncate, rename or remove any. */
  static readonly APPEND_ONLY = Rights.of('lookup', 'create', 'write', 'fsync');

  /** To work with files and directories: read, create, change, rename, remove. Not links, owners, modes, sockets. */
  static readonly SCRATCH = Rights.of(
    'pread',
    'pwrite',
    'fstatat',
    'create',
    'ftruncate',
    'fsync',
    'mkdirat',
    'unlinkat',
    'renameat_source',
    'renameat_target',
  );

  readonly #directory: SharedDescriptor;

  private constructor(fd: number, close: (fd: number) => void) {
    this.#directory = new SharedDescriptor(fd, 'directory', close);
  }

  /**
   * Opens a directory by a path of the whole system, which capability mode refuses, and limits it to `rights`.
   *
   * @throws as `fs.openSync`; `ENOTDIR` when it is none; the errors of `limitRights`; `ENOSYS` without a FreeBSD kernel
   * @see [open(2)](https://man.freebsd.org/cgi/man.cgi?query=open&sektion=2)
   */
  static open(path: string | Buffer | URL, options: DirectoryOptions = {}): Directory {
    const checked = checkAmbientPath(path);
    const rights = rightsOf(options);
    native('open');
    const fd = fs.openSync(checked, constants.O_RDONLY | constants.O_DIRECTORY);
    return Directory.#limited(fd, rights, fs.closeSync);
  }

  /** Takes over a descriptor of a directory, and closes it when it cannot be limited. */
  static #limited(fd: number, rights: Rights | undefined, close: (fd: number) => void = closeHeld): Directory {
    try {
      const held = getRights(fd);
      if (held.has('fstat')) learnBigIntStats(fd);
      const binding = native('fcntl');
      binding.setResolveBeneath(fd);
      limitRights(fd, (rights ?? held).without(...NEVER));
    } catch (error) {
      close(fd);
      throw error;
    }
    return new Directory(fd, close);
  }

  /** The descriptor's number; -1 once closed. */
  get fd(): number {
    return this.#directory.fd;
  }

  /** The rights it has, read from the kernel. */
  get rights(): Rights {
    return getRights(this.#directory.open('cap_rights_get'));
  }

  /**
   * Opens a directory beneath this one, with its rights or fewer.
   *
   * @throws `ENOTCAPABLE` for a path that leads outside, and for a right that this directory does not have
   */
  async openDirectory(path: RelativePath, options: DirectoryOptions = {}): Promise<Directory> {
    const rights = rightsOf(options);
    return Directory.#limited(await this.#later(verbs.openDirectoryVerb(path), path), rights);
  }

  /** The same on this thread. */
  openDirectorySync(path: RelativePath, options: DirectoryOptions = {}): Directory {
    const rights = rightsOf(options);
    return Directory.#limited(this.#now(verbs.openDirectoryVerb(path), path), rights);
  }

  /** Opens a file. Flags as in `node:fs`; `'a'` alone lets APPEND_ONLY write. */
  async open(path: RelativePath, flags?: string | number, mode?: number | string): Promise<FileHandle> {
    return new FileHandle(await this.#later(verbs.openVerb(path, flags, mode), path));
  }

  /** Opens a file and returns its descriptor, for the calls of `node:fs` that take one. */
  openSync(path: RelativePath, flags?: string | number, mode?: number | string): number {
    return released(this.#now(verbs.openVerb(path, flags, mode), path));
  }

  readFile(path: RelativePath, options?: (ReadFileOptions & { readonly encoding?: null }) | null): Promise<Buffer>;
  readFile(
    path: RelativePath,
    options: BufferEncoding | (ReadFileOptions & { readonly encoding: BufferEncoding }),
  ): Promise<string>;
  /** Reads a whole file. */
  async readFile(path: RelativePath, options?: unknown): Promise<Buffer | string> {
    return await this.#later(verbs.readFileVerb(path, options), path);
  }

  readFileSync(path: RelativePath, options?: (ReadFileOptions & { readonly encoding?: null }) | null): Buffer;
  readFileSync(
    path: RelativePath,
    options: BufferEncoding | (ReadFileOptions & { readonly encoding: BufferEncoding }),
  ): string;
  readFileSync(path: RelativePath, options?: unknown): Buffer | string {
    return this.#now(verbs.readFileVerb(path, options), path);
  }

  /** Writes a whole file, creating or emptying it first. */
  async writeFile(
    path: RelativePath,
    data: FileDataSource,
    options?: BufferEncoding | WriteFileOptions | null,
  ): Promise<void> {
    await this.#write(path, data, options, 'w');
  }

  writeFileSync(path: RelativePath, data: FileData, options?: BufferEncoding | WriteFileOptions | null): void {
    this.#now(verbs.writeFileVerb(path, data, options, 'w'), path);
  }

  /** Appends to a file, creating it if need be. */
  async appendFile(
    path: RelativePath,
    data: FileDataSource,
    options?: BufferEncoding | WriteFileOptions | null,
  ): Promise<void> {
    await this.#write(path, data, options, 'a');
  }

  appendFileSync(path: RelativePath, data: FileData, options?: BufferEncoding | WriteFileOptions | null): void {
    this.#now(verbs.writeFileVerb(path, data, options, 'a'), path);
  }

  async #write(path: RelativePath, data: unknown, options: unknown, flag: 'w' | 'a'): Promise<void> {
    if (typeof data === 'string' || ArrayBuffer.isView(data)) {
      return await this.#later(verbs.writeFileVerb(path, data, options, flag), path);
    }
    if (typeof data !== 'object' || data === null || !(Symbol.iterator in data || Symbol.asyncIterator in data)) {
      throw invalidArgType(
        'data',
        'of type string or an instance of Buffer, TypedArray, DataView, Iterable, AsyncIterable, or Stream',
        data,
      );
    }
    const { verb, encoding, flush, signal } = verbs.openToWrite(path, options, flag);
    const handle = new FileHandle(await this.#later({ ...verb, signal }, path));
    try {
      await writeSource(handle.fd, data, encoding, signal);
      if (flush) await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /**
   * Copies the content of a file, also into another directory. A file that is made has the mode of the original under
   * the umask; one that was there keeps its own, unlike with `fs.copyFile`, which takes the right `fchmod`.
   */
  async copyFile(from: RelativePath, to: RelativePath, mode?: number, options: IntoOptions = {}): Promise<void> {
    await this.#into('copyfile', options, (target) =>
      this.#later(
        verbs.copyFileVerb(from, to, mode, () => target),
        from,
        to,
      ),
    );
  }

  copyFileSync(from: RelativePath, to: RelativePath, mode?: number, options: IntoOptions = {}): void {
    const target = this.#other(options).#directory.open('copyfile');
    this.#now(
      verbs.copyFileVerb(from, to, mode, () => target),
      from,
      to,
    );
  }

  stat(path: RelativePath, options: { readonly bigint: true }): Promise<BigIntStats>;
  stat(path: RelativePath, options?: { readonly bigint?: false }): Promise<Stats>;
  /** Tells about a file, or what a link leads to. */
  async stat(path: RelativePath, options?: { readonly bigint?: boolean }): Promise<Stats | BigIntStats> {
    return await this.#later(verbs.statVerb(path, options, true), path);
  }

  statSync(path: RelativePath, options: { readonly bigint?: false; readonly throwIfNoEntry: false }): Stats | undefined;
  statSync(path: RelativePath, options: { readonly bigint: true }): BigIntStats;
  statSync(path: RelativePath, options?: { readonly bigint?: false }): Stats;
  statSync(
    path: RelativePath,
    options?: { readonly bigint?: boolean; readonly throwIfNoEntry?: boolean },
  ): Stats | BigIntStats | undefined {
    return unlessMissing(options, () => this.#now(verbs.statVerb(path, options, true), path));
  }

  lstat(path: RelativePath, options: { readonly bigint: true }): Promise<BigIntStats>;
  lstat(path: RelativePath, options?: { readonly bigint?: false }): Promise<Stats>;
  /** Tells about a file, or a link itself. */
  async lstat(path: RelativePath, options?: { readonly bigint?: boolean }): Promise<Stats | BigIntStats> {
    return await this.#later(verbs.statVerb(path, options, false), path);
  }

  lstatSync(
    path: RelativePath,
    options: { readonly bigint?: false; readonly throwIfNoEntry: false },
  ): Stats | undefined;
  lstatSync(path: RelativePath, options: { readonly bigint: true }): BigIntStats;
  lstatSync(path: RelativePath, options?: { readonly bigint?: false }): Stats;
  lstatSync(
    path: RelativePath,
    options?: { readonly bigint?: boolean; readonly throwIfNoEntry?: boolean },
  ): Stats | BigIntStats | undefined {
    return unlessMissing(options, () => this.#now(verbs.statVerb(path, options, false), path));
  }

  readdir(path: RelativePath, options: ListOptions & { readonly withFileTypes: true }): Promise<Dirent[]>;
  readdir(path: RelativePath, options: BufferOptions | (ListOptions & { encoding: 'buffer' })): Promise<Buffer[]>;
  readdir(
    path: RelativePath,
    options?: BufferEncoding | (ListOptions & { encoding?: BufferEncoding | null }) | null,
  ): Promise<string[]>;
  /** Lists a directory by name. `'.'` is this one. */
  async readdir(path: RelativePath, options?: unknown): Promise<unknown[]> {
    return await this.#later(verbs.readDirectoryVerb(path, options), path);
  }

  readdirSync(path: RelativePath, options: ListOptions & { readonly withFileTypes: true }): Dirent[];
  readdirSync(path: RelativePath, options: BufferOptions | (ListOptions & { encoding: 'buffer' })): Buffer[];
  readdirSync(
    path: RelativePath,
    options?: BufferEncoding | (ListOptions & { encoding?: BufferEncoding | null }) | null,
  ): string[];
  readdirSync(path: RelativePath, options?: unknown): unknown[] {
    return this.#now(verbs.readDirectoryVerb(path, options), path);
  }

  /** Makes a directory; with `recursive` also those on the way, and returns the first that it made. */
  async mkdir(
    path: RelativePath,
    options?: number | string | MakeDirectoryOptions | null,
  ): Promise<string | undefined> {
    return await this.#later(verbs.makeDirectoryVerb(path, options), path);
  }

  mkdirSync(path: RelativePath, options?: number | string | MakeDirectoryOptions | null): string | undefined {
    return this.#now(verbs.makeDirectoryVerb(path, options), path);
  }

  /**
   * Removes a file; with `recursive` also a directory and all in it, without following any link, whatever another process
   * puts in place of what is being removed.
   */
  async rm(path: RelativePath, options?: RemoveOptions): Promise<void> {
    await this.#later(verbs.removeVerb(path, options), path);
  }

  rmSync(path: RelativePath, options?: RemoveOptions): void {
    this.#now(verbs.removeVerb(path, options), path);
  }

  /** Removes a name of a file. */
  async unlink(path: RelativePath): Promise<void> {
    await this.#later(verbs.unlinkVerb(path), path);
  }

  unlinkSync(path: RelativePath): void {
    this.#now(verbs.unlinkVerb(path), path);
  }

  /** Removes an empty directory. */
  async rmdir(path: RelativePath): Promise<void> {
    await this.#later(verbs.removeDirectoryVerb(path), path);
  }

  rmdirSync(path: RelativePath): void {
    this.#now(verbs.removeDirectoryVerb(path), path);
  }

  /** Renames a file or directory, also into another directory. To replace a file takes `unlinkat` there. */
  async rename(from: RelativePath, to: RelativePath, options: IntoOptions = {}): Promise<void> {
    await this.#into('rename', options, (target) =>
      this.#later(
        verbs.renameVerb(from, to, () => target),
        from,
        to,
      ),
    );
  }

  renameSync(from: RelativePath, to: RelativePath, options: IntoOptions = {}): void {
    const target = this.#other(options).#directory.open('rename');
    this.#now(
      verbs.renameVerb(from, to, () => target),
      from,
      to,
    );
  }

  /** Gives a file a second name, also in another directory. */
  async link(from: RelativePath, to: RelativePath, options: IntoOptions = {}): Promise<void> {
    await this.#into('link', options, (target) =>
      this.#later(
        verbs.linkVerb(from, to, () => target),
        from,
        to,
      ),
    );
  }

  linkSync(from: RelativePath, to: RelativePath, options: IntoOptions = {}): void {
    const target = this.#other(options).#directory.open('link');
    this.#now(
      verbs.linkVerb(from, to, () => target),
      from,
      to,
    );
  }

  /** Makes a symbolic link. The target may be anything; one that leads outside is refused when it is followed. */
  async symlink(target: RelativePath, path: RelativePath): Promise<void> {
    await this.#later(verbs.symlinkVerb(target, path), path);
  }

  symlinkSync(target: RelativePath, path: RelativePath): void {
    this.#now(verbs.symlinkVerb(target, path), path);
  }

  readlink(path: RelativePath, options: BufferOptions): Promise<Buffer>;
  readlink(path: RelativePath, options?: Encoding): Promise<string>;
  /** Reads where a symbolic link leads. */
  async readlink(path: RelativePath, options?: unknown): Promise<string | Buffer> {
    return await this.#later(verbs.readLinkVerb(path, options), path);
  }

  readlinkSync(path: RelativePath, options: BufferOptions): Buffer;
  readlinkSync(path: RelativePath, options?: Encoding): string;
  readlinkSync(path: RelativePath, options?: unknown): string | Buffer {
    return this.#now(verbs.readLinkVerb(path, options), path);
  }

  /** Changes the mode of a file. */
  async chmod(path: RelativePath, mode: number | string): Promise<void> {
    await this.#later(verbs.chmodVerb(path, mode), path);
  }

  chmodSync(path: RelativePath, mode: number | string): void {
    this.#now(verbs.chmodVerb(path, mode), path);
  }

  /** Changes the owner and group of a file; -1 leaves one as it is. */
  async chown(path: RelativePath, uid: number, gid: number): Promise<void> {
    await this.#later(verbs.chownVerb(path, uid, gid, true), path);
  }

  chownSync(path: RelativePath, uid: number, gid: number): void {
    this.#now(verbs.chownVerb(path, uid, gid, true), path);
  }

  /** The same of a link itself. */
  async lchown(path: RelativePath, uid: number, gid: number): Promise<void> {
    await this.#later(verbs.chownVerb(path, uid, gid, false), path);
  }

  lchownSync(path: RelativePath, uid: number, gid: number): void {
    this.#now(verbs.chownVerb(path, uid, gid, false), path);
  }

  /** Sets the times of a file. */
  async utimes(path: RelativePath, atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#later(verbs.utimesVerb(path, atime, mtime, true), path);
  }

  utimesSync(path: RelativePath, atime: TimeLike, mtime: TimeLike): void {
    this.#now(verbs.utimesVerb(path, atime, mtime, true), path);
  }

  /** The same of a link itself. */
  async lutimes(path: RelativePath, atime: TimeLike, mtime: TimeLike): Promise<void> {
    await this.#later(verbs.utimesVerb(path, atime, mtime, false), path);
  }

  lutimesSync(path: RelativePath, atime: TimeLike, mtime: TimeLike): void {
    this.#now(verbs.utimesVerb(path, atime, mtime, false), path);
  }

  /** Fails unless the file is there and may be used as `mode` says. */
  async access(path: RelativePath, mode?: number): Promise<void> {
    await this.#later(verbs.accessVerb(path, mode), path);
  }

  accessSync(path: RelativePath, mode?: number): void {
    this.#now(verbs.accessVerb(path, mode), path);
  }

  /** Cuts a file to a length, or fills it up with zeros. */
  async truncate(path: RelativePath, length?: number | null): Promise<void> {
    await this.#later(verbs.truncateVerb(path, length), path);
  }

  truncateSync(path: RelativePath, length?: number | null): void {
    this.#now(verbs.truncateVerb(path, length), path);
  }

  /** Makes a stream that reads a file; an error in opening it is the stream's. */
  createReadStream(
    path: RelativePath,
    options?: BufferEncoding | (HandleReadStreamOptions & { flags?: string; mode?: number }),
  ): ReadStream {
    return this.#stream(fs.createReadStream, path, options);
  }

  /** Makes a stream that writes a file; an error in opening it is the stream's. */
  createWriteStream(
    path: RelativePath,
    options?: BufferEncoding | (HandleWriteStreamOptions & { flags?: string; mode?: number }),
  ): WriteStream {
    return this.#stream(fs.createWriteStream, path, options);
  }

  #stream<Stream extends ReadStream | WriteStream>(
    make: (path: string | Buffer, options: object) => Stream,
    path: RelativePath,
    options: unknown,
  ): Stream {
    let stream: (Stream & RuntimeStream) | undefined;
    const open: OpenCall = (_path, flags, mode, done) => {
      // The runtime's constructor threw: nobody has the stream, and nobody would close what it opens.
      if (stream === undefined) return;
      // It failed before: its signal was aborted. The runtime would open the file all the same, and never close it.
      if (stream.errored !== undefined && stream.errored !== null) {
        done(stream.errored);
        return;
      }
      const opening = async () => await this.#later(verbs.openVerb(path, flags, mode), path);
      // What a listener throws is an exception, as with the runtime's streams, and no rejection.
      opening().then(
        (fd) => process.nextTick(done, null, fd),
        (error: unknown) => process.nextTick(done, error),
      );
    };
    const calls = { ...streamCalls(), open };
    const made = make(streamPath(path), { ...pathStreamOptions(options), fs: calls }) as Stream & RuntimeStream;
    // In place of the runtime's own. That one calls `open` of the stream rather than ours where somebody has put another
    // there, as graceful-fs does, and that opens paths of the whole system.
    made._construct = (done) => {
      open(path, made.flags, made.mode, (error, fd) => {
        if (fd === undefined) {
          done(error as Error);
          return;
        }
        made.fd = fd;
        done();
        made.emit('open', fd);
        made.emit('ready');
      });
    };
    stream = made;
    return stream;
  }

  /**
   * Makes a server that listens on a socket of the given name in this directory; resolves when it does. The name stays
   * when the server closes.
   *
   * @throws `EADDRINUSE` when there is a file of that name; `ENAMETOOLONG` for a path of more than 103 bytes;
   * `ERR_INVALID_STATE` in a worker of `node:cluster`, for which the runtime would have its primary listen
   * @see [bindat(2)](https://man.freebsd.org/cgi/man.cgi?query=bindat&sektion=2)
   */
  async listenUnix(path: RelativePath, options: ServerOpts & { readonly backlog?: number } = {}): Promise<Server> {
    checkObject('options', options);
    const { backlog, highWaterMark } = options;
    if (backlog !== undefined) checkInteger('options.backlog', backlog, 0, 0x7fffffff);
    // Bun looks at it when somebody connects.
    if (highWaterMark !== undefined) {
      checkInteger('options.highWaterMark', highWaterMark, 0, Number.MAX_SAFE_INTEGER);
    }
    if (cluster().isWorker) {
      throw invalidState(
        'A worker of node:cluster cannot listen: the runtime would have the primary listen on its own descriptor of ' +
          'that number. Listen in a process of its own, such as one of spawn()',
      );
    }
    // All that can throw comes before there is a descriptor. After that it is the server's: the runtime closes it when
    // listen(2) fails, and by the time the error is told the number may be somebody else's.
    const server = net().createServer(options);
    const fd = released(await this.#later(verbs.socketVerb(path, 'bindAt'), path));
    return await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ fd, ...(backlog === undefined ? {} : { backlog }) }, () => {
        server.off('error', reject);
        resolve(server);
      });
    });
  }

  /**
   * Connects to the socket of the given name in this directory.
   *
   * @throws `ENOENT`, `ECONNREFUSED` when nobody listens there
   * @see [connectat(2)](https://man.freebsd.org/cgi/man.cgi?query=connectat&sektion=2)
   */
  async connectUnix(path: RelativePath, options: { readonly allowHalfOpen?: boolean } = {}): Promise<Socket> {
    checkObject('options', options);
    const fd = released(await this.#later(verbs.socketVerb(path, 'connectAt'), path));
    try {
      return socketOf(fd, options);
    } catch (error) {
      // The socket did not get the descriptor.
      fs.closeSync(fd);
      throw error;
    }
  }

  /** Closes the directory, once calls under way are done. A second call does nothing; files opened through it stay open. */
  close(): void {
    // Somebody may have closed the number. Disposal must not throw.
    this.#directory.close().catch(() => {});
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [inspect.custom](): string {
    if (this.fd === -1) return 'Directory { closed }';
    let rights: string;
    try {
      rights = inspect(this.rights);
    } catch (error) {
      // Somebody closed the number. Printing must not throw.
      rights = String((error as NodeJS.ErrnoException).code);
    }
    return `Directory { fd: ${this.fd}, ${rights} }`;
  }

  #now<Result>(verb: verbs.Verb<Result>, ...paths: readonly RelativePath[]): Result {
    const fd = this.#directory.open(verb.syscall);
    try {
      return runNow(verb.run(fd));
    } catch (error) {
      throw explained(error, fd, verb, paths);
    }
  }

  async #later<Result>(verb: verbs.Verb<Result>, ...paths: readonly RelativePath[]): Promise<Result> {
    return await this.#directory.during(verb.syscall, async (fd) => {
      try {
        return await runLater(verb.run(fd), verb.signal);
      } catch (error) {
        throw explained(error, fd, verb, paths);
      }
    });
  }

  #other(options: IntoOptions): Directory {
    checkObject('options', options);
    const { into = this } = options;
    if (!(into instanceof Directory)) throw invalidArgType('options.into', 'an instance of Directory', into);
    return into;
  }

  async #into<Result>(syscall: string, options: IntoOptions, work: (fd: number) => Promise<Result>): Promise<Result> {
    return await this.#other(options).#directory.during(syscall, work);
  }
}

/** Gives a descriptor away: whoever has it closes it. */
function released(fd: number): number {
  native('close').releaseHeld(fd);
  return fd;
}

/** Reads the rights out of options. */
function rightsOf(options: DirectoryOptions): Rights | undefined {
  checkObject('options', options);
  return options.rights === undefined ? undefined : Rights.from(options.rights);
}

function unlessMissing<Result>(
  options: { readonly throwIfNoEntry?: boolean } | undefined,
  call: () => Result,
): Result | undefined {
  try {
    return call();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (options?.throwIfNoEntry === false && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** The path that a stream is to have as its property. */
function streamPath(path: RelativePath): string | Buffer {
  if (typeof path === 'string') return path;
  if (!((path as unknown) instanceof Uint8Array)) {
    throw invalidArgType('path', 'of type string or an instance of Buffer', path);
  }
  return Buffer.from(path);
}

/** What a stream of the runtime's has that its types do not tell. */
interface RuntimeStream {
  fd: number;
  readonly flags: string | number;
  readonly mode: number | undefined;
}

type OpenCall = (
  path: unknown,
  flags: string | number,
  mode: number | undefined,
  done: (error: unknown, fd?: number) => void,
) => void;

/** What the runtime's streams are to call, but for opening. */
function streamCalls(): object {
  const close = (fd: number, done: (error: unknown) => void) => {
    let failure: unknown = null;
    try {
      closeHeld(fd);
    } catch (error) {
      failure = error;
    }
    process.nextTick(done, failure);
  };
  const { fsync, read, write, writev } = fs;
  return { close, fsync, read, write, writev };
}

/** Options of a stream of a path. With a descriptor among them the runtime would take that instead, from anywhere. */
function pathStreamOptions(options: unknown): object {
  const { fd, ...given } = streamOptions(options, 'fd', 'flags', 'mode');
  if (fd !== undefined && fd !== null) {
    throw invalidArgValue('options.fd', fd, 'must not be given: the stream opens the path in the directory');
  }
  return given;
}

/** Makes a socket of a connected descriptor. Only what is named here: with others the runtime would connect elsewhere. */
function socketOf(fd: number, { allowHalfOpen = false }: { readonly allowHalfOpen?: boolean }): Socket {
  // Bun's Socket takes no descriptor, its connect does.
  if (process.versions.bun !== undefined) return net().connect({ fd, allowHalfOpen } as never);
  return new (net().Socket)({ fd, allowHalfOpen, readable: true, writable: true });
}

/** The kernel says one thing to a path that leads outside and to a right that is missing. Says which it was. */
function explained(
  error: unknown,
  fd: number,
  { needs }: Pick<verbs.Verb<unknown>, 'needs'>,
  paths: readonly RelativePath[],
): unknown {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== 'ENOTCAPABLE') return error;
  if (error.message.includes('leads outside')) return error;
  const held = getRights(fd);
  const missing = needs.filter((right) => !held.has(right));
  if (missing.length > 0 && !paths.some(leadsOutsideByName)) {
    return withMore(error, `: the directory lacks ${missing.map((right) => `'${right}'`).join(', ')}`);
  }
  return withMore(error, ': the path leads outside of the directory');
}
