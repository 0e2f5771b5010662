// Several commands at once, as many as there are processors, up to what the memory of a machine with many has room for.

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { root } from './project.mjs';
import { Failure } from './run-command.mjs';

// Under sanitizers each takes up to a gigabyte or so.
export const parallelism = Math.min(availableParallelism(), 4);

const KEPT_OUTPUT = 1 << 18;

function outputOf(program, args, options) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output = (output + text).slice(-KEPT_OUTPUT);
      });
    }
    child.on('error', (error) => resolve({ ok: false, output: error.message }));
    child.on('close', (status, signal) =>
      resolve({ ok: status === 0, output: output.trimEnd(), end: signal ?? `exit status ${status}` }),
    );
  });
}

// Runs commands ([program, ...args]), all of them whatever fails, and calls `done(command, output)` for each that works.
// Throws with the output of all that do not.
export async function runInParallel(purpose, commands, { done = () => {}, options = {} } = {}) {
  const waiting = [...commands];
  const failures = [];
  const work = async () => {
    for (let command = waiting.shift(); command !== undefined; command = waiting.shift()) {
      const [program, ...args] = command;
      const { ok, output, end } = await outputOf(program, args, options);
      if (ok) done(command, output);
      else failures.push(`${output}\n\n${purpose} failed${end ? ` (${end})` : ''}: ${command.join(' ')}`);
    }
  };
  await Promise.all(Array.from({ length: parallelism }, work));
  if (failures.length > 0) throw new Failure(failures.join('\n\n'));
}
