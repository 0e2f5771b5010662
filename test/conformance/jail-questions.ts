import type { AnswersRecording } from './recording.ts';

export async function jailAnswers(): Promise<AnswersRecording['answers']> {
  return {};
}
