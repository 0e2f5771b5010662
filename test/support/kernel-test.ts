/**
 * Tests of what a kernel does, written once and run in three places: by vitest on the simulated kernel, by vitest on
 * FreeBSD, and by runner.ts in the bundle for FreeBSD, where there is only `node` or `bun`. Hence no vitest here, and
 * assertions by `node:assert/strict`.
 */

import type { Requirement } from './requirements.ts';

export interface KernelTest {
  readonly name: string;
  readonly needs: readonly Requirement[];
  readonly timeoutMs: number;
  readonly body: () => void | Promise<void>;
}

export interface KernelTestOptions {
  /** Without these, the test is skipped, saying why. */
  readonly needs?: readonly Requirement[];
  /** Children have a watchdog of their own; this is for what waits in the test itself. */
  readonly timeoutMs?: number;
}

const registered: KernelTest[] = [];

/** Registers a test. */
export function kernelTest(name: string, body: KernelTest['body']): void;
export function kernelTest(name: string, options: KernelTestOptions, body: KernelTest['body']): void;
export function kernelTest(
  name: string,
  optionsOrBody: KernelTestOptions | KernelTest['body'],
  bodyAfterOptions?: KernelTest['body'],
): void {
  const [options, body] =
    typeof optionsOrBody === 'function' ? [{}, optionsOrBody] : [optionsOrBody, bodyAfterOptions as KernelTest['body']];
  registered.push({ name, needs: options.needs ?? [], timeoutMs: options.timeoutMs ?? 120_000, body });
}

/** Hands over the tests that were registered since the last call, in order. */
export function takeRegisteredTests(): KernelTest[] {
  return registered.splice(0);
}
