/** A look at the children of this process that does not go through the package. */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Returns the numbers of this process's children, those that have ended and were not waited for included. */
export function childProcesses(parent = process.pid): number[] {
  if (process.platform === 'linux') {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((name) => {
        try {
          // After the name in parentheses: state, number of the parent.
          return Number(/.*\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]) === parent;
        } catch {
          return false;
        }
      })
      .map(Number);
  }
  const { stdout, pid } = spawnSync('/bin/ps', ['-ax', '-o', 'ppid=', '-o', 'pid='], { encoding: 'utf8' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([ppid, number]) => (ppid === parent && number !== pid ? [number as number] : []));
}

/** Waits until `condition` holds; returns whether it does in the end. */
export async function eventually(condition: () => boolean, timeoutMs = 20_000): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
