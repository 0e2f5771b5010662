import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NativeBinding } from '../native.ts';

const MOST_THREADS = 1024;

/** The value of a variable that sets the size of a pool, if it does. */
function sizeFrom(variable: string): number | undefined {
  const size = Number(process.env[variable]);
  return Number.isInteger(size) && size > 0 ? Math.min(size, MOST_THREADS) : undefined;
}

/**
 * How many threads the runtime's pool must have: libuv has 4, Bun as many as processors and at least 2, unless a variable
 * says otherwise when the pool is first used. Read at import, because a later change of the variable has no effect.
 */
const EXPECTED_THREADS =
  process.versions['bun'] === undefined
    ? (sizeFrom('UV_THREADPOOL_SIZE') ?? 4)
    : Math.max(sizeFrom('UV_THREADPOOL_SIZE') ?? sizeFrom('GOMAXPROCS') ?? availableParallelism(), 2);

/** Long enough for an idle thread to take a job that is waiting for it. */
const SETTLE_MS = 25;

/**
 * Brings every thread of the runtime's pool to a halt outside the kernel, until `poolRelease`: whatever file-system and
 * DNS work had begun is finished then, and no other begins.
 *
 * The size of the pool cannot be asked. So it is expected to have as many threads as its runtime gives it, and more jobs
 * are queued than those can take: if none is left over, the pool is larger, and the next attempt expects more. A pool
 * that is smaller, or a thread that does not come back from the kernel, ends in an error.
 *
 * @returns the number of threads held
 * @throws `ETIMEDOUT` when they are not all free within `timeout` milliseconds; none is held then
 */
export async function holdThreadPool(binding: NativeBinding, timeout: number): Promise<number> {
  const deadline = performance.now() + timeout;
  for (let threads = EXPECTED_THREADS; threads <= MOST_THREADS; threads *= 2) {
    const left = Math.max(Math.ceil(deadline - performance.now()), 1);
    if (!(await binding.poolHold(threads, left))) {
      binding.poolRelease();
      const error: NodeJS.ErrnoException = new Error(
        `ETIMEDOUT: the ${threads} threads of the pool were not free within ${timeout} ms, seal. A file-system or DNS ` +
          'call is still inside the kernel and would go on there with its old credential; await it before sealing, ' +
          'or raise plan.drainTimeout',
      );
      error.code = 'ETIMEDOUT';
      error.syscall = 'seal';
      throw error;
    }
    await sleep(SETTLE_MS);
    const held = binding.poolHeld();
    if (held < 2 * threads) return held;
    binding.poolRelease();
  }
  throw new Error(`The thread pool has more than ${MOST_THREADS} threads`);
}
