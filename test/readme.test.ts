/**
 * What the README says. Its programs are run by test/kernel/readme.kernel.ts, on this machine's kernel and on FreeBSD's;
 * here is that they would be found out.
 */

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { blocksOf, broken, promisedBy } from '../scripts/readme.mjs';
import { parseSurvey } from './conformance/capability-mode-survey.ts';

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

  test('each program fails this check when it breaks a promise', () => {
    for (const source of programs) {
      const kept = `${promisedBy(source).join('\n')}\n`;
      expect(broken(source, kept)).toBeUndefined();
      expect(broken(source, `${kept}more\n`)).toMatch(/lines, not/);
      expect(broken(source, kept.replace(/^./, '?'))).toMatch(/it printed '\?/);
    }
  });
});

/** Call in the README's tables -> calls of the survey; undefined: the survey enters capability mode, and limits nothing. */
const SURVEYED: Readonly<Record<string, readonly string[] | undefined>> = {
  '`fs` by path': ['fs.readFileSync(path)', 'fs.promises.readFile(path)', 'fs.statSync(path)', 'fs.mkdirSync(path)'],
  '`net.connect`, `http.get`': ['net.connect(ip)', 'http.get'],
  '`server.listen`': ['server.listen(new port)'],
  '`fetch`': ['fetch'],
  '`dns.lookup`': ['dns.lookup(localhost)'],
  '`dns.resolve4`': ['dns.resolve4'],
  '`child_process.spawn`': ['spawn', 'spawnSync'],
  '`require`, `import` of a file': ['require(new file)', 'import(new file)'],
  '`new Worker`': ['new Worker(eval)'],
  '`process.memoryUsage()`': ['process.memoryUsage().rss'],
  '`process.kill` of another process': ['process.kill(1,0)', 'process.kill(ppid,0)'],
  'a descriptor without the right': undefined,
};

/** Silent losses: call of the survey -> what it gives in Node and in Bun, as the second table says. */
const SILENT = {
  'fs.existsSync(path)': ['false', 'false'],
  'os.totalmem': ['0', '0'],
  'os.freemem': ['0', '0'],
  'os.loadavg': ['0,0,0', '0,0,0'],
  'os.cpus().length': ['0', undefined],
  // 'true' where it is more than 0.
  'os.uptime': [undefined, 'false'],
  'os.userInfo': [undefined, 'unknown'],
} as const;

describe('what stops working, as the README has it,', () => {
  const recorded = parseSurvey(readFileSync(inProject('test/conformance/15.1/capability-mode-survey.tsv'), 'utf8'));
  const rowOf = (runtime: string, call: string) =>
    [...recorded].find(([name]) => name.startsWith(runtime))?.[1].find((row) => row.call === call);
  const table = readFileSync(inProject('README.md'), 'utf8').split('| what Node says')[1]?.split('\n\n')[0] ?? '';
  const rows = table
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').slice(1, 4));

  test('is in a table of which each row is known', () => {
    expect(rows.map(([call]) => call?.trim())).toEqual(Object.keys(SURVEYED));
  });

  test.each(rows.map(([call = '', node = '', bun = '']) => [call.trim(), node.trim(), bun.trim()] as const))(
    '%s: %s, %s',
    (call, ...said) => {
      for (const surveyed of SURVEYED[call] ?? []) {
        for (const [index, runtime] of ['node ', 'bun '].entries()) {
          const row = rowOf(runtime, surveyed);
          const answer = `${row?.result} ${row?.code} ${row?.message}`;
          const words = said[index]?.match(/`[^`]+`|^works$/g) ?? [];
          expect(words.length).toBeGreaterThan(0);
          for (const word of words) expect(answer, surveyed).toContain(word.replaceAll('`', '').replace(' …', ''));
        }
      }
    },
  );

  test('without an error, is what was recorded', () => {
    for (const [call, said] of Object.entries(SILENT)) {
      for (const [index, runtime] of ['node ', 'bun '].entries()) {
        if (said[index] !== undefined) expect([call, rowOf(runtime, call)?.message]).toEqual([call, said[index]]);
      }
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
