import { native } from '../binding.ts';
import { invalidState } from '../errors.ts';
import { EventRecord } from '../jail/event-record.ts';
import { checkSignal, eventsOf, type JailEvent, JailEvents, type JailWatchOptions } from '../jail/watch.ts';

/** The EVFILT_USER event by which one knows that others have arrived: any number but that of the event thread's own. */
const FENCE = 1;

/**
 * What the kernel tells of a jail, kept from the first event on: nobody who asks later misses one.
 *
 * It keeps the event loop alive only while somebody waits for the next event.
 */
export class Evidence implements Disposable {
  readonly #record = new EventRecord((waiting) => {
    for (const watch of this.#watches) native('kevent').refEvent(watch, waiting);
  });
  readonly #watches: number[] = [];

  /** Starts to listen to events of some types; in the kernel, each call has a report of its own. */
  watch(filter: 'jail' | 'jaildesc', ident: number, types: readonly JailEvent['type'][]): void {
    const binding = native('kevent');
    const watch = binding.watchEvent(filter, ident, (fflags, data) =>
      this.#arrived(eventsOf(fflags, data).filter(({ type }) => types.includes(type))),
    );
    this.#watches.push(watch);
    binding.refEvent(watch, this.#record.waitedFor);
  }

  /** Whether nothing more will be told. */
  get over(): boolean {
    return this.#record.over;
  }

  /** The first event that was told; undefined before. */
  get first(): JailEvent | undefined {
    return this.#record.first;
  }

  /** Takes out the first event of a type, and waits for it. */
  async take(type: JailEvent['type'], signal: AbortSignal): Promise<JailEvent | undefined> {
    for await (const event of new JailEvents(this.#record, signal)) {
      if (event.type !== type) continue;
      this.#record.remove(event);
      return event;
    }
    return undefined;
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
    if (this.first !== undefined) {
      throw invalidState(`The jail was tampered with while it was sealed: ${this.first.type}`);
    }
  }

  /** Tells the events from the first one on, those to come included. */
  tell(options: JailWatchOptions): AsyncIterableIterator<JailEvent, undefined> {
    return new JailEvents(this.#record, checkSignal(options));
  }

  /** Listens no more: whoever waits is told that there is nothing to come. */
  [Symbol.dispose](): void {
    for (const watch of this.#watches.splice(0)) native('kevent').unwatchEvent(watch);
    this.#record.end();
  }

  #arrived(events: readonly JailEvent[]): void {
    if (events.length === 0) return;
    this.#record.add(events);
    if (events.some(({ type }) => type === 'remove')) this[Symbol.dispose]();
  }
}
