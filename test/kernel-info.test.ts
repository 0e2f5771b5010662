import { release } from 'node:os';
import { inspect } from 'node:util';
import { kernel } from 'freebsd-capsule';
import { describe, expect, test } from 'vitest';
import { caught } from './support/caught.ts';
import { inChild } from './support/in-child.ts';

const onFreeBSD = process.platform === 'freebsd';

describe('kernel', () => {
  test('says which kernel answers', () => {
    expect(kernel.kind).toBe(onFreeBSD ? 'freebsd' : 'simulated');
  });

  test('has the release as FreeBSD writes it, and its number', () => {
    expect(kernel.release).toMatch(/^1[45]\.\d+-[A-Z]+/);
    expect(kernel.osreldate).toBeGreaterThanOrEqual(1400000);
    expect(kernel.osreldate).toBeLessThan(1600000);
    const [major, minor] = kernel.release.split(/[.-]/).map(Number) as [number, number];
    expect(Math.floor(kernel.osreldate / 1000)).toBe(major * 100 + minor);
    if (onFreeBSD) expect(kernel.release).toBe(release());
  });

  test('prints and serialises as its three values', () => {
    const plain = { kind: kernel.kind, release: kernel.release, osreldate: kernel.osreldate };
    expect(JSON.parse(JSON.stringify(kernel))).toEqual(plain);
    expect(inspect(kernel)).toBe(inspect(plain));
    expect({ ...kernel }).toMatchObject(plain);
  });

  test('cannot be changed', () => {
    expect(Object.isFrozen(kernel)).toBe(true);
    const writable = kernel as { kind: string };
    expect(caught(() => Object.assign(writable, { kind: 'freebsd' }))).toBeInstanceOf(TypeError);
  });

  test('answers in capability mode', async () => {
    const answers = await inChild((api) => {
      const before = JSON.stringify(api.kernel);
      api.enter();
      return [before, JSON.stringify(api.kernel)];
    });
    expect(answers[1]).toBe(answers[0]);
  });

  test.skipIf(onFreeBSD)('of the simulation can be told to be an older one', async () => {
    const old = await inChild((api) => api.kernel, { env: { FREEBSD_CAPSULE_SIMULATED_OSRELDATE: '1402000' } });
    expect(old).toEqual({ kind: 'simulated', release: '14.2-RELEASE', osreldate: 1402000 });
  });
});
