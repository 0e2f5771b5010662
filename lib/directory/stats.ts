/**
 * `fs.Stats` and `fs.Dirent` from what the addon gives: objects of the runtime's own classes.
 */

import fs, { type BigIntStats, Dirent, Stats } from 'node:fs';

const FIELDS = ['dev', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'blksize', 'ino', 'size', 'blocks'] as const;
const TIMES = ['atime', 'mtime', 'ctime', 'birthtime'] as const;

/** What becomes of a fraction of a millisecond in a Date: Node rounds, Bun cuts it off. */
const wholeMs = process.versions.bun === undefined ? Math.round : Math.floor;

let bigIntPrototype: object | undefined;

/** Learns the class of BigIntStats, which no module exports, from a descriptor with every right. */
export function learnBigIntStats(fd: number): void {
  bigIntPrototype ??= Object.getPrototypeOf(fs.fstatSync(fd, { bigint: true })) as object;
}

// Own properties, whatever the class has: in newer Node its dates are accessors that need what its constructor sets.
function make(prototype: object, properties: readonly (readonly [string, unknown])[]): object {
  const result = Object.create(prototype) as object;
  for (const [name, value] of properties) {
    Object.defineProperty(result, name, { value, writable: true, enumerable: true, configurable: true });
  }
  return result;
}

/** Makes the object that `node:fs` gives for a file. `raw` is what `statAt` returns. */
export function makeStats(raw: BigInt64Array, bigint: boolean): Stats | BigIntStats {
  const words = [...raw];
  const fields = FIELDS.map((name, index) => [name, BigInt.asUintN(64, words[index] ?? 0n)] as const);
  const times = TIMES.map((name, index) => {
    const seconds = words[FIELDS.length + 2 * index] ?? 0n;
    const nanoseconds = words[FIELDS.length + 2 * index + 1] ?? 0n;
    return { name, seconds, nanoseconds };
  });
  const ms = ({ seconds, nanoseconds }: { seconds: bigint; nanoseconds: bigint }): number =>
    Number(seconds) * 1000 + Number(nanoseconds) / 1e6;
  const dates = times.map((time) => [time.name, new Date(wholeMs(ms(time)))] as const);
  if (!bigint) {
    return make(Stats.prototype, [
      ...fields.map(([name, value]) => [name, Number(value)] as const),
      ...times.map((time) => [`${time.name}Ms`, ms(time)] as const),
      ...dates,
    ]) as Stats;
  }
  return make(bigIntPrototype ?? Object.prototype, [
    ...fields,
    ...times.map(
      ({ name, seconds, nanoseconds }) => [`${name}Ms`, seconds * 1000n + nanoseconds / 1_000_000n] as const,
    ),
    ...times.map(({ name, seconds, nanoseconds }) => [`${name}Ns`, seconds * 1_000_000_000n + nanoseconds] as const),
    ...dates,
  ]) as BigIntStats;
}

/** DT_* of dirent.h. */
export const DT = { UNKNOWN: 0, FIFO: 1, CHR: 2, DIR: 4, BLK: 6, REG: 8, LNK: 10, SOCK: 12 } as const;

/** The numbers that the class Dirent has for them. */
const DIRENT_TYPES: ReadonlyMap<number, number> = new Map([
  [DT.REG, 1],
  [DT.DIR, 2],
  [DT.LNK, 3],
  [DT.FIFO, 4],
  [DT.SOCK, 5],
  [DT.CHR, 6],
  [DT.BLK, 7],
]);

/** One entry of a directory, as the kernel has it. */
export interface Entry {
  readonly type: number;
  readonly name: Buffer;
}

/** Takes apart what `readDirectoryAt` returns, and sorts it by name, as libuv does. */
export function parseEntries(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start + 1);
    entries.push({ type: bytes[start] ?? DT.UNKNOWN, name: bytes.subarray(start + 1, end) });
    start = end + 1;
  }
  return entries.sort((a, b) => Buffer.compare(a.name, b.name));
}

/** The type, as DT_*, of a file with the given mode: for file systems that do not say it in the directory. */
export function typeOfMode(mode: number): number {
  return (mode & 0o170000) >> 12;
}

/** Makes the object that `node:fs` gives for an entry. */
export function makeDirent(name: string | Buffer, type: number, parent: string): Dirent {
  // The class is public, its constructor is not in the types.
  const Constructor = Dirent as unknown as new (name: string | Buffer, type: number, path: string) => Dirent;
  const dirent = new Constructor(name, DIRENT_TYPES.get(type) ?? 0, parent);
  // Bun and some releases of Node set only one of the two names of it.
  if (dirent.parentPath === undefined) Object.assign(dirent, { parentPath: parent });
  return dirent;
}
