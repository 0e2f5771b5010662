/** Every kernel test, under vitest: on the simulated kernel, or on FreeBSD on the real one. */

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';
import { takeRegisteredTests } from './support/kernel-test.ts';
import { firstUnmet } from './support/requirements.ts';

const folder = fileURLToPath(new URL('kernel', import.meta.url));

for (const file of readdirSync(folder).filter((name) => name.endsWith('.kernel.ts'))) {
  await import(/* @vite-ignore */ `${folder}/${file}`);
  // Now, not in describe(): vitest calls that back when all files have registered theirs.
  const tests = takeRegisteredTests();
  describe(file, () => {
    for (const { name, needs, body, timeoutMs } of tests) {
      test(name, { timeout: timeoutMs }, async (context) => {
        const unmet = firstUnmet(needs);
        if (unmet?.promised !== undefined) {
          throw new Error(`${unmet.reason}, but CAPSULE_REQUIRE promises '${unmet.promised}'`);
        }
        if (unmet !== undefined) context.skip(unmet.reason);
        await body();
      });
    }
  });
}
