import { native } from '../binding.ts';
import { invalidState } from '../errors.ts';
import { checkSignal, eventsOf, type JailEvent, type JailWatchOptions } from '../jail/watch.ts';

/** The EVFILT_USER event by which one knows that others have arrived: any number but that of the event thread's own. */
const FENCE = 1;

/**
 * What the kernel tells of a jail, kept from the first event on: nobody who asks later misses one.
 *
 * It keeps the event loop alive only while somebody waits for the next event.
 */
export class Evidence implements Disposable {
  readonly #events: JailEvent[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #watches: number[] = [];
  #over = false;

  /** Starts to listen to events of some types; in the kernel, each call has a report of its own. */
  watch(filter: 'jail' | 'jaildesc', ident: number, types: readonly JailEvent['type'][]): void {
    const binding = native('kevent');
    const watch = binding.watchEvent(filter, ident, (fflags, data) =>
      this.#arrived(eventsOf(fflags, data).filter(({ type }) => types.includes(type))),
    );
    this.#watches.push(watch);
    binding.refEvent(watch, this.#waiting.size > 0);
  }

  /** Whether nothing more will be told. */
  get over(): boolean {
    return this.#over;
  }

  /** All that was told, in order. */
  get events(): readonly JailEvent[] {
    return this.#events;
  }

  /** Takes out the first event of a type, and waits for it. */
  async take(type: JailEvent['type'], signal: AbortSignal): Promise<JailEvent | undefined> {
    for (;;) {
      const index = this.#events.findIndex((event) => event.type === type);
      if (index >= 0) return this.#events.splice(index, 1)[0];
      if (this.#over) return undefined;
      await this.#beyond(this.#events.length, signal);
    }
  }

  /**
   * Throws for anything that happened by now. What the kernel has told already is on its way here: an event of this
   * process's own, which comes after all that was told before, says when it has arrived.
   */
  async expectNone(): Promise<void> {
    const binding = native('kevent');
    await new Promise<void>((resolve) => {
      const watch = binding.watchEvent('user', FENCE, () => {
        binding.unwatchEvent(watch);
        resolve();
      });
    });
    const [first] = this.#events;
    if (first !== undefined) throw invalidState(`The jail was tampered with while it was sealed: ${first.type}`);
  }

  /** Tells the events from the first one on, those to come included. */
  tell(options: JailWatchOptions): AsyncIterableIterator<JailEvent, undefined> {
    const signal = checkSignal(options);
    signal?.throwIfAborted();
    return this.#tell(signal);
  }

  async *#tell(signal: AbortSignal | undefined): AsyncGenerator<JailEvent, undefined> {
    for (let told = 0; ; told++) {
      await this.#beyond(told, signal);
      const event = this.#events[told];
      if (event === undefined) return;
      yield event;
    }
  }

  /** Waits until there are more than `count` events, or there will not be. */
  async #beyond(count: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#events.length > count || this.#over) return;
    let wake = () => {};
    let abort = () => {};
    const woken = new Promise<void>((resolve, reject) => {
      wake = resolve;
      abort = () => reject(signal?.reason as Error);
    });
    this.#waiting.add(wake);
    this.#keepLoop();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await woken;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#waiting.delete(wake);
      this.#keepLoop();
    }
  }

  /** Listens no more: whoever waits is told that there is nothing to come. */
  [Symbol.dispose](): void {
    this.#over = true;
    for (const watch of this.#watches.splice(0)) native('kevent').unwatchEvent(watch);
    for (const wake of this.#waiting) wake();
  }

  #keepLoop(): void {
    for (const watch of this.#watches) native('kevent').refEvent(watch, this.#waiting.size > 0);
  }

  #arrived(events: readonly JailEvent[]): void {
    if (events.length === 0) return;
    this.#events.push(...events);
    if (events.some(({ type }) => type === 'remove')) this[Symbol.dispose]();
    for (const wake of this.#waiting) wake();
  }
}
