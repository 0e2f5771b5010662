import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compiled } from '../support/compiled.ts';
import { firstUnmet, type Requirement, requireJails } from '../support/requirements.ts';
import { entriesOf, ofSets, type Recording, readRecordings } from './recording.ts';
import { replay, type Unanswered, unlisted } from './replay.ts';

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
/** Of earlier commits: it was once only how many. */
type UnansweredThen = Readonly<Record<string, readonly string[] | number>>;
const unansweredIn = (text: string) => JSON.parse(text) as UnansweredThen;
const count = (of: UnansweredThen) =>
  Object.values(of).reduce<number>((sum, list) => sum + (typeof list === 'number' ? list : list.length), 0);
const allowed = JSON.parse(readFileSync(join(directory, 'unanswered.json'), 'utf8')) as Unanswered;

const git = (...args: string[]) => spawnSync('git', args, { cwd: directory, encoding: 'utf8' });
/** As the commits had it, the newest first; one that took it away does not count. */
const committed = () =>
  (git('rev-list', '--first-parent', 'HEAD', '--', 'unanswered.json').stdout.match(/\w+/g) ?? [])
    .map((commit) => ({ commit, ...git('show', `${commit}:./unanswered.json`) }))
    .filter(({ status }) => status === 0);
const requireHistory: Requirement = {
  tier: 'history',
  missing() {
    const { error, status, stdout, stderr } = git('rev-parse', '--is-shallow-repository');
    if (error !== undefined || status !== 0) return `git tells of no commits: ${error?.message ?? stderr.trim()}`;
    if (stdout.trim() !== 'false') return 'this clone has not all commits';
    return committed().length === 0 ? 'no commit has unanswered.json' : undefined;
  },
};

// On FreeBSD the same questions ask the real kernel: npm run record:kernel.
describe.skipIf((process.platform as string) === 'freebsd')(
  `what FreeBSD ${release} answered, asked of the simulation`,
  () => {
    let results: ReturnType<typeof replay> | undefined;
    const recordings = readRecordings(directory);
    const replayed = () => {
      results ??= replay(recordings, simulatedAnswers(), isRoot);
      return results;
    };
    const of = (topic: string) => {
      const result = replayed().find((other) => other.topic === topic);
      if (result === undefined) throw new Error(`${topic} was not replayed`);
      return result;
    };

    it.for(recordings.map(({ topic }) => topic))('%s', { timeout: watchdogMs }, (topic, { skip }) => {
      const result = of(topic);
      if (result.notAsked.length > 0) {
        // Said, not passed over: these take root.
        const unmet = firstUnmet([requireJails]);
        const what = `not asked of the ${topic}: ${result.notAsked.length} questions of root's, since ${unmet?.reason}`;
        if (unmet?.promised !== undefined) expect.fail(`CAPSULE_REQUIRE promises '${unmet.promised}', but ${what}`);
        skip(result.compared === 0, what);
        console.log(what);
      }
      expect(result.different).toEqual([]);
      expect(result.compared).toBeGreaterThan(0);
      expect(unlisted(result, allowed), 'what can be answered now is to leave unanswered.json').toEqual([]);
    });

    it('lists the unanswered questions of what is recorded, and of nothing else', { timeout: watchdogMs }, () => {
      const topics = recordings.map(({ topic }) => topic);
      expect(Object.keys(allowed).sort()).toEqual(topics.sort());
      // Also one whose file is gone.
      expect(
        replayed()
          .map(({ topic }) => topic)
          .sort(),
      ).toEqual(topics);
    });

    const unmet = firstUnmet([requireHistory]);
    const isSkipped = unmet !== undefined && unmet.promised === undefined;
    const ratchet = 'has no more unanswered questions than in any commit before, and has lost none';
    if (isSkipped) console.log(`not known whether it ${ratchet}: ${unmet.reason}`);
    it.skipIf(isSkipped)(ratchet, () => {
      if (unmet !== undefined) expect.fail(`CAPSULE_REQUIRE promises '${unmet.promised}', but ${unmet.reason}`);
      const recorded = new Map(
        recordings.map((recording) => [
          recording.topic,
          new Set([...entriesOf(recording).values()].map(({ question }) => question)),
        ]),
      );
      // The file alone would hold nobody back: who adds a question may raise it, who removes one may hide it.
      for (const { commit, stdout } of committed()) {
        const then = unansweredIn(stdout);
        expect(count(allowed), `more than in ${commit}`).toBeLessThanOrEqual(count(then));
        for (const [topic, questions] of Object.entries(then)) {
          const lost = typeof questions === 'number' ? [] : questions.filter((name) => !recorded.get(topic)?.has(name));
          expect(lost, `asked about ${topic} in ${commit}`).toEqual([]);
        }
      }
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
    const header = { topic: 'processes', kernel: 'FreeBSD 15.1', osreldate: 1501000 };
    const recorded = { ...header, answers: { same: 'ok', other: 'ok', asked: { root: 'ok', user: 'EPERM' } } };
    const answered = { ...header, answers: { same: 'ok', asked: { root: 'ok', user: 'ok' }, new: 'ok' } };
    const [result] = replay([recorded], [answered], true);
    expect(result?.different).toEqual([
      'asked (user): ok, recorded EPERM',
      'new (root): ok, recorded nothing',
      'new (user): ok, recorded nothing',
    ]);
    expect(result?.unanswered).toEqual(['other']);
    const listed = (...questions: string[]) => unlisted(result as NonNullable<typeof result>, { processes: questions });
    expect(listed('other')).toEqual([]);
    expect(listed()).toEqual(['other: has no answer now']);
    expect(listed('other', 'same')).toEqual(['same: is answered, or not recorded']);
  });

  it('finds a topic without a recording', () => {
    const answered = { topic: 'x', kernel: 'simulated', osreldate: 1501000, answers: { any: 'ok' } };
    expect(replay([], [answered], true)).toMatchObject([{ topic: 'x', different: ['answered, and not recorded'] }]);
  });

  it("tells which of root's questions nobody else asks", () => {
    const header = { topic: 'processes', kernel: 'FreeBSD 15.1', osreldate: 1501000 };
    const recorded = { ...header, answers: { one: { root: 'ok', user: 'EPERM' }, other: 'ok' } };
    const answered = { ...header, answers: { one: { user: 'EPERM' }, other: { user: 'ok' } } };
    expect(replay([recorded], [answered], false)).toMatchObject([{ different: [], notAsked: ['one', 'other'] }]);
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
