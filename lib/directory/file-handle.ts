import fs, { type BigIntStats, type ReadStream, type Stats, type WriteStream } from 'node:fs';
import { inspect } from 'node:util';
import { checkEncoding, checkMode, checkOptions, checkSignal, checkTime, type TimeLike } from './arguments.ts';
import { bytesOf, type FileData, promised, readAll, writeBytes } from './descriptor-calls.ts';
import { runLater } from './operation.ts';
import { SharedDescriptor } from './shared-descriptor.ts';

/** Options of `FileHandle#read`: [those of Node's](https://nodejs.org/api/fs.html#filehandlereadoptions). */
export interface ReadOptions<View extends NodeJS.ArrayBufferView> {
  readonly buffer?: View;
  readonly offset?: number;
  readonly length?: number;
  readonly position?: number | bigint | null;
}

/** What can be written piece by piece. */
export type FileDataSource = FileData | Iterable<FileData> | AsyncIterable<FileData>;

/**
 * An open file of a `Directory`, with the verbs of the FileHandle of `node:fs/promises`. It has the rights of its
 * directory, and what they do not cover fails with ENOTCAPABLE. Its `fd` is an ordinary descriptor for the rest of
 * `node:fs`.
 *
 * Closing waits for calls under way, and is up to the owner: unlike Node's, a handle that is forgotten stays open.
 *
 * @see [rights(4)](https://man.freebsd.org/cgi/man.cgi?query=rights&sektion=4)
 *
 * @example
 * ```ts
 * import { Directory } from 'freebsd-capsule';
 * using logs = Directory.open('/var/log/app', { rights: Directory.APPEND_ONLY });
 * await using log = await logs.open('audit.log', 'a');
 * await log.appendFile('started\n');
 * await log.truncate(0); // throws: errno -93, ENOTCAPABLE
 * ```
 */
export class FileHandle implements AsyncDisposable {
  readonly #file: SharedDescriptor;

  /** Takes over a descriptor. */
  constructor(fd: number) {
    this.#file = new SharedDescriptor(fd, 'file');
  }

  /** The descriptor's number; -1 once closed. */
  get fd(): number {
    return this.#file.fd;
  }

  /** Reads into a buffer, by default a new one of 16 KiB, from `position` or where the file is. */
  read<View extends NodeJS.ArrayBufferView>(
    buffer: View,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<{ bytesRead: number; buffer: View }>;
  read<View extends NodeJS.ArrayBufferView = Buffer>(
    options?: ReadOptions<View>,
  ): Promise<{ bytesRead: number; buffer: View }>;
  read(
    bufferOrOptions?: NodeJS.ArrayBufferView | ReadOptions<NodeJS.ArrayBufferView>,
    ...rest: readonly (number | bigint | null | undefined)[]
  ): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    const options: ReadOptions<NodeJS.ArrayBufferView> = ArrayBuffer.isView(bufferOrOptions)
      ? {
          buffer: bufferOrOptions,
          offset: Number(rest[0] ?? 0),
          ...(rest[1] === undefined || rest[1] === null ? {} : { length: Number(rest[1]) }),
          position: rest[2] ?? null,
        }
      : (bufferOrOptions ?? {});
    const { buffer = Buffer.alloc(16_384), offset = 0, position = null } = options;
    const { length = buffer.byteLength - offset } = options;
    return this.#file.during('read', async (fd) => {
      const bytesRead = await promised<number>((done) => fs.read(fd, buffer, offset, length, position, done));
      return { bytesRead, buffer };
    });
  }

  /** Writes bytes or text once, at `position` or where the file is, and says how much of it was written. */
  write<Data extends FileData>(
    data: Data,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: Data }>;
  write(
    data: string,
    position?: number | null,
    encoding?: BufferEncoding,
  ): Promise<{ bytesWritten: number; buffer: string }>;
  write(
    data: FileData,
    ...rest: readonly (number | string | null | undefined)[]
  ): Promise<{ bytesWritten: number; buffer: FileData }> {
    return this.#file.during('write', async (fd) => {
      const text = typeof data === 'string';
      const bytes = bytesOf(data, text ? ((rest[1] as BufferEncoding | undefined) ?? 'utf8') : 'utf8');
      const [offset, length, position] = text ? [0, bytes.length, rest[0]] : rest;
      const from = Number(offset ?? 0);
      const bytesWritten = await promised<number>((done) =>
        fs.write(fd, bytes, from, Number(length ?? bytes.length - from), (position as number | null) ?? null, done),
      );
      return { bytesWritten, buffer: data };
    });
  }

  /** Reads from where the file is to its end. */
  readFile(options?: { encoding?: null; signal?: AbortSignal } | null): Promise<Buffer>;
  readFile(options: BufferEncoding | { encoding: BufferEncoding; signal?: AbortSignal }): Promise<string>;
  readFile(options?: unknown): Promise<Buffer | string> {
    return this.#file.during('read', async (fd) => {
      const { encoding, signal } = checkOptions<{ signal?: unknown }>(options);
      const name = checkEncoding(encoding ?? 'buffer');
      const checked = checkSignal(signal);
      return await runLater(readAll(fd, name === 'buffer' ? null : name, checked), checked);
    });
  }

  /** Writes all of the data where the file is. */
  writeFile(
    data: FileDataSource,
    options?: BufferEncoding | { encoding?: BufferEncoding | null; signal?: AbortSignal } | null,
  ): Promise<void> {
    return this.#file.during('write', async (fd) => {
      const { encoding, signal } = checkOptions<{ signal?: unknown }>(options);
      await writeSource(fd, data, checkEncoding(encoding) as BufferEncoding, checkSignal(signal));
    });
  }

  /** The same as `writeFile`: where writes go is decided by how the file was opened. */
  appendFile(data: FileDataSource, options?: Parameters<FileHandle['writeFile']>[1]): Promise<void> {
    return this.writeFile(data, options);
  }

  stat(options: { bigint: true }): Promise<BigIntStats>;
  stat(options?: { bigint?: false }): Promise<Stats>;
  /** fstat(2). */
  stat(options: { bigint?: boolean } = {}): Promise<Stats | BigIntStats> {
    return this.#file.during('fstat', (fd) =>
      promised<Stats | BigIntStats>((done) => fs.fstat(fd, { bigint: options.bigint === true }, done)),
    );
  }

  /** ftruncate(2). */
  truncate(length = 0): Promise<void> {
    return this.#file.during('ftruncate', (fd) => promised((done) => fs.ftruncate(fd, length, done)));
  }

  /** fsync(2). */
  sync(): Promise<void> {
    return this.#file.during('fsync', (fd) => promised((done) => fs.fsync(fd, done)));
  }

  /** fdatasync(2). */
  datasync(): Promise<void> {
    return this.#file.during('fdatasync', (fd) => promised((done) => fs.fdatasync(fd, done)));
  }

  /** fchmod(2). */
  chmod(mode: number | string): Promise<void> {
    return this.#file.during('fchmod', (fd) => promised((done) => fs.fchmod(fd, checkMode(mode, 0), done)));
  }

  /** fchown(2). */
  chown(uid: number, gid: number): Promise<void> {
    return this.#file.during('fchown', (fd) => promised((done) => fs.fchown(fd, uid, gid, done)));
  }

  /** futimens(2). */
  utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    return this.#file.during('futime', (fd) => {
      checkTime(atime, 'atime');
      checkTime(mtime, 'mtime');
      return promised((done) => fs.futimes(fd, atime, mtime, done));
    });
  }

  /** Makes a stream that reads the file, and closes the handle at its end unless `autoClose` is false. */
  createReadStream(options: Omit<HandleReadStreamOptions, 'fs'> = {}): ReadStream {
    return fs.createReadStream('', { ...options, fd: this.#file.open('read'), fs: this.#streamCalls() } as object);
  }

  /** Makes a stream that writes the file, and closes the handle at its end unless `autoClose` is false. */
  createWriteStream(options: Omit<HandleWriteStreamOptions, 'fs'> = {}): WriteStream {
    return fs.createWriteStream('', { ...options, fd: this.#file.open('write'), fs: this.#streamCalls() } as object);
  }

  /** What streams do with the descriptor, closing done by the handle: it must know. */
  #streamCalls(): object {
    const close = (_fd: number, done: (error: Error | null) => void) => {
      this.close().then(() => done(null), done);
    };
    const { open, read, write, writev } = fs;
    return { open, read, write, writev, close };
  }

  /** Closes the file once the calls under way are done. A second call does nothing. */
  close(): Promise<void> {
    return this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [inspect.custom](): string {
    return this.fd === -1 ? 'FileHandle { closed }' : `FileHandle { fd: ${this.fd} }`;
  }
}

/** Options of `FileHandle#createReadStream`: [those of Node's](https://nodejs.org/api/fs.html#filehandlecreatereadstreamoptions). */
export interface HandleReadStreamOptions {
  readonly encoding?: BufferEncoding;
  readonly autoClose?: boolean;
  readonly emitClose?: boolean;
  readonly start?: number;
  readonly end?: number;
  readonly highWaterMark?: number;
  readonly signal?: AbortSignal;
}

/** Options of `FileHandle#createWriteStream`: [those of Node's](https://nodejs.org/api/fs.html#filehandlecreatewritestreamoptions). */
export interface HandleWriteStreamOptions {
  readonly encoding?: BufferEncoding;
  readonly autoClose?: boolean;
  readonly emitClose?: boolean;
  readonly start?: number;
  readonly highWaterMark?: number;
  readonly flush?: boolean;
  readonly signal?: AbortSignal;
}

/** Writes data, or each piece of it as it comes. */
export async function writeSource(
  fd: number,
  data: unknown,
  encoding: BufferEncoding,
  signal: AbortSignal | undefined,
): Promise<void> {
  const pieces = typeof data === 'object' && data !== null && !ArrayBuffer.isView(data) ? data : undefined;
  if (pieces === undefined || !(Symbol.asyncIterator in pieces || Symbol.iterator in pieces)) {
    return await runLater(writeBytes(fd, bytesOf(data, encoding)), signal);
  }
  for await (const piece of pieces as AsyncIterable<unknown>) {
    await runLater(writeBytes(fd, bytesOf(piece, encoding)), signal);
  }
}
