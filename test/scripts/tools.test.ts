/** What scripts download to run it is pinned: nothing else of that name and version is taken. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkIntegrity } from '../../scripts/install-bun.mjs';
import { temporaryDirectory } from '../support/descriptors.ts';

const readJson = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));

test('a Bun of another checksum is refused, and one that has none to be held against', () => {
  const directory = temporaryDirectory();
  try {
    mkdirSync(join(directory.path, 'node_modules'));
    writeFileSync(
      join(directory.path, 'node_modules/.package-lock.json'),
      JSON.stringify({ packages: { 'node_modules/@oven/bun-x': { integrity: 'sha512-right' } } }),
    );
    const check = (expected?: string) => () => checkIntegrity(directory.path, '@oven/bun-x', expected);
    expect(check('sha512-right')).not.toThrow();
    for (const expected of ['sha512-wrong', undefined]) expect(check(expected)).toThrow(/is not the one expected/);
  } finally {
    directory.remove();
  }
});

const sets = readdirSync(new URL('../../scripts', import.meta.url)).filter((name) => name.endsWith('-tools'));

test.each(['.', ...sets.map((set) => `scripts/${set}`)])(
  '%s: every package comes from npm, and with a checksum',
  (folder) => {
    const { packages } = readJson(`${folder}/package-lock.json`) as {
      packages: Record<string, { resolved?: string; integrity?: string; inBundle?: boolean; os?: string[] }>;
    };
    const installed = Object.entries(packages).filter(([path, { inBundle }]) => path !== '' && !inBundle);
    expect(installed.length).toBeGreaterThan(0);
    for (const [path, { resolved, integrity }] of installed) {
      // Where it is not said, it is the registry of who installs.
      if (resolved !== undefined) expect(resolved, path).toMatch(/^https:\/\/registry\.npmjs\.org\//);
      // npm writes down none for what is for other systems alone than the one that the lockfile was made on.
      const isElsewhere = packages[path]?.os !== undefined && integrity === undefined;
      if (!isElsewhere) expect(integrity, path).toMatch(/^sha512-/);
    }
  },
);

test('an installed package builds the addon with the tools of a checkout', () => {
  const { dependencies } = readJson('scripts/addon-tools/package.json') as { dependencies: Record<string, string> };
  const { packages } = readJson('package-lock.json');
  for (const [name, version] of Object.entries(dependencies)) {
    expect([name, packages[`node_modules/${name}`].version]).toEqual([name, version]);
  }
});
