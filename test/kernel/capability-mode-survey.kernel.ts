/** The recorded survey of capability mode, asked again of the running kernel: the recording is what it says. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kernel } from 'freebsd-capsule';
import { parseSurvey, surveyedRuntime } from '../conformance/capability-mode-survey.ts';
import { compiled } from '../support/compiled.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { type Requirement, requireFreeBSD, runtime } from '../support/requirements.ts';

/** The recording beside the compiled test (in the bundle), or in the source tree. */
const recordings = ['test/conformance/15.1', '../test/conformance/15.1'].map((folder) =>
  join(compiled(folder), 'capability-mode-survey.tsv'),
);

function recorded(): ReturnType<typeof parseSurvey> {
  const file = recordings.find((path) => existsSync(path));
  assert.ok(file !== undefined, `no recording at ${recordings.join(' or ')}`);
  return parseSurvey(readFileSync(file, 'utf8'));
}

/**
 * Rows whose outcome depends on what the program did before it entered; this one is another than the recorded one was.
 * An ES module: Node has asked for the working directory by then. And Bun has read the folder of a new file, or the kind
 * of standard input, only if something before made it.
 */
const DEPENDS_ON_STATE: ReadonlyMap<string, string> = new Map([
  ['node process.cwd()', 'works   '],
  ['bun require(new file)', 'refused MODULE_NOT_FOUND undefined undefined'],
  ['bun import(new file)', 'refused ERR_MODULE_NOT_FOUND undefined undefined'],
  ['bun process.stdin', 'works   '],
]);

/** Other versions of a runtime word their errors differently; nothing has been recorded of them. */
const requireRecording: Requirement = {
  missing: () =>
    kernel.release.startsWith('15.1-') && recorded().has(surveyedRuntime())
      ? undefined
      : `nothing is recorded of ${surveyedRuntime()} on FreeBSD ${kernel.release}`,
};

kernelTest(
  'the running kernel gives what was recorded of capability mode',
  { needs: [requireFreeBSD, requireRecording] },
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'survey-'));
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [compiled('test/conformance/capability-mode-survey.js')],
      { encoding: 'utf8', timeout: 100_000, env: { ...process.env, TMPDIR: directory } },
    );
    rmSync(directory, { recursive: true });
    assert.equal(status, 0, stderr);
    const answers = parseSurvey(stdout).get(surveyedRuntime()) ?? [];
    const outcomes = (rows: typeof answers): [call: string, outcome: string][] =>
      rows.map(({ call, result, code, errno, syscall }) => [call, [result, code, errno, syscall].join(' ')]);
    const given = new Map(outcomes(answers));
    const expected = outcomes(recorded().get(surveyedRuntime()) ?? []).map(([call, outcome]): [string, string] => {
      const other = DEPENDS_ON_STATE.get(`${runtime} ${call}`);
      return [call, other !== undefined && given.get(call) === other ? other : outcome];
    });
    assert.equal(expected.length, 64);
    assert.deepEqual([...given], expected);
  },
);
