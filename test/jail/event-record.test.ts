/** What is kept of a jail's events, and told to whoever reads them: in order, each once, in bounded memory. */

import { describe, expect, test } from 'vitest';
import { EventRecord } from '../../lib/jail/event-record.ts';
import { type JailEvent, JailEvents } from '../../lib/jail/watch.ts';

const SET: JailEvent = { type: 'set' };
const REMOVE: JailEvent = { type: 'remove' };
const attach = (pid: number): JailEvent => ({ type: 'attach', pid, coalesced: false });
const SEVERAL: JailEvent = { type: 'attach', coalesced: true };
const DONE = { done: true, value: undefined };

/** What there is for somebody who asks now, without waiting. */
async function told(record: EventRecord): Promise<JailEvent[]> {
  const events: JailEvent[] = [];
  const reader = new JailEvents(record, undefined);
  const nothing = Symbol('nothing more');
  for (;;) {
    const next = await Promise.race([reader.next(), Promise.resolve(nothing)]);
    if (typeof next === 'symbol' || next.done === true) break;
    events.push(next.value);
  }
  await reader.return();
  return events;
}

describe('more events than are kept', () => {
  test('one of each type stands for all of it that follow, and the first are kept', async () => {
    const record = new EventRecord();
    const first = Array.from({ length: 1024 }, (_, pid) => attach(pid));
    record.add(first);
    record.add([attach(5000)]);
    expect(await told(record)).toEqual([...first, attach(5000)]);
    record.add([SET, attach(5001), SET, { type: 'child', jid: 3, coalesced: false }]);
    for (let round = 0; round < 3000; round++) record.add([SET, attach(6000 + round)]);
    record.add([REMOVE]);
    expect(await told(record)).toEqual([...first, { type: 'child', jid: 3, coalesced: false }, SET, SEVERAL, REMOVE]);
  });

  test('who waits for each is told each, as it is', async () => {
    const record = new EventRecord();
    const reader = new JailEvents(record, undefined);
    for (let pid = 0; pid < 3000; pid++) {
      const next = reader.next();
      record.add([attach(pid)]);
      expect(await next).toEqual({ done: false, value: attach(pid) });
    }
    record.add([attach(3000)]);
    expect((await reader.next()).value).toEqual(attach(3000));
    record.add([attach(3001), attach(3002)]);
    expect((await reader.next()).value).toEqual(SEVERAL);
  });

  test('what was told and is not to be told again takes up no room', async () => {
    const record = new EventRecord();
    const reader = new JailEvents(record, undefined, { told: (at) => record.forget(at) });
    for (let round = 0; round < 5; round++) {
      const events = Array.from({ length: 1000 }, (_, pid) => attach(pid));
      record.add(events);
      for (const event of events) expect((await reader.next()).value).toBe(event);
      expect(record.first).toBeUndefined();
    }
  });
});

describe('the end', () => {
  test('return() ends a next() that waits', async () => {
    const waits: boolean[] = [];
    const record = new EventRecord((waiting) => waits.push(waiting));
    const reader = new JailEvents(record, undefined);
    const pending = [reader.next(), reader.next()];
    expect(await reader.return()).toEqual(DONE);
    expect(await Promise.all(pending)).toEqual([DONE, DONE]);
    record.add([SET]);
    expect(await reader.next()).toEqual(DONE);
    expect(waits.at(-1)).toBe(false);
  });

  test('of the record ends who waits, and who comes later once he was told all', async () => {
    const record = new EventRecord();
    const early = new JailEvents(record, undefined);
    const pending = [early.next(), early.next()];
    record.add([SET]);
    record.end();
    expect(await Promise.all(pending)).toEqual([{ done: false, value: SET }, DONE]);
    expect(await told(record)).toEqual([SET]);
  });

  test('by a signal comes after what was there, once', async () => {
    const record = new EventRecord();
    const controller = new AbortController();
    const reader = new JailEvents(record, controller.signal);
    const other = new JailEvents(record, controller.signal);
    const pending = [other.next(), other.next(), other.next()];
    record.add([SET]);
    controller.abort(new Error('enough'));
    record.add([REMOVE]);
    expect(await reader.next()).toEqual({ done: false, value: SET });
    await expect(reader.next()).rejects.toThrow('enough');
    expect(await reader.next()).toEqual(DONE);
    expect(await Promise.allSettled(pending)).toMatchObject([
      { value: { value: SET } },
      { reason: { message: 'enough' } },
      { value: DONE },
    ]);
    expect(() => new JailEvents(record, controller.signal)).toThrow('enough');
  });

  test('by return() is final: no reason comes after it', async () => {
    const controller = new AbortController();
    const reader = new JailEvents(new EventRecord(), controller.signal);
    controller.abort(new Error('enough'));
    await reader.return();
    expect(await reader.next()).toEqual(DONE);
  });
});
