import fs, { type BigIntStats, type ReadStream, type Stats, type WriteStream } from 'node:fs';
import type { Interface } from 'node:readline';
import type { ReadableStream } from 'node:stream/web';
import { inspect } from 'node:util';
import { invalidArgType, invalidState } from '../errors.ts';
import { readline, webStreams } from '../runtime-modules.ts';
import {
  checkEncoding,
  checkLength,
  checkMode,
  checkOptions,
  checkSignal,
  checkTime,
  streamOptions,
  type TimeLike,
} from './arguments.ts';
import { bytesOf, type FileData, promised, readAll, writeBytes } from './descriptor-calls.ts';
import { runLater } from './operation.ts';
import { SharedDescriptor } from './shared-descriptor.ts';

/** Options of `FileHandle#read`: [those of Node's](https://nodejs.org/api/fs.html#filehandlereadoptions). */
export interface ReadOptions<View extends NodeJS.ArrayBufferView> {
  readonly buffer?: View;
  readonly offset?: number | null | undefined;
  readonly length?: number | null | undefined;
  readonly position?: number | bigint | null | undefined;
}

/** Returns a place in a buffer, or a length, for arithmetic: whether it is in the buffer is checked by the runtime. */
function checkNumber(name: 'offset' | 'length', value: unknown, byDefault: number): number {
  const number = value ?? byDefault;
  if (typeof number !== 'number') throw invalidArgType(name, 'of type number', number);
  return number;
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
  /** Whether a web stream reads it. */
  #locked = false;

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
  read<View extends NodeJS.ArrayBufferView>(
    buffer: View,
    options: Omit<ReadOptions<View>, 'buffer'>,
  ): Promise<{ bytesRead: number; buffer: View }>;
  read(
    bufferOrOptions?: NodeJS.ArrayBufferView | ReadOptions<NodeJS.ArrayBufferView> | null,
    offsetOrOptions?: number | ReadOptions<NodeJS.ArrayBufferView> | null,
    ...rest: readonly (number | bigint | null | undefined)[]
  ): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    const given: ReadOptions<NodeJS.ArrayBufferView> = ArrayBuffer.isView(bufferOrOptions)
      ? {
          ...(typeof offsetOrOptions === 'object'
            ? offsetOrOptions
            : { offset: offsetOrOptions, length: rest[0] as number, position: rest[1] }),
          buffer: bufferOrOptions,
        }
      : (bufferOrOptions ?? {});
    return this.#file.during('read', async (fd) => {
      if (typeof given !== 'object')
        throw invalidArgType('buffer', 'an instance of Buffer, TypedArray, or DataView', given);
      const buffer = given.buffer ?? Buffer.alloc(16_384);
      if (!ArrayBuffer.isView(buffer)) {
        throw invalidArgType('buffer', 'an instance of Buffer, TypedArray, or DataView', buffer);
      }
      const offset = checkNumber('offset', given.offset, 0);
      const length = checkNumber('length', given.length, buffer.byteLength - offset);
      // What the bounds may be is checked by the runtime, against the buffer as it is now.
      const bytesRead = await promised<number>((done) =>
        fs.read(fd, buffer, offset, length, given.position ?? null, done),
      );
      return { bytesRead, buffer };
    });
  }

  /** Fills several buffers one after the other: readv(2), or preadv(2) with a position. */
  readv<Views extends readonly NodeJS.ArrayBufferView[]>(
    buffers: Views,
    position?: number | null,
  ): Promise<{ bytesRead: number; buffers: Views }> {
    return this.#file.during('read', async (fd) => {
      const bytesRead = await promised<number>((done) =>
        fs.readv(fd, buffers, (position ?? null) as unknown as number, done),
      );
      return { bytesRead, buffers };
    });
  }

  /** Writes several buffers one after the other, once: writev(2), or pwritev(2) with a position. */
  writev<Views extends readonly NodeJS.ArrayBufferView[]>(
    buffers: Views,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffers: Views }> {
    return this.#file.during('write', async (fd) => {
      const bytesWritten =
        // What is no array at all is for node:fs to refuse.
        Array.isArray(buffers) && buffers.length === 0
          ? 0
          : await promised<number>((done) => fs.writev(fd, buffers, (position ?? null) as unknown as number, done));
      return { bytesWritten, buffers };
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
  write<Data extends NodeJS.ArrayBufferView>(
    data: Data,
    options: { readonly offset?: number; readonly length?: number; readonly position?: number | null },
  ): Promise<{ bytesWritten: number; buffer: Data }>;
  write(
    data: FileData,
    second?: number | { offset?: number; length?: number; position?: number | null } | null,
    third?: number | string | null,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: FileData }> {
    return this.#file.during('write', async (fd) => {
      const bytesWritten = await promised<number>((done) => {
        if (typeof data === 'string') {
          fs.write(fd, data, (second as number | null | undefined) ?? null, (third ?? 'utf8') as BufferEncoding, done);
          return;
        }
        const bytes = bytesOf(data, 'utf8');
        const given =
          typeof second === 'object' && second !== null ? second : { offset: second, length: third, position };
        const offset = checkNumber('offset', given.offset, 0);
        const length = (given.length ?? bytes.length - offset) as number;
        fs.write(fd, bytes, offset, length, given.position ?? null, done);
      });
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
      return await runLater(readAll(fd, name === 'buffer' ? null : name), checked);
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
  stat(options?: { bigint?: boolean }): Promise<Stats | BigIntStats> {
    return this.#file.during('fstat', (fd) => {
      const { bigint } = checkOptions<{ bigint?: unknown }>(options);
      return promised<Stats | BigIntStats>((done) => fs.fstat(fd, { bigint: bigint === true }, done));
    });
  }

  /** ftruncate(2). */
  truncate(length = 0): Promise<void> {
    return this.#file.during('ftruncate', (fd) => {
      // Checked here: node:fs takes a function for the callback, and the promise would be forgotten.
      const size = checkLength(length);
      return promised((done) => fs.ftruncate(fd, size, done));
    });
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
    // The bits that the kernel looks at: Node ends the process for a mode of 2 ** 31 or more.
    return this.#file.during('fchmod', (fd) => promised((done) => fs.fchmod(fd, checkMode(mode) & 0o7777, done)));
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
  createReadStream(options: HandleReadStreamOptions = {}): ReadStream {
    return fs.createReadStream('', {
      ...streamOptions(options),
      fd: this.#file.open('read'),
      fs: this.#streamCalls(),
    } as object);
  }

  /** Makes a stream that writes the file, and closes the handle at its end unless `autoClose` is false. */
  createWriteStream(options: HandleWriteStreamOptions = {}): WriteStream {
    return fs.createWriteStream('', {
      ...streamOptions(options),
      fd: this.#file.open('write'),
      fs: this.#streamCalls(),
    } as object);
  }

  /** Reads the file line by line, and closes the handle at its end unless `autoClose` is false. */
  readLines(options: HandleReadStreamOptions = {}): Interface {
    return readline().createInterface({ input: this.createReadStream(options), crlfDelay: Number.POSITIVE_INFINITY });
  }

  /**
   * Makes a web stream of bytes that reads from where the file is. Once for a handle, which is closed at the end of the
   * stream only with `autoClose`.
   */
  readableWebStream(options: { readonly autoClose?: boolean } = {}): ReadableStream {
    const { autoClose = false } = checkOptions<{ autoClose?: unknown }>(options);
    if (typeof autoClose !== 'boolean') throw invalidArgType('options.autoClose', 'of type boolean', autoClose);
    if (this.fd === -1) throw invalidState('The FileHandle is closed');
    if (this.#locked) throw invalidState('The FileHandle is locked');
    this.#locked = true;
    const finish = async () => {
      if (autoClose) await this.close();
    };
    return new (webStreams().ReadableStream)({
      type: 'bytes',
      pull: async (controller) => {
        // What a reader brought, or else of our own.
        const request = controller.byobRequest;
        const view = request?.view ?? new Uint8Array(16_384);
        const { bytesRead } = await this.read(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
        if (bytesRead === 0) {
          await finish();
          controller.close();
        }
        if (request !== null && request !== undefined) request.respond(bytesRead);
        else if (bytesRead > 0) controller.enqueue(new Uint8Array(view.buffer, view.byteOffset, bytesRead));
      },
      cancel: finish,
    }) as ReadableStream;
  }

  /**
   * What streams do with the descriptor. Each call keeps it open, and closing is done by the handle: a stream that goes on
   * after the handle was closed finds it closed, and not another file under its number.
   */
  #streamCalls(): object {
    const held =
      (name: 'read' | 'write' | 'writev' | 'fsync') =>
      (_fd: number, ...args: unknown[]) => {
        const done = args.pop() as (error: unknown, count?: unknown, data?: unknown) => void;
        const call = fs[name] as (...all: unknown[]) => void;
        this.#file
          .during(name, (fd) => promised((ended) => call(fd, ...args, ended)))
          .then(
            (count) => done(null, count, args[0]),
            (error: unknown) => done(error),
          );
      };
    const close = (_fd: number, done: (error: unknown) => void) => {
      this.close().then(() => done(null), done);
    };
    return {
      open: fs.open,
      read: held('read'),
      write: held('write'),
      writev: held('writev'),
      fsync: held('fsync'),
      close,
    };
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
