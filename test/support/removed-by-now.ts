import assert from 'node:assert/strict';
import type { Jail } from 'freebsd-capsule';

/** Removes a jail that may have ended with its processes, or be about to, and waits until it is gone. */
export async function removedByNow(jail: Jail): Promise<void> {
  try {
    jail.remove();
  } catch (error) {
    assert.match(String((error as NodeJS.ErrnoException).code), /^(EINVAL|ENOENT)$/);
  }
  await jail.removed({ signal: AbortSignal.timeout(60_000) });
}
