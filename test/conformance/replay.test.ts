import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compiled } from '../support/compiled.ts';
import { ofSets, type Recording, readRecordings } from './recording.ts';
import { replay } from './replay.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const isRoot = process.geteuid?.() === 0;
// Fifteen thousand answers, on machines that are slow and shared.
const watchdogMs = 900_000;

function simulatedAnswers(): Recording[] {
  const program = compiled('test/conformance/ask.js');
  if (!existsSync(program)) throw new Error(`${program} is missing: npm run build`);
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program], {
    env: { ...process.env, FREEBSD_CAPSULE_KERNEL: 'simulated', NODE_OPTIONS: '' },
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    timeout: watchdogMs,
  });
  if (status !== 0) throw new Error(`ask.js ended with ${signal ?? status}:\n${stderr}`);
  return JSON.parse(stdout) as Recording[];
}

// The simulated kernel is one release, and so is the recording it is held against.
const release = '15.1';
const directory = join(here, release);
const counts = JSON.parse(readFileSync(join(directory, 'unanswered.json'), 'utf8')) as Record<string, number>;

// On FreeBSD the same questions ask the real kernel: npm run record:kernel.
describe.skipIf((process.platform as string) === 'freebsd')(
  `what FreeBSD ${release} answered, asked of the simulation`,
  () => {
    let results: ReturnType<typeof replay> | undefined;
    const recordings = readRecordings(directory);
    const of = (topic: string) => {
      results ??= replay(recordings, simulatedAnswers(), isRoot);
      const result = results.find((other) => other.topic === topic);
      if (result === undefined) throw new Error(`${topic} was not replayed`);
      return result;
    };

    it.each(recordings.map(({ topic }) => topic))('%s', { timeout: watchdogMs }, (topic) => {
      const { compared, different, unanswered, notAsked } = of(topic);
      expect(different).toEqual([]);
      if (notAsked.length > 0) {
        // Said, not passed over: this topic takes root.
        console.log(`not asked, since this is not root: all ${notAsked.length} questions about ${topic}`);
        return;
      }
      expect(compared).toBeGreaterThan(0);
      const allowed = counts[topic] ?? 0;
      expect(unanswered.length, `more questions without an answer:\n${unanswered.join('\n')}`).toBeLessThanOrEqual(
        allowed,
      );
      expect(unanswered.length, `fewer than ${allowed}: lower the number in unanswered.json`).toBe(allowed);
    });

    it('counts the unanswered questions of what is recorded, and of nothing else', () => {
      expect(Object.keys(counts).sort()).toEqual(recordings.map(({ topic }) => topic).sort());
    });
  },
);

describe('recordings', () => {
  it.each(readdirSync(here, { withFileTypes: true }).filter((entry) => entry.isDirectory() && /^\d/.test(entry.name)))(
    '$name says which kernel answered',
    ({ name }) => {
      const [major, minor] = name.split('.').map(Number);
      for (const { kernel, osreldate } of readRecordings(join(here, name))) {
        expect(kernel).toMatch(new RegExp(`^FreeBSD ${name}-`));
        expect(Math.floor(osreldate / 1000)).toBe((major ?? 0) * 100 + (minor ?? 0));
      }
    },
  );

  it('finds a difference, and a question without an answer', () => {
    const header = { topic: 'x', kernel: 'FreeBSD 15.1', osreldate: 1501000 };
    const recorded = { ...header, answers: { same: 'ok', other: 'ok', asked: { root: 'ok', user: 'EPERM' } } };
    const answered = { ...header, answers: { same: 'ok', asked: { root: 'ok', user: 'ok' }, new: 'ok' } };
    const [result] = replay([recorded], [answered], true);
    expect(result?.different).toEqual([
      'asked (user): ok, recorded EPERM',
      'new (root): ok, recorded nothing',
      'new (user): ok, recorded nothing',
    ]);
    expect(result?.unanswered).toEqual(['other']);
  });

  it('tells the sets apart that are answered otherwise', () => {
    const sets = { a: 'a', b: 'b', c: 'c' };
    const header = { topic: 'rights', kernel: 'FreeBSD 15.1', osreldate: 1501000, sets };
    const answers = (b: string) =>
      ofSets(
        new Map([
          ['a', 'ok'],
          ['b', b],
          ['c', 'ok'],
        ]),
      );
    const recorded = { ...header, operations: { read: { on: 'file', both: answers('ENOTCAPABLE') } } };
    const answered = { ...header, operations: { read: { on: 'file', both: answers('ok') } } };
    expect(replay([recorded], [recorded], true)[0]?.different).toEqual([]);
    expect(replay([recorded], [answered], true)[0]?.different).toEqual([
      'read with b (root): ok, recorded ENOTCAPABLE',
      'read with b (user): ok, recorded ENOTCAPABLE',
    ]);
  });
});
