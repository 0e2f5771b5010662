import { availableParallelism } from 'node:os';
import type { NativeBinding } from '../native.ts';
import { timersPromises } from '../runtime-modules.ts';

const MOST_THREADS = 1024;

/** A size as atoi(3) reads it, and libuv and Bun take it. */
function size(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number.parseInt(text, 10);
  if (Number.isNaN(number) || number === 0) return 1;
  return number < 0 ? MOST_THREADS : Math.min(number, MOST_THREADS);
}

/**
 * How many threads the runtime's pool has, at least: too low a number would let a busy thread pass for one that does not
 * exist.
 *
 * libuv has 4, unless UV_THREADPOOL_SIZE says otherwise when the pool is first used: that may have been at the start, or
 * after a program changed the variable. Bun has as many as processors and at least 2, unless a variable said otherwise at
 * the start.
 */
function expectedThreads(binding: NativeBinding): number {
  const atStart = size(binding.initialVariable('UV_THREADPOOL_SIZE'));
  if (process.versions.bun === undefined) return Math.max(atStart ?? 4, size(process.env.UV_THREADPOOL_SIZE) ?? 0);
  return Math.max(atStart ?? size(binding.initialVariable('GOMAXPROCS')) ?? availableParallelism(), 2);
}

/** Long enough for an idle thread to take a job that is waiting for it. */
const SETTLE_MS = 25;

function notFree(threads: number, timeout: number): Error {
  const error: NodeJS.ErrnoException = new Error(
    `ETIMEDOUT: the ${threads} threads of the pool were not free within ${timeout} ms, seal. A file-system or DNS call ` +
      'is still inside the kernel and would go on there with its old credential; await it before sealing, or raise ' +
      'plan.drainTimeout. (The pool has fewer threads if UV_THREADPOOL_SIZE was changed after its first use.)',
  );
  error.code = 'ETIMEDOUT';
  error.syscall = 'seal';
  return error;
}

/**
 * Brings every thread of the runtime's pool to a halt outside the kernel, until `poolRelease`: whatever file-system and
 * DNS work had begun is finished then, and no other begins.
 *
 * The size of the pool cannot be asked. It is expected to have the threads that its runtime gives it, and twice as many
 * jobs are queued. A pool that is smaller, or so large that no job is left over, or a thread that does not come back from
 * the kernel in time, ends in an error.
 *
 * @returns the number of threads held
 * @throws `ETIMEDOUT` when they are not all free within `timeout` milliseconds; none is held then
 */
export async function holdThreadPool(binding: NativeBinding, timeout: number): Promise<number> {
  const threads = expectedThreads(binding);
  // The hold watches its own deadline, but only once a thread has joined it: all of them may be busy.
  const deadline = new AbortController();
  const tooLate = timersPromises()
    .setTimeout(timeout, false, { signal: deadline.signal })
    .catch(() => false);
  const gathered = await Promise.race([binding.poolHold(threads, timeout), tooLate]);
  deadline.abort();
  if (!gathered) {
    binding.poolRelease();
    throw notFree(threads, timeout);
  }
  await timersPromises().setTimeout(SETTLE_MS);
  const held = binding.poolHeld();
  if (held >= threads && held < 2 * threads) return held;
  binding.poolRelease();
  throw new Error(`The thread pool was to have ${threads} threads, and ${held} were held: its size is not known`);
}
