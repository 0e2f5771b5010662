import type { JailEvent } from './watch.ts';

/** The most events that are kept one by one. */
const MOST_KEPT = 1024;

/** An event that is kept, or the last of several of its type that one stands for. */
interface Kept {
  readonly event: JailEvent;
  /** Its number, from 1. */
  readonly at: number;
  /** The number of the last one before it that it stands for too; 0 when there is none. */
  readonly before: number;
}

/** What an event becomes that stands for more than itself: as the kernel tells several, without a name. */
function severalOf({ type }: JailEvent): JailEvent {
  return type === 'attach' || type === 'child' ? { type, coalesced: true } : { type };
}

/**
 * The events of one jail, for whoever reads them.
 *
 * Who makes events without end does not take up memory without end: once there are 1,024, one of each type stands for
 * all of it that follow. Who waits for the next event is told each as it comes nevertheless.
 */
export class EventRecord {
  readonly #kept: Kept[] = [];
  readonly #readers = new Set<() => void>();
  readonly #waitedFor: (waiting: boolean) => void;
  #last = 0;
  #over = false;

  /** @param waitedFor told whether anybody waits for the next event, each time that somebody begins or ends to */
  constructor(waitedFor: (waiting: boolean) => void = () => {}) {
    this.#waitedFor = waitedFor;
  }

  /** Whether there will be no more. */
  get over(): boolean {
    return this.#over;
  }

  /** The number of the last event; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** Whether anybody waits for the next event. */
  get waitedFor(): boolean {
    return this.#readers.size > 0;
  }

  /** The first event that is kept. */
  get first(): JailEvent | undefined {
    return this.#kept[0]?.event;
  }

  /** Adds events. Those beyond the most that are kept take the place of one of their type. */
  add(events: readonly JailEvent[]): void {
    for (const event of events) {
      const index = this.#kept.findIndex((kept, place) => place >= MOST_KEPT && kept.event.type === event.type);
      const [former] = index < 0 ? [] : this.#kept.splice(index, 1);
      this.#kept.push({ event, at: ++this.#last, before: former?.at ?? 0 });
    }
    this.#wake();
  }

  /** The next event for a reader, with its number, who knows of each type the number of the last that he was told. */
  after(told: ReadonlyMap<JailEvent['type'], number>): readonly [JailEvent, number] | undefined {
    const last = ({ type }: JailEvent) => told.get(type) ?? 0;
    const kept = this.#kept.find(({ event, at }) => at > last(event));
    return kept && [kept.before > last(kept.event) ? severalOf(kept.event) : kept.event, kept.at];
  }

  /** Forgets an event. */
  remove(event: JailEvent): void {
    const index = this.#kept.findIndex((kept) => kept.event === event);
    if (index >= 0) this.#kept.splice(index, 1);
  }

  /** Forgets the events up to one. */
  forget(told: number): void {
    const left = this.#kept.findIndex(({ at }) => at > told);
    this.#kept.splice(0, left < 0 ? this.#kept.length : left);
  }

  /** Calls a reader whenever there is more, or will not be, until it leaves. */
  wait(reader: () => void): void {
    this.#readers.add(reader);
    this.#waitedFor(true);
  }

  leave(reader: () => void): void {
    if (this.#readers.delete(reader)) this.#waitedFor(this.waitedFor);
  }

  /** Ends the record. */
  end(): void {
    this.#over = true;
    this.#wake();
  }

  #wake(): void {
    for (const reader of this.#readers) reader();
  }
}
