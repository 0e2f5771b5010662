/**
 * What a kernel answered, as it is kept in `<release>/<topic>.json`. A question that root and another user are answered
 * alike has one answer.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `ok`, the name of an error, or what was found. */
export type Answer = string;

export type User = 'root' | 'user';

/** Answers by user: `both` where they are the same. */
export interface ByUser<Answers> {
  readonly both?: Answers;
  readonly root?: Answers;
  readonly user?: Answers;
}

/** What the sets of rights were answered: by answer the sets, `otherwise` for the answer of all the others. */
export interface OfSets {
  readonly otherwise: Answer;
  readonly [answer: Answer]: Answer | readonly string[];
}

export interface Operation extends ByUser<OfSets> {
  /** What the descriptor was. */
  readonly on: string;
}

interface Header {
  readonly topic: string;
  /** `kern.version`, without the names of the kernel's configuration and of where it was built. */
  readonly kernel: string;
  readonly osreldate: number;
}

/** Rights by operations. */
export interface RightsRecording extends Header {
  /** The rights of each set, as names. */
  readonly sets: Readonly<Record<string, string>>;
  readonly operations: Readonly<Record<string, Operation>>;
}

/** Anything else: questions by name. */
export interface AnswersRecording extends Header {
  readonly answers: Readonly<Record<string, Answer | ByUser<Answer>>>;
}

export type Recording = RightsRecording | AnswersRecording;

const isOfRights = (recording: Recording): recording is RightsRecording => 'operations' in recording;

/** Who is asked: of jails root alone, both where root is answered differently in places, of the rest the other user alone. */
export function usersOf(topic: string): readonly User[] {
  if (topic === 'jails') return ['root'];
  return ['rights', 'processes', 'capability-mode'].includes(topic) ? ['root', 'user'] : ['user'];
}

/** One question put to one user. */
export interface Entry {
  /** What is counted where it has no answer: an operation with all of its sets is one question. */
  readonly question: string;
  readonly user: User;
  /** Of an operation: the set of rights. */
  readonly set?: string;
  readonly answer: Answer;
}

/** Lays a recording out, an entry for each question, user and set. */
export function entriesOf(recording: Recording): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  const users = usersOf(recording.topic);
  const add = (entry: Entry) => entries.set([entry.question, entry.set, entry.user].join('\t'), entry);
  if (!isOfRights(recording)) {
    for (const [question, given] of Object.entries(recording.answers)) {
      const answers: ByUser<Answer> = typeof given === 'string' ? { both: given } : given;
      for (const user of users) {
        const answer = answers[user] ?? answers.both;
        if (answer !== undefined) add({ question, user, answer });
      }
    }
    return entries;
  }
  for (const [question, operation] of Object.entries(recording.operations)) {
    for (const user of users) {
      const answers = operation[user] ?? operation.both;
      if (answers === undefined) continue;
      for (const set of Object.keys(recording.sets)) {
        const exception = Object.entries(answers).find(([name, sets]) => name !== 'otherwise' && sets.includes(set));
        add({ question, user, set, answer: exception?.[0] ?? answers.otherwise });
      }
    }
  }
  return entries;
}

/** Writes answers shorter: the most common one is `otherwise`. */
export function ofSets(answers: ReadonlyMap<string, Answer>): OfSets {
  const sets = new Map<Answer, string[]>();
  for (const [set, answer] of answers) sets.set(answer, [...(sets.get(answer) ?? []), set]);
  const [first, ...others] = [...sets].sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1));
  return { otherwise: first?.[0] ?? 'not asked', ...Object.fromEntries(others) };
}

/** Writes what both users were answered once. */
export function byUser<Answers>(answers: Partial<Record<User, Answers>>): ByUser<Answers> {
  const { root, user } = answers;
  if (root !== undefined && JSON.stringify(root) === JSON.stringify(user)) return { both: root };
  return answers;
}

/** Reads the recordings of one release. */
export function readRecordings(directory: string): Recording[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json') && name !== 'unanswered.json')
    .sort()
    .map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')) as Recording);
}

/** Writes a recording to its file: an operation or a question on each line. */
export function writeRecording(directory: string, recording: Recording): void {
  const { topic } = recording;
  const list = isOfRights(recording) ? 'operations' : 'answers';
  const { [list as never]: answers, ...header } = recording as unknown as Record<string, Record<string, unknown>>;
  const lines = Object.entries(answers as Record<string, unknown>).map(
    ([question, answer]) => `    ${JSON.stringify(question)}: ${JSON.stringify(answer)}`,
  );
  const head = JSON.stringify(header, null, 2).replace(/\n}$/, ',');
  const text = `${head}\n  ${JSON.stringify(list)}: {\n${lines.join(',\n')}\n  }\n}\n`;
  writeFileSync(join(directory, `${topic}.json`), text);
}
