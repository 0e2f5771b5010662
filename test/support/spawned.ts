/** Children of tests, and that nothing is left of them. */

import assert from 'node:assert/strict';
import { spawn } from 'freebsd-capsule';
import { onlyTheseAreOpen, openDescriptors } from './descriptors.ts';
import { childProcesses, eventually } from './processes.ts';

/** Options of `spawn`. */
export type Options = NonNullable<Parameters<typeof spawn>[2]>;

/** Reads a stream of a child to its end. */
export async function text(stream: AsyncIterable<unknown> | null): Promise<string> {
  let all = '';
  for await (const chunk of stream ?? []) all += String(chunk);
  return all;
}

/** Runs a shell script to its end. */
export async function shell(script: string, options: Options = {}) {
  using child = spawn('/bin/sh', ['-c', script], options);
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), child.exited]);
  return { stdout, stderr, code: status.code, signal: status.signal };
}

/** Opens what is opened once and stays, in the runtime too, so that counting finds only leaks. */
async function warm(): Promise<void> {
  await shell('exit 0');
  childProcesses();
}

/** Runs `body` and makes sure that it leaves neither a descriptor nor a process. */
export async function leavingNothing(body: () => void | Promise<void>): Promise<void> {
  await warm();
  const descriptors = openDescriptors();
  const children = childProcesses();
  await body();
  await onlyTheseAreOpen(descriptors);
  // By number: one from before may have ended meanwhile.
  const left = () => childProcesses().filter((pid) => !children.includes(pid));
  await eventually(() => left().length === 0);
  assert.deepEqual(left(), []);
}
