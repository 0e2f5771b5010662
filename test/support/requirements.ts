/**
 * Named prerequisites of tests. Each says why a test is skipped where it is not met, and belongs to the tier that it
 * opens: where the environment promises that tier (`CAPSULE_REQUIRE=kernel,privileged`), being skipped is a failure.
 */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { kernel } from 'freebsd-capsule';
import { compiled } from './compiled.ts';

// 'history' is that of all commits, which an archive has not; 'audit' and 'tidy' are checks of `npm run check` and no tests.
const TIERS = ['kernel', 'privileged', 'unprivileged', 'bun', 'history', 'audit', 'tidy'] as const;
export type Tier = (typeof TIERS)[number];
export type Runtime = 'node' | 'bun';

export interface Requirement {
  /** The tier that this opens; without one, a skip is never a failure. */
  readonly tier?: Tier;
  /** The reason for a skip; undefined when the requirement is met. */
  missing(): string | undefined;
}

export const runtime: Runtime = process.versions.bun === undefined ? 'node' : 'bun';

/** The real kernel answers, not the simulated one. */
export const requireFreeBSD: Requirement = {
  tier: 'kernel',
  missing: () => (process.platform === 'freebsd' ? undefined : `this is ${process.platform}, not FreeBSD`),
};

/** The simulated kernel answers. */
export const requireSimulation: Requirement = {
  missing: () => (kernel.kind === 'simulated' ? undefined : 'the kernel is not the simulated one'),
};

// Elsewhere it is the kernel that is missing, not the privilege: who promises the one has not promised the other.
const privilegedOnFreeBSD: Tier = process.platform === 'freebsd' ? 'privileged' : 'kernel';

/** Root on FreeBSD: what only root may do, jails above all. */
export const requireRoot: Requirement = {
  tier: privilegedOnFreeBSD,
  missing: () =>
    requireFreeBSD.missing() ?? (process.geteuid?.() === 0 ? undefined : `user ${process.geteuid?.()} is not root`),
};

/** Root where jails are: on FreeBSD, or on the simulated kernel, which asks for root as well. */
export const requireJails: Requirement = {
  tier: 'privileged',
  missing() {
    if (kernel.kind === 'none') return 'there is neither FreeBSD nor a simulated kernel';
    return process.geteuid?.() === 0 ? undefined : `user ${process.geteuid?.()} is not root`;
  },
};

/** Not root: what root would be allowed, and another user is refused. */
export const requireUnprivileged: Requirement = {
  tier: 'unprivileged',
  missing: () => (process.geteuid?.() === 0 ? 'root would be allowed what is to be refused' : undefined),
};

/** Outside of any jail. */
export const requireUnjailed: Requirement = {
  tier: privilegedOnFreeBSD,
  missing() {
    const elsewhere = requireFreeBSD.missing();
    if (elsewhere !== undefined) return elsewhere;
    const { stdout } = spawnSync('/sbin/sysctl', ['-n', 'security.jail.jailed'], { encoding: 'utf8' });
    const answer = stdout?.trim();
    if (answer === '0') return undefined;
    return answer === '1' ? 'this is inside a jail' : 'sysctl security.jail.jailed did not answer';
  },
};

/** A kernel of this release or newer, for example `requireRelease(15.0)`; the simulated kernel counts with its own. */
export function requireRelease(release: number): Requirement {
  return {
    missing() {
      // 1501000 is 15.1: major, two digits of minor, three of what changed since. No minor release reached 10.
      const needed = Math.trunc(release) * 100 + Math.round((release % 1) * 10);
      const running = Math.floor(kernel.osreldate / 1000);
      return running >= needed ? undefined : `the kernel is ${kernel.release}, older than ${release.toFixed(1)}`;
    },
  };
}

/** This very process runs in Node, or in Bun. The other one's run covers what is skipped. */
export function requireRuntime(wanted: Runtime): Requirement {
  return { missing: () => (runtime === wanted ? undefined : `this is ${runtime}, not ${wanted}`) };
}

/** The Bun that children are started with: `$BUN`, the one that `.ci/run` installs, or `bun` from PATH. */
export function findBun(): string | undefined {
  if (runtime === 'bun') return process.execPath;
  // Two places, since this file also runs compiled, two folders deeper.
  const installed = ['../../build/tools/bun/bun', '../../tools/bun/bun'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const candidates =
    process.env.BUN === undefined ? [...installed.filter((path) => existsSync(path)), 'bun'] : [process.env.BUN];
  return candidates.find((program) => spawnSync(program, ['--version']).status === 0);
}

/** The static executable that tests start in capability mode, where it was built. */
export function findHelper(): string | undefined {
  return [compiled(`helpers/measure-${process.arch}`), compiled('helpers/measure')].find((path) => existsSync(path));
}

/** What root can do to a supervisor (test/support/helpers/hold-copy.c), in FreeBSD's bundle. */
export const holdCopy = compiled(`helpers/hold-copy-${process.arch}`);

export const requireHoldCopy: Requirement = {
  missing: () => (existsSync(holdCopy) ? undefined : 'test/support/helpers/hold-copy.c is built into the bundle alone'),
};

/** What a process in capability mode can try (test/support/helpers/attempts.c), in FreeBSD's bundle. */
export const attempts = compiled(`helpers/attempts-${process.arch}`);

export const requireAttempts: Requirement = {
  missing: () => (existsSync(attempts) ? undefined : 'test/support/helpers/attempts.c is built into the bundle alone'),
};

/** There is a static executable to start. */
export const requireHelper: Requirement = {
  missing: () => (findHelper() === undefined ? 'no static executable was built (cc -static)' : undefined),
};

let bun: string | undefined | null = null;

/** Some Bun can be started. */
export const requireBun: Requirement = {
  tier: 'bun',
  missing() {
    if (bun === null) bun = findBun();
    return bun === undefined ? 'no bun was found ($BUN, PATH)' : undefined;
  },
};

/** The tiers that the environment promises to be able to run. */
export function promisedTiers(value = process.env.CAPSULE_REQUIRE ?? ''): Tier[] {
  const names = value.split(',').map((name) => name.trim());
  const tiers = names.filter((name) => name !== '');
  for (const name of tiers) {
    // A misspelt promise would be none.
    if (!(TIERS as readonly string[]).includes(name))
      throw new Error(`CAPSULE_REQUIRE: '${name}' is not one of ${TIERS.join(', ')}`);
  }
  return tiers as Tier[];
}

export interface Unmet {
  readonly reason: string;
  /** The promised tier that this skip breaks. */
  readonly promised?: Tier;
}

/** Returns the first requirement that is not met, a promised one before any other. */
export function firstUnmet(
  needs: readonly Requirement[],
  promised: readonly Tier[] = promisedTiers(),
): Unmet | undefined {
  let first: Unmet | undefined;
  for (const { tier, missing } of needs) {
    const reason = missing();
    if (reason === undefined) continue;
    if (tier !== undefined && promised.includes(tier)) return { reason, promised: tier };
    first ??= { reason };
  }
  return first;
}
