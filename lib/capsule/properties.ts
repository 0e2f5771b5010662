/**
 * What a capsule is graded by: for each property and each adversary, how well the running kernel keeps it. The one table;
 * `test/kernel/capsule-cells.kernel.ts` plays every adversary against every cell.
 */

import type { JailValue } from '../jail/parameter-types.ts';

/**
 * What a capsule is to keep.
 *
 * `'unseal'`: nobody takes back what the seal made one-way: its secure level, that it makes no jails, that it ends with its
 * processes. `'attach'`: no process from outside enters. `'see'`, `'signal'`, `'debug'`, `'reschedule'`: no process does it
 * to another across the jail's border; for the adversary inside, to one outside. `'weaken'`: nobody gives it a permission,
 * or a wider view. `'fileSystem'`: no file is reached across the border of its root directory. `'outlive'`: nothing of it
 * is left when its supervisor is gone.
 */
export type Property =
  | 'unseal'
  | 'attach'
  | 'see'
  | 'signal'
  | 'debug'
  | 'reschedule'
  | 'weaken'
  | 'fileSystem'
  | 'outlive';

/**
 * Whom a property is to hold against: a process in the capsule, as root; a process outside without privilege, also one of
 * the same user; root in a jail outside: the one that the supervisor is in, and that the capsule thus is in too, else any
 * other; and root on the host.
 */
export type Adversary = 'inside' | 'unprivileged' | 'outerRoot' | 'hostRoot';

/**
 * `'enforced'`: the kernel refuses it. `'evident'`: it can be done, and `tampering()` tells of it afterwards. `'open'`: it
 * can be done.
 */
export type Grade = 'enforced' | 'evident' | 'open';

/** One cell of the report. */
export interface Cell {
  /** How well the property holds against the adversary. */
  readonly grade: Grade;
  /** What enforces it, what tells of it, or how it is done. */
  readonly mechanism: string;
  /** What that depends on, as read back. */
  readonly value: string;
}

/** Every cell, by property and adversary. */
export type PropertyTable = Readonly<Record<Property, Readonly<Record<Adversary, Cell>>>>;

/** The least that a capsule must keep: a grade for all adversaries of a property, or one for some. */
export type Requirements = {
  readonly [property in Property]?: Grade | { readonly [adversary in Adversary]?: Grade };
};

export const PROPERTIES: readonly Property[] = [
  'unseal',
  'attach',
  'see',
  'signal',
  'debug',
  'reschedule',
  'weaken',
  'fileSystem',
  'outlive',
];

export const ADVERSARIES: readonly Adversary[] = ['inside', 'unprivileged', 'outerRoot', 'hostRoot'];

/** From the least to the most. */
export const GRADES: readonly Grade[] = ['open', 'evident', 'enforced'];

/** What decides the grades. */
export interface Facts {
  /** The jail's parameters, as read back. */
  readonly parameters: ReadonlyMap<string, JailValue>;
  /** Whether the supervisor is in a jail itself, which is then around this one. */
  readonly nested: boolean;
  /** Whether every process in it was started untraceable. */
  readonly untraceable: boolean;
  /** Whether no process in it shares a session with one outside. */
  readonly ownSessions: boolean;
  /** Whether a descriptor of the supervisor's owns the jail. */
  readonly owned: boolean;
  /** A directory at or above its root that none but root may search; undefined when there is none. */
  readonly closedDirectory: string | undefined;
  /** Whether its /dev has the machine's memory and disks. */
  readonly allDevices: boolean;
}

/** Grades a capsule. */
export function gradeCapsule(facts: Facts): PropertyTable {
  const { parameters, nested, untraceable, ownSessions, owned, closedDirectory, allDevices } = facts;
  const is = (name: string) => parameters.get(name) === true;
  const said = (...names: string[]) =>
    names.map((name) => `${name}=${parameters.has(name) ? String(parameters.get(name)) : 'not there'}`).join(', ');

  const cell = (grade: Grade, mechanism: string, value = ''): Cell => ({ grade, mechanism, value });
  const when = (holds: boolean, mechanism: string, otherwise: string, value = ''): Cell =>
    holds ? cell('enforced', mechanism, value) : cell('open', otherwise, value);

  // Root of another jail that is not around this one does not know it: it is looked for below the own jail alone.
  const outer = (around: Cell, value = ''): Cell =>
    nested
      ? around
      : cell('enforced', 'no jail is around it, and root of any other does not see it (ESRCH, ENOENT)', value);
  const evident = (how: string): Cell =>
    cell('evident', `${how}; told by tampering(), unless whoever does it stops the supervisor first`);
  const bearer = 'EPERM without root, or a descriptor of the jail that root opened';

  const border = 'prison_check: ESRCH for a process that is not in this jail';
  const tampering = 'allow.unprivileged_parent_tampering';
  const noTampering = parameters.has(tampering) && !is(tampering);
  const sameUser = `EPERM also for the same user: ${tampering} is off`;
  const sameUserMay = 'the same user outside may';
  const level = Number(parameters.get('securelevel'));
  const noDebugSysctl = level >= 1 || !is('allow.suser');
  const root = String(parameters.get('path'));
  const confined = root !== '/' && !allDevices;

  return {
    unseal: {
      inside: cell(
        'enforced',
        'jail_set(2) does not find the own jail (ENOENT); kern.securelevel only rises; no jail can be made (EPERM)',
        said('securelevel', 'children.max'),
      ),
      unprivileged: cell('enforced', `jail_set(2): ${bearer}`),
      outerRoot: outer(evident('jail_set(2) lowers securelevel to that of its jail')),
      hostRoot: evident('jail_set(2) lowers securelevel'),
    },
    attach: {
      inside: cell('enforced', 'jail_attach(2) and jail_get(2) do not find the own jail, so nobody is let in'),
      unprivileged: cell('enforced', `jail_attach(2): ${bearer}`),
      outerRoot: outer(evident('jail_attach(2)')),
      hostRoot: evident('jail_attach(2)'),
    },
    see: {
      inside: cell('enforced', border),
      unprivileged: cell('open', 'jail_get(2) and, while security.bsd.see_jail_proc is 1, kern.proc', said('name')),
      outerRoot: outer(cell('open', 'kern.proc')),
      hostRoot: cell('open', 'kern.proc'),
    },
    signal: {
      inside: cell('enforced', border),
      unprivileged: when(
        noTampering && ownSessions,
        `${sameUser}; its sessions are its own, so that no SIGCONT comes from theirs`,
        noTampering ? 'SIGCONT from a process of the same session' : sameUserMay,
        said(tampering),
      ),
      outerRoot: outer(cell('open', 'kill(2)')),
      hostRoot: cell('open', 'kill(2)'),
    },
    debug: {
      inside: cell('enforced', border),
      unprivileged: when(
        noTampering || untraceable,
        untraceable ? `PROC_TRACE_CTL_DISABLE_EXEC, and ${sameUser}` : sameUser,
        sameUserMay,
        said(tampering),
      ),
      outerRoot: outer(
        when(
          untraceable,
          'PROC_TRACE_CTL_DISABLE_EXEC: EPERM for root in a jail too, unless the process itself takes it back',
          'ptrace(2)',
        ),
      ),
      hostRoot: cell('open', 'ptrace(2)'),
    },
    reschedule: {
      inside: cell('enforced', border),
      unprivileged: when(noTampering, sameUser, sameUserMay, said(tampering)),
      outerRoot: outer(cell('open', 'setpriority(2), cpuset(2)')),
      hostRoot: cell('open', 'setpriority(2), cpuset(2)'),
    },
    weaken: {
      inside: when(
        noDebugSysctl,
        'jail_set(2) does not find the own jail (ENOENT); sysctls that loosen need a privilege or a lower securelevel',
        'root inside turns security.bsd.unprivileged_proc_debug on, which a securelevel of 1 prevents',
        said('securelevel', 'allow.suser'),
      ),
      unprivileged: cell('enforced', `jail_set(2): ${bearer}`),
      outerRoot: outer(evident('jail_set(2) gives what its own jail has')),
      hostRoot: evident('jail_set(2)'),
    },
    fileSystem: {
      inside: when(
        confined,
        'its root directory is not that of the machine, and it has no directory open outside of it',
        root === '/' ? 'its root directory is that of the machine' : 'its /dev has memory and disks',
        said('path', 'enforce_statfs'),
      ),
      unprivileged: when(
        closedDirectory !== undefined,
        'a directory that root alone may search is in the way',
        'files under its root that their owners and modes open',
        closedDirectory ?? said('path'),
      ),
      outerRoot: cell('open', 'files under its root, if that is under the root of the other jail', said('path')),
      hostRoot: cell('open', 'files under its root', said('path')),
    },
    outlive: {
      inside: when(owned, 'JAIL_OWN_DESC: the end of the supervisor removes the jail', 'nobody owns the jail'),
      unprivileged: when(owned, 'JAIL_OWN_DESC: the end of the supervisor removes the jail', 'nobody owns the jail'),
      outerRoot: owned
        ? outer(cell('open', 'ptrace(2) of the supervisor, whose descriptor can be given away'))
        : cell('open', 'nobody owns the jail'),
      hostRoot: cell(
        'open',
        owned ? 'ptrace(2) of the supervisor, whose descriptor can be given away' : 'nobody owns the jail',
      ),
    },
  };
}
