import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compiled } from '../support/compiled.ts';
import { findBun, firstUnmet, requireBun } from '../support/requirements.ts';
import { parseSurvey, type SurveyRow } from './capability-mode-survey.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = compiled('test/conformance/capability-mode-survey.js');
const recording = parseSurvey(readFileSync(join(root, 'test/conformance/15.1/capability-mode-survey.tsv'), 'utf8'));
const watchdogMs = 60_000;

/** Rows whose value tells about the machine: what this one may say instead. */
const machineSpecific: Readonly<Record<string, RegExp>> = {
  'os.hostname': /^\S+$/,
  'os.cpus().length': /^\d+$/,
  'os.tmpdir': /^\//,
  'Date local tz': /^(Thu Jan 01 1970|Wed Dec 31 1969) \d\d:\d\d:\d\d GMT/,
  // Node shows a buffer that nothing was written to, Bun the directory that it was started in.
  'process.chdir': /chdir '.*' -> '\/tmp'$/,
  'fs.readdirSync on dirfd path /dev/fd': /, scandir '\/dev\/fd\/\d+'$/,
};

/** Node's error for a new worker from libuv 1.49 on, from its source: no such Node has been recorded. */
const unrecordedWorker: SurveyRow = {
  call: 'new Worker(eval)',
  result: 'refused',
  code: 'ERR_WORKER_INIT_FAILED',
  errno: 'undefined',
  syscall: 'undefined',
  message: 'Worker initialization failure: Unknown system error -94',
};

function expectedRows(runtime: 'node' | 'bun'): SurveyRow[] {
  const [, rows] = [...recording].find(([name]) => name.startsWith(`${runtime} `)) ?? [];
  if (rows === undefined) throw new Error(`No recording for ${runtime}`);
  const newer = runtime === 'node' && !/^1\.([0-9]|[1-3][0-9]|4[0-8])\./.test(process.versions.uv);
  return newer ? rows.map((row) => (row.call === unrecordedWorker.call ? unrecordedWorker : row)) : rows;
}

function replay(executable: string): SurveyRow[] {
  if (!existsSync(program)) throw new Error(`${program} is missing: npm run setup`);
  // What the program cannot remove once it is sandboxed.
  const directory = mkdtempSync(join(tmpdir(), 'survey-test-'));
  const { status, signal, stdout, stderr } = spawnSync(executable, [program], {
    env: { ...process.env, FREEBSD_CAPSULE_KERNEL: 'simulated', NODE_OPTIONS: '', TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: watchdogMs,
  });
  rmSync(directory, { recursive: true });
  if (status !== 0) throw new Error(`${executable} ended with ${signal ?? status}:\n${stderr}`);
  const [rows] = parseSurvey(stdout).values();
  return rows ?? [];
}

function describeReplay(runtime: 'node' | 'bun', executable: string): void {
  const expected = expectedRows(runtime);
  let rows: SurveyRow[] | undefined;
  const answers = (): SurveyRow[] => {
    rows ??= replay(executable);
    return rows;
  };

  it('makes the recorded calls in the recorded order', { timeout: watchdogMs }, () => {
    expect(expected).toHaveLength(64);
    expect(answers().map(({ call }) => call)).toEqual(expected.map(({ call }) => call));
  });

  it.each(expected.map((row) => [row.call, row] as const))('%s', { timeout: watchdogMs }, (call, recorded) => {
    const { message, ...answer } = answers().find((row) => row.call === call) ?? { message: 'no such row' };
    const { message: recordedMessage, ...outcome } = recorded;
    expect(answer).toEqual(outcome);
    const pattern = machineSpecific[call];
    if (pattern === undefined) expect(message).toBe(recordedMessage);
    else expect(message).toMatch(pattern);
  });
}

// On FreeBSD the same program asks the real kernel; this is about the simulated one.
describe.skipIf((process.platform as string) === 'freebsd')('capability mode, replayed', () => {
  describe('under Node', () => {
    describeReplay('node', process.execPath);
  });

  describe('under Bun', () => {
    const unmet = firstUnmet([requireBun]);
    if (unmet === undefined) {
      describeReplay('bun', findBun() ?? 'bun');
    } else if (unmet.promised !== undefined) {
      it('runs', () => {
        expect.fail(`CAPSULE_REQUIRE promises '${unmet.promised}', but ${unmet.reason}`);
      });
    } else {
      it.skip(`skipped: ${unmet.reason}`);
    }
  });
});
