import { timersPromises } from '../runtime-modules.ts';
import { hasFreeBSD15, readJail } from './calls.ts';
import { watchJail } from './watch.ts';

const FIRST_PAUSE = 5;
const LONGEST_PAUSE = 200;

/** Whether a jail is there: it may be dying for as long as a process or a socket of it has not ended. */
function stateOf(jid: number): 'alive' | 'dying' | 'gone' {
  try {
    return readJail({ jid }, ['dying'], true).get('dying') === true ? 'dying' : 'alive';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone';
    throw error;
  }
}

/** Resolves when the jail of this number is being removed, if events can tell. */
async function removal(jid: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    for await (const event of watchJail('jail', jid, { signal })) if (event.type === 'remove') return;
  } catch (error) {
    // Gone in between.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/**
 * Resolves when the jail of this number is gone, dying included; and when the number has become another's, to which the
 * kernel gives it while the former is still dying.
 *
 * The kernel tells when a jail begins to die, and nothing of its end: that is looked for, at most 200 ms late.
 *
 * @param dying whether the jail is known to be removed already
 */
export async function untilRemoved(jid: number, signal: AbortSignal | undefined, dying = false): Promise<void> {
  let pause = FIRST_PAUSE;
  for (let ending = dying; ; ) {
    signal?.throwIfAborted();
    const state = stateOf(jid);
    if (state === 'gone' || (state === 'alive' && ending)) return;
    if (state === 'alive' && hasFreeBSD15()) {
      await removal(jid, signal);
      ending = true;
      continue;
    }
    ending = state === 'dying';
    await timersPromises().setTimeout(pause, undefined, { ...(signal === undefined ? {} : { signal }) });
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}
