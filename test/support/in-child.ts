/**
 * Runs one function body in a fresh process of the same runtime, for calls that a process cannot take back: entering
 * capability mode, limiting descriptors, changing user.
 */

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type * as capsule from 'freebsd-capsule';
import { compiled } from './compiled.ts';

export type Capsule = typeof capsule;

/** An error as it crossed the process boundary, with what a system error carries. */
interface ChildError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
  readonly path?: string;
  readonly fd?: number;
  readonly cause?: ChildError;
  readonly [property: string]: unknown;
}

export interface ChildOptions<Input> {
  /** Handed to the body as JSON. */
  readonly input?: Input;
  /** After this long the watchdog kills the child. Machines are slow and shared. */
  readonly timeoutMs?: number;
  /** Added to this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Another program than the runtime of this process, for example what findBun() returned. */
  readonly runtime?: string;
  /** Arguments for the runtime itself. */
  readonly execArgv?: readonly string[];
}

/** How a child ended. Either `result` or `error` is there, unless it ended before its body did. */
export interface ChildOutcome<Result> {
  readonly result?: Result;
  readonly error?: ChildError;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What the body wrote, without the report. */
  readonly stdout: string;
  readonly stderr: string;
}

/** What the body threw, thrown again in the parent: an Error with the same properties. */
function revive({ name, message, stack, cause, ...properties }: ChildError): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause: revive(cause) });
  Object.assign(error, properties);
  Object.defineProperty(error, 'name', { value: name, configurable: true });
  if (stack !== undefined) error.stack = `${stack}\n    (in a child process)`;
  return error;
}

/**
 * Runs `body` in a child and tells how it ended, however it did.
 *
 * The body is sent as source text: it sees its two parameters and the runtime's globals, nothing of the file it is
 * written in. Built-in modules come from `process.getBuiltinModule`, since an `import` inside it would be rewritten by
 * vitest.
 */
export async function childOutcome<Result, Input = undefined>(
  body: (api: Capsule, input: Input) => Result | Promise<Result>,
  options: ChildOptions<Input> = {},
): Promise<ChildOutcome<Awaited<Result>>> {
  const mark = `<${randomUUID()}>`;
  const order = JSON.stringify({ body: body.toString(), input: options.input, mark });
  const timeoutMs = options.timeoutMs ?? 60_000;
  const environment = Object.entries({ ...process.env, ...options.env }).filter(([, value]) => value !== undefined);

  const child = spawn(
    options.runtime ?? process.execPath,
    [...(options.execArgv ?? []), compiled('test/support/child-main.js'), order],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: Object.fromEntries(environment),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });

  let watchdogBarked = false;
  const watchdog = setTimeout(() => {
    watchdogBarked = true;
    child.kill('SIGKILL');
    // A grandchild that holds the pipes must not hold the test.
    child.stdout.destroy();
    child.stderr.destroy();
  }, timeoutMs);
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (...end) => resolve(end));
  }).finally(() => clearTimeout(watchdog));

  if (watchdogBarked) {
    throw new Error(
      `The child was killed by its watchdog after ${timeoutMs} ms.\nstdout: ${stdout}\nstderr: ${stderr}`,
    );
  }
  const [before = '', report, after = ''] = stdout.split(mark);
  return {
    ...(report === undefined ? {} : (JSON.parse(report) as { result?: Awaited<Result>; error?: ChildError })),
    status,
    signal,
    stdout: report === undefined ? stdout : before + after.replace(/^\n/, ''),
    stderr,
  };
}

/** Runs `body` in a child and returns what it returned, or throws what it threw. */
export async function inChild<Result, Input = undefined>(
  body: (api: Capsule, input: Input) => Result | Promise<Result>,
  options: ChildOptions<Input> = {},
): Promise<Awaited<Result>> {
  const outcome = await childOutcome(body, options);
  if (outcome.error !== undefined) throw revive(outcome.error);
  if (outcome.status !== 0 || outcome.signal !== null) {
    const end = outcome.signal === null ? `exit status ${outcome.status}` : outcome.signal;
    throw new Error(`The child ended with ${end}.\nstdout: ${outcome.stdout}\nstderr: ${outcome.stderr}`);
  }
  // undefined has no JSON, and is what a body without a result returns.
  return outcome.result as Awaited<Result>;
}
