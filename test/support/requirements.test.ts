import { expect, test } from 'vitest';
import {
  firstUnmet,
  promisedTiers,
  type Requirement,
  requireJails,
  requireRelease,
  requireRoot,
  requireUnjailed,
} from './requirements.ts';

const release: Requirement = { missing: () => 'too old' };
const root: Requirement = { tier: 'privileged', missing: () => 'not root' };

test('CAPSULE_REQUIRE is a list of tiers, and a misspelt one is an error', () => {
  expect(promisedTiers('')).toEqual([]);
  expect(promisedTiers('kernel, bun')).toEqual(['kernel', 'bun']);
  expect(() => promisedTiers('kernel,root')).toThrow("'root' is not one of");
});

test('the reason is that of the first requirement, unless one of a promised tier is not met', () => {
  expect(firstUnmet([], [])).toBeUndefined();
  expect(firstUnmet([release, root], [])).toEqual({ reason: 'too old' });
  expect(firstUnmet([release, root], ['privileged'])).toEqual({ reason: 'not root', promised: 'privileged' });
  expect(firstUnmet([release], ['privileged'])).toEqual({ reason: 'too old' });
});

test('elsewhere than on FreeBSD, what is missing there is the kernel and no privilege', () => {
  const here = process.platform === 'freebsd' ? 'privileged' : 'kernel';
  expect([requireRoot.tier, requireUnjailed.tier, requireJails.tier]).toEqual([here, here, 'privileged']);
});

test('a release is met by itself and by any that is newer', () => {
  expect(requireRelease(14.2).missing()).toBeUndefined();
  expect(requireRelease(15.0).missing()).toBeUndefined();
  expect(requireRelease(99.1).missing()).toMatch(/^the kernel is .*, older than 99\.1$/);
});
