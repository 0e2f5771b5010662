// Prints how the simulated kernel's answers compare with FreeBSD's recorded ones, and which questions it has no answer to.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inProject } from './project.mjs';
import { Failure, runScript } from './run-command.mjs';

const RECORDED = inProject('test/conformance');

await runScript(async () => {
  if (process.platform === 'freebsd') throw new Failure('On FreeBSD there is no simulated kernel to compare with.');
  // Compiled by now; plain JavaScript could not import them before.
  const { readRecordings } = await import('../build/test/conformance/recording.js');
  const { replay, unlisted } = await import('../build/test/conformance/replay.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [inProject('build/test/conformance/ask.js')], {
    env: { ...process.env, FREEBSD_CAPSULE_KERNEL: 'simulated' },
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (status !== 0) throw new Failure(stderr);
  const answered = JSON.parse(stdout);
  const releases = readdirSync(RECORDED).filter((name) => /^\d/.test(name));
  let isDifferent = false;
  let isUnlisted = false;
  for (const release of releases) {
    const recordings = readRecordings(join(RECORDED, release));
    const listed = JSON.parse(readFileSync(join(RECORDED, release, 'unanswered.json'), 'utf8'));
    const results = replay(recordings, answered, process.geteuid() === 0);
    console.log(`FreeBSD ${release} (${recordings[0]?.kernel}) and the simulated kernel:`);
    for (const result of results) {
      const { topic, compared, different, unanswered, notAsked } = result;
      const forRoot = notAsked.length > 0 ? `, ${notAsked.length} not asked, since this is not root` : '';
      console.log(
        `\n${topic}: ${compared} answers compared, ${different.length} different; of the questions, ` +
          `${unanswered.length} without an answer${forRoot}`,
      );
      for (const line of different) console.log(`  DIFFERENT  ${line}`);
      for (const question of unanswered) console.log(`  no answer  ${question}`);
      const notAsListed = unlisted(result, listed);
      for (const line of notAsListed) console.log(`  NOT AS IN unanswered.json  ${line}`);
      isDifferent ||= different.length > 0;
      isUnlisted ||= notAsListed.length > 0;
    }
    const lost = Object.keys(listed).filter((topic) => !recordings.some((recording) => recording.topic === topic));
    for (const topic of lost) console.log(`\n${topic}: NOT RECORDED, and in unanswered.json`);
    isDifferent ||= lost.length > 0;
    const total = results.reduce((sum, { unanswered }) => sum + unanswered.length, 0);
    console.log(`\n${total} recorded questions of ${release} without an answer.`);
  }
  if (isDifferent) throw new Failure('The simulated kernel answers otherwise than FreeBSD.');
  if (isUnlisted) throw new Failure('The questions without an answer are others than unanswered.json lists.');
});
