/**
 * What `node:fs` does with a descriptor, as steps of an operation: capability mode leaves these calls alone, so they are
 * the runtime's own.
 */

import fs, { type BigIntStats } from 'node:fs';
import { invalidArgType, invalidState } from '../errors.ts';
import { type Operation, step } from './operation.ts';

/** Calls a function of `node:fs` that ends with a callback. */
export function promised<Result>(
  call: (done: (error: Error | null, result?: Result) => void) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    call((error, result) => (error === null || error === undefined ? resolve(result as Result) : reject(error)));
  });
}

/** A read or write of more than this holds a thread of the pool for too long. */
const LARGEST_PIECE = 4 * 1024 * 1024;
/** What is read at once of what does not say how large it is. */
const UNKNOWN_PIECE = 64 * 1024;
/** As large as a file may be that `node:fs` reads whole. */
const LARGEST_WHOLE = 2 ** 31 - 1;

/**
 * Reads what is left of a file. Not by `fs.readFile`: of a descriptor it takes an error in the middle, an abort included,
 * for the end of the file.
 */
export function* readAll(fd: number, encoding: BufferEncoding | null): Operation<Buffer | string> {
  const status = yield* stat(fd);
  const size = status.isFile() ? Number(status.size) : 0;
  if (size > LARGEST_WHOLE) {
    const error = new RangeError(`File size (${size}) is greater than 2 GiB`);
    throw Object.assign(error, { code: 'ERR_FS_FILE_TOO_LARGE' });
  }
  const bytes = size > 0 ? yield* readSize(fd, size) : yield* readPieces(fd);
  return encoding === null ? bytes : bytes.toString(encoding);
}

function* readSize(fd: number, size: number): Operation<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let end = 0;
  while (end < size) {
    const length = yield* readSome(fd, bytes, end, Math.min(size - end, LARGEST_PIECE));
    if (length === 0) break;
    end += length;
  }
  return bytes.subarray(0, end);
}

function* readPieces(fd: number): Operation<Buffer> {
  const pieces: Buffer[] = [];
  for (let total = 0; ; ) {
    const piece = Buffer.allocUnsafeSlow(UNKNOWN_PIECE);
    const length = yield* readSome(fd, piece, 0, piece.length);
    if (length === 0) return Buffer.concat(pieces, total);
    pieces.push(piece.subarray(0, length));
    total += length;
  }
}

function* readSome(fd: number, bytes: Buffer, offset: number, length: number): Operation<number> {
  return yield* step(
    () => fs.readSync(fd, bytes, offset, length, null),
    () => promised<number>((done) => fs.read(fd, bytes, offset, length, null, done)),
  );
}

/**
 * Writes bytes where the file is, however many writes that takes. `size` is how many there were when the caller gave them:
 * an array that is detached meanwhile must not pass for an empty one.
 */
export function* writeBytes(fd: number, bytes: Uint8Array, size = bytes.length): Operation<void> {
  for (let offset = 0; offset < size; ) {
    if (bytes.length !== size) {
      throw invalidState('The data was detached or resized while it was being written');
    }
    const length = Math.min(size - offset, LARGEST_PIECE);
    const from = offset;
    offset += yield* step(
      () => fs.writeSync(fd, bytes, from, length, null),
      () => promised<number>((done) => fs.write(fd, bytes, from, length, null, done)),
    );
  }
}

/** What can be written at once. */
export type FileData = string | NodeJS.ArrayBufferView;

/** Returns data as bytes, those of a view without copying them unless another thread may change them. */
export function bytesOf(data: unknown, encoding: BufferEncoding): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, encoding);
  if (ArrayBuffer.isView(data)) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return data.buffer instanceof SharedArrayBuffer ? Uint8Array.from(bytes) : bytes;
  }
  throw invalidArgType('data', 'of type string or an instance of Buffer, TypedArray, or DataView', data);
}

/** fsync(2). */
export function* sync(fd: number): Operation<void> {
  yield* step(
    () => fs.fsyncSync(fd),
    () => promised<void>((done) => fs.fsync(fd, done)),
  );
}

/** ftruncate(2). */
export function* truncate(fd: number, length: number): Operation<void> {
  yield* step(
    () => fs.ftruncateSync(fd, length),
    () => promised<void>((done) => fs.ftruncate(fd, length, done)),
  );
}

/** fstat(2). */
export function* stat(fd: number): Operation<BigIntStats> {
  return yield* step(
    () => fs.fstatSync(fd, { bigint: true }),
    () => promised<BigIntStats>((done) => fs.fstat(fd, { bigint: true }, done)),
  );
}

/** Copies what is left of one file to another. */
export function* copyBytes(from: number, to: number): Operation<void> {
  const buffer = Buffer.allocUnsafeSlow(512 * 1024);
  for (;;) {
    const length = yield* readSome(from, buffer, 0, buffer.length);
    if (length === 0) return;
    yield* writeBytes(to, buffer.subarray(0, length));
  }
}
