/**
 * Asks the running kernel, FreeBSD's or the simulated one.
 *
 *     node build/test/conformance/ask.js                 prints the recordings as JSON
 *     node build/test/conformance/ask.js --record DIR    writes DIR/<release>/<topic>.json; on FreeBSD, as root
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { kernel } from 'freebsd-capsule';
import { compiled } from '../support/compiled.ts';
import { jailAnswers } from './jail-questions.ts';
import {
  type Answer,
  type AnswersRecording,
  byUser,
  type Operation,
  ofSets,
  type Recording,
  type RightsRecording,
  type User,
  usersOf,
  writeRecording,
} from './recording.ts';
import { describeWords, rightsSets, type Words } from './rights-sets.ts';
import { runtimeModeAnswers, runtimeProcessAnswers, runtimeRightsAnswers } from './runtime-calls.ts';

/** Who is not root, when it is root who asks. */
const OTHER_USER = 1001;

const isRoot = process.geteuid?.() === 0;
const isSimulated = kernel.kind === 'simulated';

/** Only root can ask as another. */
const asUsers = (topic: string) => usersOf(topic).filter((user) => isRoot || user === 'user');

function questionsProgram(): string {
  const paths = [`helpers/questions-${process.arch}`, 'helpers/questions'].map((name) => compiled(name));
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error(`${paths.join(' and ')} not found; run first: npm run build`);
  return path;
}

/** Runs the program of questions; the fields of each line it prints. */
function askProgram(topic: string, user: User, input = ''): string[][] {
  const as = isRoot && user === 'user' ? ['-u', String(OTHER_USER)] : [];
  const { status, signal, stdout, stderr, error } = spawnSync(questionsProgram(), [...as, topic], {
    input,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    timeout: 600_000,
  });
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new Error(`questions ${topic} ended with ${signal ?? status} after ${stdout.slice(-500)}:\n${stderr}`);
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'));
}

function header(topic: string): { topic: string; kernel: string; osreldate: number } {
  let version = `${kernel.kind} ${kernel.release}`;
  if (!isSimulated) {
    const sysctl = (name: string) => spawnSync('/sbin/sysctl', ['-n', name], { encoding: 'utf8' }).stdout;
    const [first = ''] = sysctl('kern.version').split('\n');
    version = first.replace(/ #\d+.*/, '').replace(new RegExp(` ${sysctl('kern.ident').trim()}\\s*$`), '');
  }
  return { topic, kernel: version.trim(), osreldate: kernel.osreldate };
}

/** Writes the two words of rights in a program's answer as names. */
function readable(answer: Answer): Answer {
  return answer.replace(/rights ([0-9a-f]+) ([0-9a-f]+)/, (_, a: string, b: string) => {
    return `rights ${describeWords([BigInt(`0x${a}`), BigInt(`0x${b}`)])}`;
  });
}

function askRights(): RightsRecording {
  const sets = rightsSets();
  const input = [...sets].map(([name, [a, b]]) => `${name}\t${a.toString(16)}\t${b.toString(16)}\n`).join('');
  const operations = new Map<string, { on: string; answers: Map<User, Map<string, Answer>> }>();
  const note = (user: User, [name = '', on = '', set = '', answer = '']: readonly string[]) => {
    const operation = operations.get(name) ?? { on, answers: new Map() };
    operations.set(name, operation);
    const answers = operation.answers.get(user) ?? new Map<string, Answer>();
    operation.answers.set(user, answers.set(set, answer));
  };
  // The runtime's calls never reach the simulated kernel: what refuses them is in lib/simulation, whoever asks.
  const lines = isSimulated ? runtimeRightsAnswers(sets) : [];
  for (const user of asUsers('rights')) {
    for (const line of [...askProgram('rights', user, input), ...lines]) note(user, line);
  }
  const written = [...operations].map(([name, { on, answers }]): [string, Operation] => {
    const byName = Object.fromEntries([...answers].map(([user, given]) => [user, ofSets(given)]));
    return [name, { on, ...byUser(byName) }];
  });
  const described = [...sets].map(([name, words]: [string, Words]) => [name, describeWords(words)]);
  return {
    ...header('rights'),
    sets: Object.fromEntries(described) as Record<string, string>,
    operations: Object.fromEntries(written),
  };
}

const ofRuntime: Readonly<Record<string, () => Promise<string[][]>>> = {
  'capability-mode': runtimeModeAnswers,
  processes: runtimeProcessAnswers,
};

async function askTopic(topic: string): Promise<AnswersRecording> {
  const questions = new Map<string, Partial<Record<User, Answer>>>();
  for (const user of asUsers(topic)) {
    const lines = askProgram(topic, user);
    if (isSimulated) lines.push(...((await ofRuntime[topic]?.()) ?? []));
    for (const [question = '', answer = ''] of lines) {
      questions.set(question, { ...questions.get(question), [user]: readable(answer) });
    }
  }
  const answers = [...questions].map(([question, given]) => {
    const { both, ...different } = byUser(given);
    return [question, both ?? (usersOf(topic).length > 1 ? different : given.user)];
  });
  return { ...header(topic), answers: Object.fromEntries(answers) as AnswersRecording['answers'] };
}

/** Asks everything that this user can ask. */
export async function askKernel(): Promise<Recording[]> {
  const recordings: Recording[] = [askRights()];
  for (const topic of ['inheritance', 'processes', 'capability-mode', 'paths']) recordings.push(await askTopic(topic));
  if (isRoot) recordings.push({ ...header('jails'), answers: await jailAnswers() });
  return recordings;
}

const [option, directory] = process.argv.slice(2);
if (option === '--record' && directory !== undefined) {
  if (kernel.kind !== 'freebsd') throw new Error(`Only FreeBSD's kernel is recorded; this is the ${kernel.kind} one.`);
  if (!isRoot) throw new Error('Recording needs root, who asks as another user too.');
  const [release = ''] = kernel.release.split('-');
  mkdirSync(join(directory, release), { recursive: true });
  for (const recording of await askKernel()) {
    writeRecording(join(directory, release), recording);
    console.log(`recorded ${join(directory, release, recording.topic)}.json`);
  }
} else if (option === undefined) {
  console.log(JSON.stringify(await askKernel()));
} else {
  console.error('usage: ask.js [--record DIR]');
  process.exitCode = 1;
}
