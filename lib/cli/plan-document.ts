/** The text of a plan: read from its file, parsed, with the place of every value in it. */

import { isUtf8 } from 'node:buffer';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { STATUS } from './exit-status.ts';
import { Failure } from './failure.ts';
import { printable } from './printable.ts';

/** Something that is wrong with a plan. */
export interface Problem {
  /** Where in it, as a JSON pointer (RFC 6901); empty for the whole. */
  readonly pointer: string;
  /** What it takes instead. */
  readonly message: string;
}

/** Where something is in the file, from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface ParsedDocument {
  /** Undefined where it is not JSON. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** The place of a value, or of the nearest one around it; undefined where it is not known. */
  place(pointer: string): Place | undefined;
}

/** Far more than any plan has, and little enough to read at once. */
const MOST_BYTES = 256 * 1024;

/** A plan has four levels. */
const MOST_LEVELS = 16;

/** Strings, marks, and whatever else is not white space: enough of a scanner for text that is JSON for sure. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g;

/** Reads the text of a plan. Only of a regular file: others may never end, or have another text the next time. */
export function readDocument(path: string): string {
  const unreadable = (reason: string) => new Failure(STATUS.noPlan, `${printable(path)}: ${reason}`);
  let fd: number;
  try {
    // A FIFO would wait for its writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw unreadable((error as Error).message);
  }
  try {
    if (!fstatSync(fd).isFile()) throw unreadable('is not a regular file');
    const bytes = Buffer.alloc(MOST_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(fd, bytes, length, bytes.length - length, null);
    }
    if (length > MOST_BYTES)
      throw new Failure(STATUS.invalidPlan, `${printable(path)}: is larger than a plan may be (${MOST_BYTES} bytes)`);
    const text = bytes.subarray(0, length);
    if (!isUtf8(text))
      throw new Failure(STATUS.invalidPlan, `${printable(path)}: is not UTF-8, which JSON is written in`);
    return text.toString();
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw unreadable((error as Error).message);
  } finally {
    closeSync(fd);
  }
}

export function pointerTo(parent: string, key: string | number): string {
  return `${parent}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** Makes a function that finds lines and columns. */
function placesIn(text: string): (offset: number) => Place {
  const starts = [0, ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1)];
  return (offset) => {
    const line = starts.findLastIndex((start) => start <= offset);
    return { line: line + 1, column: offset - (starts[line] ?? 0) + 1 };
  };
}

/** An object or array that is being scanned. */
interface Level {
  readonly pointer: string;
  /** Of an object: the pointers of its keys so far. */
  readonly keys?: Set<string>;
  /** The key or number of the next value; undefined where a key comes first. */
  next: string | number | undefined;
}

/** Finds where each value is, and what JSON.parse is silent about. */
function scan(text: string): { offsets: Map<string, number>; problems: Problem[] } {
  const offsets = new Map<string, number>();
  const problems: Problem[] = [];
  const levels: Level[] = [];
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    const level = levels.at(-1);
    if (token === '}' || token === ']') levels.pop();
    else if (token === ',' && level !== undefined) {
      level.next = typeof level.next === 'number' ? level.next + 1 : undefined;
    } else if (token === ':' || token === ',') continue;
    else {
      const isKey = level?.keys !== undefined && level.next === undefined;
      if (isKey) level.next = JSON.parse(token) as string;
      const pointer = level === undefined ? '' : pointerTo(level.pointer, level.next ?? '');
      if (token.startsWith('"') && /[\ud800-\udfff]/u.test(JSON.parse(token) as string)) {
        problems.push({ pointer, message: `has half a character in ${token}` });
      }
      if (isKey) {
        // The last one would win, and a reader may look at the first.
        if (level.keys?.has(pointer)) problems.push({ pointer, message: 'is there twice' });
        level.keys?.add(pointer);
        offsets.set(pointer, index);
        continue;
      }
      if (!offsets.has(pointer)) offsets.set(pointer, index);
      if (token === '{') levels.push({ pointer, keys: new Set(), next: undefined });
      else if (token === '[') levels.push({ pointer, next: 0 });
      if (levels.length > MOST_LEVELS) {
        problems.push({ pointer, message: `is more than ${MOST_LEVELS} levels deep` });
        break;
      }
    }
  }
  return { offsets, problems };
}

/** Parses the text of a plan. Whatever the text is, this tells of it and throws nothing. */
export function parseDocument(text: string): ParsedDocument {
  const placeOf = placesIn(text);
  const wrong = (message: string, offset: number | undefined): ParsedDocument => ({
    value: undefined,
    problems: [{ pointer: '', message }],
    place: () => (offset === undefined ? undefined : placeOf(offset)),
  });
  if (text.startsWith('\uFEFF')) return wrong('begins with a byte order mark, which JSON does not have', 0);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    // V8 tells where; other runtimes do not.
    const position = /at position (\d+)/.exec(message)?.[1];
    return wrong(`is not JSON: ${message}`, position === undefined ? undefined : Number(position));
  }
  const { offsets, problems } = scan(text);
  return {
    value,
    problems,
    place(pointer) {
      for (let at = pointer; ; at = at.slice(0, at.lastIndexOf('/'))) {
        const offset = offsets.get(at);
        if (offset !== undefined) return placeOf(offset);
        if (at === '') return undefined;
      }
    },
  };
}
