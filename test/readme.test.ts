/** Every program in the README, run as a reader would: what it prints is what the comment behind the call says. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const programs = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map(([, source]) => source ?? '');

/** The comments behind console.log calls, in order; `…` stands for any text. */
function promised(source: string): string[] {
  return [...source.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, comment]) => comment ?? '');
}

function matches(line: string | undefined, comment: string): boolean {
  const [start = '', ...rest] = comment.split('…');
  return rest.length === 0 ? line === comment : line?.startsWith(start) === true;
}

describe('README.md', () => {
  test('has programs', () => {
    expect(programs.length).toBeGreaterThanOrEqual(2);
    for (const source of programs) expect(promised(source).length).toBeGreaterThan(0);
  });

  test.each(programs.map((source, index) => [index + 1, source] as const))('program %i', async (_, source) => {
    // A port that may be taken, and a server that would stay, are not what is shown.
    const program = `${source.replace('listen(8080', 'listen(0')}\nprocess.exit();\n`;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
      timeout: 60_000,
    });
    const lines = stdout.trimEnd().split('\n');
    const comments = promised(source);
    expect(stderr).toBe('');
    expect(lines).toHaveLength(comments.length);
    for (const [index, comment] of comments.entries()) {
      expect(matches(lines[index], comment), `${lines[index]} is not ${comment}`).toBe(true);
    }
  });
});
