/**
 * Runs kernel tests without a test framework: a line per test, a closing line with the counts. Tests run one after the
 * other, in order, since they are about the state of processes and of the machine.
 */

import { inspect } from 'node:util';
import type { KernelTest } from './kernel-test.ts';
import { firstUnmet, promisedTiers, type Tier } from './requirements.ts';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

async function withTimeout({ body, timeoutMs }: KernelTest): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([body(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

const indented = (error: unknown) => inspect(error).replace(/^/gm, '    ');

/** Runs the tests in order and prints how each went. */
export async function runTests(
  tests: readonly KernelTest[],
  print: (line: string) => void = console.log,
  promised: readonly Tier[] = promisedTiers(),
): Promise<Counts> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const test of tests) {
    const started = performance.now();
    try {
      const unmet = firstUnmet(test.needs, promised);
      if (unmet !== undefined && unmet.promised === undefined) {
        counts.skipped += 1;
        print(`skip ${test.name}: ${unmet.reason}`);
        continue;
      }
      if (unmet !== undefined) throw new Error(`${unmet.reason}, but CAPSULE_REQUIRE promises '${unmet.promised}'`);
      await withTimeout(test);
      counts.passed += 1;
      print(`ok ${test.name} (${Math.round(performance.now() - started)} ms)`);
    } catch (error) {
      counts.failed += 1;
      print(`not ok ${test.name} (${Math.round(performance.now() - started)} ms)\n${indented(error)}`);
    }
  }
  print(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts;
}
