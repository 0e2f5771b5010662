/** Runs the program `capsule` as a user does. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const manifest = createRequire(import.meta.url).resolve('freebsd-capsule/package.json');
const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin: { capsule: string } };

/** The file that package.json names. */
export const CAPSULE = join(dirname(manifest), bin.capsule);

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it to its end. */
export function capsule(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): Ended {
  const { status, signal, stdout, stderr, error } = spawnSync(process.execPath, [CAPSULE, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 100_000,
    killSignal: 'SIGKILL',
  });
  if (error !== undefined) throw error;
  return { status, signal, stdout, stderr };
}
