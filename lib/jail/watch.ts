import { native } from '../binding.ts';
import { checkKeys, checkObject, invalidArgType } from '../errors.ts';
import { requireFreeBSD15 } from './calls.ts';

/**
 * What happened to a jail.
 *
 * The kernel keeps one report for each watcher and adds to it until it is read. What came together is told as one event of
 * each type; `coalesced` says that there was more than one attachment or child among it, of which the kernel then names
 * none: look for yourself. A `set` may always stand for several.
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

/** The events of one jail, from the moment it is made. */
export class JailEvents implements AsyncIterableIterator<JailEvent, undefined> {
  readonly #watch: number;
  readonly #signal: AbortSignal | undefined;
  readonly #events: JailEvent[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #whenOver: ((events: JailEvents) => void) | undefined;
  #over = false;
  #failure: { readonly reason: unknown } | undefined;

  constructor(
    filter: 'jail' | 'jaildesc',
    ident: number,
    signal: AbortSignal | undefined,
    whenOver?: (events: JailEvents) => void,
  ) {
    signal?.throwIfAborted();
    this.#watch = native('kevent').watchEvent(filter, ident, (fflags, data) => this.#arrived(eventsOf(fflags, data)));
    this.#signal = signal;
    this.#whenOver = whenOver;
    signal?.addEventListener('abort', this.#abort);
  }

  next(): Promise<IteratorResult<JailEvent, undefined>> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#failure !== undefined) {
      const { reason } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(reason);
    }
    if (this.#over) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#events.length = 0;
    this.#end();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  readonly #abort = () => {
    const reason: unknown = this.#signal?.reason;
    const [first] = this.#waiting.splice(0, 1);
    if (first === undefined) this.#failure = { reason };
    else first.reject(reason);
    this.#end();
  };

  #arrived(events: readonly JailEvent[]): void {
    for (const event of events) {
      const next = this.#waiting.shift();
      if (next === undefined) this.#events.push(event);
      else next.resolve({ done: false, value: event });
    }
    if (events.some(({ type }) => type === 'remove')) this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    native('kevent').unwatchEvent(this.#watch);
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#whenOver?.(this);
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
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
  requireFreeBSD15('kevent', 'Jail events');
  return new JailEvents(filter, ident, signal, whenOver);
}
