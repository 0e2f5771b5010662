/** The runner that FreeBSD's bundle relies on: a failure must be seen, and a skip must say why. */

import { expect, test } from 'vitest';
import { kernelTest, takeRegisteredTests } from './kernel-test.ts';
import type { Requirement, Tier } from './requirements.ts';
import { runTests } from './runner.ts';

const notHere: Requirement = { tier: 'privileged', missing: () => 'user 1001 is not root' };
const here: Requirement = { tier: 'kernel', missing: () => undefined };

async function run(promised: readonly Tier[] = []) {
  const lines: string[] = [];
  const counts = await runTests(takeRegisteredTests(), (line) => lines.push(line), promised);
  return { counts, lines };
}

test('says of each test how it went, and counts', async () => {
  kernelTest('adds', { needs: [here] }, () => {});
  kernelTest('fails', async () => {
    throw Object.assign(new Error('refused'), { errno: -93 });
  });
  kernelTest('needs root', { needs: [here, notHere] }, () => {
    throw new Error('was run');
  });
  const { counts, lines } = await run();
  expect(counts).toEqual({ passed: 1, failed: 1, skipped: 1 });
  expect(lines[0]).toMatch(/^ok adds \(\d+ ms\)$/);
  expect(lines[1]).toMatch(/^not ok fails \(\d+ ms\)\n {4}Error: refused\n[\s\S]*errno: -93/);
  expect(lines[2]).toBe('skip needs root: user 1001 is not root');
  expect(lines.at(-1)).toBe('1 passed, 1 failed, 1 skipped');
});

test('a skip of a promised tier is a failure', async () => {
  kernelTest('needs root', { needs: [notHere] }, () => {});
  const { counts, lines } = await run(['kernel', 'privileged']);
  expect(counts).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(lines[0]).toMatch(/user 1001 is not root, but CAPSULE_REQUIRE promises 'privileged'/);
});

test('a test that does not end is a failure, and the next one runs', async () => {
  kernelTest('hangs', { timeoutMs: 20 }, () => new Promise(() => {}));
  kernelTest('adds', () => {});
  const { counts, lines } = await run();
  expect(counts).toEqual({ passed: 1, failed: 1, skipped: 0 });
  expect(lines[0]).toMatch(/not done after 20 ms/);
});
