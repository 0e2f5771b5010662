/** Compares the simulated kernel's answers with a recording. */

import { type Entry, entriesOf, type Recording } from './recording.ts';

export interface Replay {
  readonly topic: string;
  readonly compared: number;
  /** Answered otherwise, or not recorded. */
  readonly different: readonly string[];
  /** Recorded questions that the simulated kernel has no answer to. */
  readonly unanswered: readonly string[];
  /** Questions that only root can ask, where it was not root who asked. */
  readonly notAsked: readonly string[];
}

const named = ({ question, set, user }: Entry) => `${question}${set === undefined ? '' : ` with ${set}`} (${user})`;

/** Compares topic by topic; `asRoot` says whether the answers were asked for by root. */
export function replay(recorded: readonly Recording[], answered: readonly Recording[], asRoot: boolean): Replay[] {
  return recorded.map((recording) => {
    const { topic } = recording;
    const answers = answered.find((other) => other.topic === topic);
    const actual = answers === undefined ? new Map<string, Entry>() : entriesOf(answers);
    const expected = entriesOf(recording);
    const answeredQuestions = new Set([...actual.values()].map(({ question }) => question));
    const different = [...actual].flatMap(([key, entry]) => {
      const answer = expected.get(key)?.answer;
      return answer === entry.answer ? [] : [`${named(entry)}: ${entry.answer}, recorded ${answer ?? 'nothing'}`];
    });
    const missing = [...expected.values()].filter(({ question }) => !answeredQuestions.has(question));
    // Jails are for root alone, on the simulated kernel too.
    const isForRoot = !asRoot && topic === 'jails';
    const without = [...new Set(missing.map(({ question }) => question))];
    // A set of rights that is not asked with any more leaves its answers behind.
    const stale = [...expected]
      .filter(
        ([key, { question, user }]) =>
          !actual.has(key) && answeredQuestions.has(question) && (asRoot || user === 'user'),
      )
      .map(([, entry]) => `${named(entry)}: not answered, recorded ${entry.answer}`);
    return {
      topic,
      compared: actual.size,
      different: [...different, ...stale],
      unanswered: isForRoot ? [] : without,
      notAsked: isForRoot ? without : [],
    };
  });
}
