// Commands that a script runs for its own purposes: silent when they work, all of their output when they do not.

import { spawnSync } from 'node:child_process';
import { root } from './project.mjs';

// A failure that the person at the keyboard can do something about: printed without a stack.
export class Failure extends Error {}

export function outcomeOf(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 256 << 20,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trimEnd();
  if (result.error) return { ok: false, output: `${command}: ${result.error.message}\n${output}`.trimEnd() };
  const end = result.signal ? `killed by ${result.signal}` : `exit status ${result.status}`;
  return { ok: result.status === 0, output, stdout: result.stdout, end };
}

export function runQuietly(purpose, command, args, options) {
  const { ok, output, end } = outcomeOf(command, args, options);
  if (!ok)
    throw new Failure(`${output}\n\n${purpose} failed${end ? ` (${end})` : ''}: ${[command, ...args].join(' ')}`);
  return output;
}

// Whether a program can be started at all; what it says about itself when it can.
export function versionOf(program, args = ['--version']) {
  const { ok, output } = outcomeOf(program, args);
  return ok ? output.split('\n')[0] : undefined;
}

// Runs a script's main function and turns what goes wrong into a message and exit status 1.
export async function runScript(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Failure ? error.message : error);
    process.exitCode = 1;
  }
}
