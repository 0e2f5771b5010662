/** Compares the simulated kernel's answers with a recording. */

import { type Entry, entriesOf, type Recording } from './recording.ts';

export interface Replay {
  readonly topic: string;
  readonly compared: number;
  /** Answered otherwise, or not recorded. */
  readonly different: readonly string[];
  /** Recorded questions that the simulated kernel has no answer to. */
  readonly unanswered: readonly string[];
  /** Questions that are root's, where it was not root who asked: all of some topics, the second answer of others. */
  readonly notAsked: readonly string[];
}

/** By topic the recorded questions that the simulated kernel is known to have no answer to: `unanswered.json`. */
export type Unanswered = Readonly<Record<string, readonly string[]>>;

const named = ({ question, set, user }: Entry) => `${question}${set === undefined ? '' : ` with ${set}`} (${user})`;

const distinct = (entries: readonly Entry[]) => [...new Set(entries.map(({ question }) => question))];

/** Compares topic by topic; `asRoot` says whether the answers were asked for by root. */
export function replay(recorded: readonly Recording[], answered: readonly Recording[], asRoot: boolean): Replay[] {
  const recordedTopics = recorded.map(({ topic }) => topic);
  const unrecorded = answered.filter(({ topic }) => !recordedTopics.includes(topic));
  const nothing = { compared: 0, unanswered: [], notAsked: [] };
  const compared = recorded.map((recording) => {
    const { topic } = recording;
    const answers = answered.find((other) => other.topic === topic);
    const actual = answers === undefined ? new Map<string, Entry>() : entriesOf(answers);
    const expected = entriesOf(recording);
    const answeredQuestions = new Set([...actual.values()].map(({ question }) => question));
    const different = [...actual].flatMap(([key, entry]) => {
      const answer = expected.get(key)?.answer;
      return answer === entry.answer ? [] : [`${named(entry)}: ${entry.answer}, recorded ${answer ?? 'nothing'}`];
    });
    const isAsked = ({ user }: Entry) => asRoot || user === 'user';
    const missing = [...expected.values()].filter((entry) => isAsked(entry) && !answeredQuestions.has(entry.question));
    // A set of rights that is not asked with any more leaves its answers behind.
    const stale = [...expected]
      .filter(([key, entry]) => !actual.has(key) && answeredQuestions.has(entry.question) && isAsked(entry))
      .map(([, entry]) => `${named(entry)}: not answered, recorded ${entry.answer}`);
    return {
      topic,
      compared: actual.size,
      different: [...different, ...stale],
      unanswered: distinct(missing),
      notAsked: distinct([...expected.values()].filter((entry) => !isAsked(entry))),
    };
  });
  return [
    ...compared,
    ...unrecorded.map(({ topic }) => ({ topic, ...nothing, different: ['answered, and not recorded'] })),
  ];
}

/** Says what of the unanswered questions is not as `unanswered.json` has it. */
export function unlisted({ topic, unanswered, compared, notAsked }: Replay, listed: Unanswered): string[] {
  // Nothing was asked of this topic.
  if (compared === 0 && notAsked.length > 0) return [];
  const known = listed[topic] ?? [];
  return [
    ...unanswered.filter((question) => !known.includes(question)).map((question) => `${question}: has no answer now`),
    ...known
      .filter((question) => !unanswered.includes(question))
      .map((question) => `${question}: is answered, or not recorded`),
  ];
}
