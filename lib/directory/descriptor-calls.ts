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

/** Reads what is left of a file. */
export function* readAll(
  fd: number,
  encoding: BufferEncoding | null,
  signal: AbortSignal | undefined,
): Operation<Buffer | string> {
  return yield* step<Buffer | string>(
    () => fs.readFileSync(fd, { encoding }),
    () => promised((done) => fs.readFile(fd, { encoding, ...(signal === undefined ? {} : { signal }) }, done)),
  );
}

/** read(2) of one byte, for its error. */
export function* readSome(fd: number): Operation<number> {
  const byte = Buffer.alloc(1);
  return yield* step(
    () => fs.readSync(fd, byte, 0, 1, null),
    () => promised<number>((done) => fs.read(fd, byte, 0, 1, null, done)),
  );
}

/** A write of more than this holds a thread of the pool for too long. */
const LARGEST_WRITE = 4 * 1024 * 1024;

/**
 * Writes bytes where the file is, however many writes that takes. `size` is how many there were when the caller gave them:
 * an array that is detached meanwhile must not pass for an empty one.
 */
export function* writeBytes(fd: number, bytes: Uint8Array, size = bytes.length): Operation<void> {
  for (let offset = 0; offset < size; ) {
    if (bytes.length !== size) {
      throw invalidState('The data was detached or resized while it was being written');
    }
    const length = Math.min(size - offset, LARGEST_WRITE);
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
    const length = yield* step(
      () => fs.readSync(from, buffer, 0, buffer.length, null),
      () => promised<number>((done) => fs.read(from, buffer, 0, buffer.length, null, done)),
    );
    if (length === 0) return;
    yield* writeBytes(to, buffer.subarray(0, length));
  }
}
