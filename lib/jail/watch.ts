import { native } from '../binding.ts';
import { checkKeys, checkObject, invalidArgType } from '../errors.ts';
import { requireFreeBSD15 } from './calls.ts';
import { EventRecord } from './event-record.ts';

/**
 * What happened to a jail.
 *
 * The kernel keeps one report for each watcher and adds to it until it is read. What came together is told as one event of
 * each type; `coalesced` says that there was more than one attachment or child among it, of which the kernel then names
 * none: look for yourself. A `set` may always stand for several.
 *
 * So it is with what nobody has read yet, once that is more than 1,024 events.
 */
export type JailEvent =
  /** Its parameters were changed. */
  | { readonly type: 'set' }
  /**
   * A process attached; `pid` names it unless there were several. Processes forked inside are not told. An attachment by
   * descriptor is a `set` too.
   */
  | { readonly type: 'attach'; readonly pid?: number; readonly coalesced: boolean }
  /** A jail was created in it; `jid` names it unless there were several. */
  | { readonly type: 'child'; readonly jid?: number; readonly coalesced: boolean }
  /** It was removed; this is the last event. */
  | { readonly type: 'remove' };

/** Options of watching. */
export interface JailWatchOptions {
  /** Ends the watch: the iterator throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

// sys/event.h
const NOTE_JAIL_CHILD = 0x80000000;
const NOTE_JAIL_SET = 0x40000000;
const NOTE_JAIL_ATTACH = 0x20000000;
const NOTE_JAIL_REMOVE = 0x10000000;
const NOTE_JAIL_MULTI = 0x08000000;

/** Checks `{ signal }`. */
export function checkSignal(options: unknown): AbortSignal | undefined {
  checkObject('options', options);
  checkKeys('options', options, ['signal']);
  const { signal } = options as JailWatchOptions;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgType('options.signal', 'an instance of AbortSignal', signal);
  }
  return signal;
}

/** Reads the `fflags` and `data` of kevent(2). */
export function eventsOf(fflags: number, data: number): JailEvent[] {
  const has = (note: number) => (fflags & note) !== 0;
  const coalesced = has(NOTE_JAIL_MULTI);
  const named = data > 0 && !coalesced;
  const events: JailEvent[] = [];
  if (has(NOTE_JAIL_SET)) events.push({ type: 'set' });
  if (has(NOTE_JAIL_ATTACH)) events.push({ type: 'attach', ...(named ? { pid: data } : {}), coalesced });
  if (has(NOTE_JAIL_CHILD)) events.push({ type: 'child', ...(named ? { jid: data } : {}), coalesced });
  if (has(NOTE_JAIL_REMOVE)) events.push({ type: 'remove' });
  return events;
}

interface Waiting {
  resolve(result: IteratorResult<JailEvent, undefined>): void;
  reject(reason: unknown): void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** What follows when events are read. */
interface Reading {
  /** Called with the number of each event that was told. */
  readonly told?: (at: number) => void;
  /** Called once, when the reader will not wait any more. */
  readonly over?: () => void;
}

/** Reads a record from its first event on. Not an async generator, for whose `return()` a `next()` that waits comes first. */
export class JailEvents implements AsyncIterableIterator<JailEvent, undefined> {
  readonly #record: EventRecord;
  readonly #signal: AbortSignal | undefined;
  readonly #reading: Reading;
  readonly #waiting: Waiting[] = [];
  /** Of each type, the number of the last that was told. */
  readonly #told = new Map<JailEvent['type'], number>();
  /** The last event to tell. */
  #until = Infinity;
  #over = false;
  #failure: { readonly reason: unknown } | undefined;

  constructor(record: EventRecord, signal: AbortSignal | undefined, reading: Reading = {}) {
    signal?.throwIfAborted();
    this.#record = record;
    this.#signal = signal;
    this.#reading = reading;
    signal?.addEventListener('abort', this.#abort);
  }

  next(): Promise<IteratorResult<JailEvent, undefined>> {
    const event = this.#take();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#failure !== undefined) {
      const { reason } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(reason);
    }
    if (this.#record.over) this.end();
    if (this.#over) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#record.wait(this.#wake);
    });
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#until = 0;
    this.#failure = undefined;
    this.end();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Tells what is there, and waits for nothing more. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#record.leave(this.#wake);
    this.#reading.over?.();
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
  }

  readonly #abort = () => {
    const reason: unknown = this.#signal?.reason;
    const first = this.#waiting.shift();
    if (first === undefined) this.#failure = { reason };
    else first.reject(reason);
    this.#until = this.#record.last;
    this.end();
  };

  readonly #wake = () => {
    while (this.#waiting.length > 0) {
      const event = this.#take();
      if (event === undefined) break;
      this.#waiting.shift()?.resolve({ done: false, value: event });
    }
    if (this.#record.over) this.end();
    else if (this.#waiting.length === 0) this.#record.leave(this.#wake);
  };

  #take(): JailEvent | undefined {
    const [event, at] = this.#record.after(this.#told) ?? [];
    if (event === undefined || at === undefined || at > this.#until) return undefined;
    this.#told.set(event.type, at);
    this.#reading.told?.(at);
    return event;
  }
}

/**
 * Watches a jail by its number (0: that of this process) or by a descriptor.
 *
 * @param whenOver called once, when nothing more will come
 */
export function watchJail(
  filter: 'jail' | 'jaildesc',
  ident: number,
  options: unknown,
  whenOver?: (events: JailEvents) => void,
): JailEvents {
  const signal = checkSignal(options);
  signal?.throwIfAborted();
  requireFreeBSD15('kevent', 'Jail events');
  const record = new EventRecord();
  const watch = native('kevent').watchEvent(filter, ident, (fflags, data) => {
    const arrived = eventsOf(fflags, data);
    record.add(arrived);
    if (arrived.some(({ type }) => type === 'remove')) events.end();
  });
  const events: JailEvents = new JailEvents(record, signal, {
    told: (at) => record.forget(at),
    over: () => {
      native('kevent').unwatchEvent(watch);
      whenOver?.(events);
    },
  });
  return events;
}
