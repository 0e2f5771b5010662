/** Every program in the README, run as a reader would: what it prints is what the comment behind the call says. */

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { blocksOf, broken, promisedBy, runnable } from '../scripts/readme.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const inProject = (path: string) => new URL(`../${path}`, import.meta.url);
const manifest = JSON.parse(readFileSync(inProject('package.json'), 'utf8')) as {
  scripts: Record<string, string>;
  bin?: Record<string, string>;
};

describe('README.md', () => {
  const programs = blocksOf('js');

  test('has programs', () => {
    expect(programs.length).toBeGreaterThanOrEqual(2);
    for (const source of programs) expect(promisedBy(source).length).toBeGreaterThan(0);
  });

  test.each(programs.map((source, index) => [index + 1, source] as const))('program %i', async (_, source) => {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', runnable(source)],
      { cwd: root, timeout: 60_000 },
    );
    expect(stderr).toBe('');
    expect(broken(source, stdout)).toBeUndefined();
  });

  test('each program fails this check when it breaks a promise', () => {
    for (const source of programs) {
      const kept = `${promisedBy(source).join('\n')}\n`;
      expect(broken(source, kept)).toBeUndefined();
      expect(broken(source, `${kept}more\n`)).toMatch(/lines, not/);
      expect(broken(source, kept.replace(/^./, '?'))).toMatch(/it printed '\?/);
    }
  });
});

describe.each(['README.md', 'CONTRIBUTING.md', 'SECURITY.md'])('the commands that %s names', (file) => {
  const text = readFileSync(inProject(file), 'utf8');
  // In shell blocks a command a line, in the text between backquotes.
  const commands = [
    ...blocksOf('sh', text).flatMap((block) => (block ?? '').split('\n')),
    ...[...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? ''),
  ].map((line) => line.replace(/\s+#.*/, '').trim());

  test('are scripts of package.json, when npm runs them', () => {
    const named = commands
      .map((line) => /^npm (?:--prefix \S+ )?(?:run (\S+)|(test)\b)/.exec(line))
      .filter((m) => m !== null);
    const known = Object.keys(manifest.scripts);
    for (const [command, script, test] of named) expect(known, command).toContain(script ?? test);
  });

  test('are binaries of package.json, when npx runs them', () => {
    for (const line of commands) {
      const [, name] = /^npx (\S+)/.exec(line) ?? [];
      if (name !== undefined) expect(Object.keys(manifest.bin ?? {}), line).toContain(name);
    }
  });

  test('and the files they name exist', () => {
    const paths = commands.flatMap(
      (line) => line.match(/\b(?:scripts|examples|test|bench|native|lib)\/[\w./-]+/g) ?? [],
    );
    for (const path of paths) expect(existsSync(inProject(path)), path).toBe(true);
  });
});
