import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NativeBinding } from '../native.ts';

/** How many threads the runtime's pool is expected to have. libuv reads the variable once, when the pool is first used. */
const EXPECTED_THREADS = (() => {
  const asked = Number(process.env['UV_THREADPOOL_SIZE']);
  const libuv = Number.isInteger(asked) && asked > 0 ? Math.min(asked, 1024) : 4;
  return process.versions['bun'] === undefined ? libuv : Math.max(availableParallelism(), 1);
})();

const MOST_THREADS = 1024;

/** Long enough for an idle thread to take a job that is waiting for it. */
const SETTLE_MS = 25;

/**
 * Brings every thread of the runtime's pool to a halt outside the kernel, until `poolRelease`: whatever file-system and
 * DNS work had begun is finished then, and no other begins.
 *
 * The size of the pool cannot be asked. So one job more than expected is queued: when a thread takes it too, the pool
 * is larger, and the next attempt expects more.
 *
 * @returns the number of threads held
 * @throws `ETIMEDOUT` when they are not all free within `timeout` milliseconds; none is held then
 */
export async function holdThreadPool(binding: NativeBinding, timeout: number): Promise<number> {
  const deadline = performance.now() + timeout;
  let threads = EXPECTED_THREADS;
  while (threads <= MOST_THREADS) {
    const left = Math.max(Math.ceil(deadline - performance.now()), 1);
    if (!(await binding.poolHold(threads, left))) {
      binding.poolRelease();
      const error: NodeJS.ErrnoException = new Error(
        `ETIMEDOUT: ${threads} threads of the pool were not free within ${timeout} ms, seal. A file-system or DNS ` +
          'call is still inside the kernel and would go on there with its old credential; await it before sealing, ' +
          'or raise plan.drainTimeout',
      );
      error.code = 'ETIMEDOUT';
      error.syscall = 'seal';
      throw error;
    }
    await sleep(SETTLE_MS);
    const held = binding.poolHeld();
    if (held === threads) return held;
    binding.poolRelease();
    threads = held * 2;
  }
  throw new Error(`The thread pool has more than ${MOST_THREADS} threads`);
}
