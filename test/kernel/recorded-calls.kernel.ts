/** The runtime's own calls on limited descriptors are answered as the kernel was recorded to answer the system calls. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { kernel } from 'freebsd-capsule';
import { entriesOf, type RightsRecording, readRecordings } from '../conformance/recording.ts';
import { rightsSets } from '../conformance/rights-sets.ts';
import {
  RUNTIME_CALLS,
  runtimeModeAnswers,
  runtimeProcessAnswers,
  runtimeRightsAnswers,
} from '../conformance/runtime-calls.ts';
import { kernelTest } from '../support/kernel-test.ts';
import type { Requirement } from '../support/requirements.ts';

const [release = ''] = kernel.release.split('-');
// From test/kernel, and compiled from build/test/kernel; in the bundle the recordings are beside.
const directory = ['../conformance', '../../../test/conformance']
  .map((path) => fileURLToPath(new URL(`${path}/${release}`, import.meta.url)))
  .find((path) => existsSync(path));

const requireRecording: Requirement = {
  missing: () => (directory === undefined ? `${release || 'no kernel'} was not recorded` : undefined),
};

kernelTest('recorded calls: node:fs on a limited descriptor', { needs: [requireRecording] }, () => {
  const recording = readRecordings(directory as string).find(({ topic }) => topic === 'rights') as RightsRecording;
  const recorded = entriesOf(recording);
  const sets = rightsSets();
  const wrong: string[] = [];
  let compared = 0;
  for (const [call = '', , set = '', answer] of runtimeRightsAnswers(sets)) {
    const expected = recorded.get(`${call}\t${set}\tuser`)?.answer;
    // A role that one runtime has and the other has not.
    if (expected === undefined && set.startsWith('role: ')) continue;
    compared += 1;
    if (answer !== expected) wrong.push(`${call} with ${set}: ${answer}, recorded ${expected}`);
  }
  assert.deepEqual(wrong, []);
  assert.ok(compared > 100 * Object.keys(RUNTIME_CALLS).length, `only ${compared} answers were compared`);
});

for (const [topic, ask] of [
  ['capability-mode', runtimeModeAnswers],
  ['processes', runtimeProcessAnswers],
] as const) {
  kernelTest(`recorded calls: ${topic}, asked by the runtime`, { needs: [requireRecording] }, async () => {
    const recording = readRecordings(directory as string).find((other) => other.topic === topic);
    assert.ok(recording);
    const recorded = entriesOf(recording);
    const user = process.geteuid?.() === 0 ? 'root' : 'user';
    const answers = await ask();
    assert.deepEqual(
      answers,
      answers.map(([question = '']) => [question, recorded.get(`${question}\t\t${user}`)?.answer]),
    );
    assert.ok(answers.length > 1);
  });
}
