import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as capsule from 'freebsd-capsule';
import { describe, expect, test } from 'vitest';

const dist = new URL('../dist/', import.meta.url);

describe('importing the package', () => {
  test('loads two files: the exports, and the one that all of it is in', () => {
    const importsOf = (name: string) => {
      const source = readFileSync(new URL(name, dist), 'utf8');
      return [...source.matchAll(/^(?:import|export)\b[^;]*?\bfrom '([^']*)'/gm)].map(([, from]) => from);
    };
    expect(importsOf('index.js')).toEqual(['./package.js']);
    const deeper = importsOf('package.js');
    expect(deeper).toContain('node:fs');
    expect(deeper.filter((from) => !from?.startsWith('node:'))).toEqual([]);
  });

  test.runIf(process.versions.bun === undefined)('loads none of the modules of Node that are for later', () => {
    const program = `
      const before = process.moduleLoadList.length;
      await import(${JSON.stringify(new URL('index.js', dist).href)});
      console.log(JSON.stringify(process.moduleLoadList.slice(before)));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const loaded = JSON.parse(stdout) as string[];
    expect(loaded).toContain('NativeModule os');
    const later = ['console', 'module', 'net', 'readline', 'timers/promises', 'worker_threads', 'webstreams'];
    expect(loaded.filter((name) => later.some((module) => name.endsWith(module)))).toEqual([]);
  });

  test('gives classes and functions that have their own names', () => {
    const all: Record<string, unknown> = capsule;
    const functions = Object.keys(all).filter((name) => typeof all[name] === 'function');
    expect(functions.length).toBeGreaterThan(15);
    expect(functions.map((name) => (all[name] as { name: string }).name)).toEqual(functions);
  });

  test('and a module of it by its own name are the same thing', async () => {
    const { Rights } = await import('../lib/capsicum/rights.ts');
    expect(Rights).toBe(capsule.Rights);
  });
});
