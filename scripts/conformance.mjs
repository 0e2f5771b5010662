// Prints how the simulated kernel's answers compare with FreeBSD's recorded ones, and which questions it has no answer to.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inProject } from './project.mjs';
import { Failure, runScript } from './run-command.mjs';

const RECORDED = inProject('test/conformance');

await runScript(async () => {
  if (process.platform === 'freebsd') throw new Failure('On FreeBSD there is no simulated kernel to compare with.');
  // Compiled by now; plain JavaScript could not import them before.
  const { readRecordings } = await import('../build/test/conformance/recording.js');
  const { replay } = await import('../build/test/conformance/replay.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [inProject('build/test/conformance/ask.js')], {
    env: { ...process.env, FREEBSD_CAPSULE_KERNEL: 'simulated' },
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (status !== 0) throw new Failure(stderr);
  const answered = JSON.parse(stdout);
  const releases = readdirSync(RECORDED).filter((name) => /^\d/.test(name));
  let isDifferent = false;
  for (const release of releases) {
    const recordings = readRecordings(join(RECORDED, release));
    const results = replay(recordings, answered, process.geteuid() === 0);
    console.log(`FreeBSD ${release} (${recordings[0]?.kernel}) and the simulated kernel:`);
    for (const { topic, compared, different, unanswered, notAsked } of results) {
      const left = notAsked.length > 0 ? `${notAsked.length} for root alone` : `${unanswered.length} without an answer`;
      console.log(`\n${topic}: ${compared} answers compared, ${different.length} different; of the questions, ${left}`);
      for (const line of different) console.log(`  DIFFERENT  ${line}`);
      for (const question of unanswered) console.log(`  no answer  ${question}`);
      isDifferent ||= different.length > 0;
    }
    const total = results.reduce((sum, { unanswered }) => sum + unanswered.length, 0);
    console.log(`\n${total} recorded questions of ${release} without an answer.`);
  }
  if (isDifferent) throw new Failure('The simulated kernel answers otherwise than FreeBSD.');
});
