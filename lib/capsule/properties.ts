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
 * to another across the jail's border; for the adversary inside, to one outside. `'reschedule'` is to set priority, class or
 * processors; what whoever is said to own a shared mutex with priority inheritance is lent while another waits for it
 * (_umtx_op(2), for any thread of the machine and in capability mode too) is excepted. Of `'signal'` one thing is excepted:
 * SIGIO and SIGURG to whoever was made the owner of a descriptor (F_SETOWN) while both were in one session, which outlasts
 * the session; for a program of `Capsule.spawn` that is the moment between fork and setsid(2). `'weaken'`: nobody gives it a
 * permission or a wider view by a parameter of the jail; what is mounted in it is not looked at. `'fileSystem'`: no file is
 * reached across the border of its root directory. `'outlive'`: no process of it is left when its supervisor is gone, nor a
 * jail that anybody could enter.
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
 * other; and root on the host. Each acts alone: what one lends another, by a UNIX socket or a directory that both reach, is
 * the lender's.
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
  /** What that rests on, as it was read back; in a grade that is only required yet, as it is to be. */
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
  /** The processes in it; undefined before there are any. */
  readonly processes: readonly number[] | undefined;
  /** Whether the supervisor is in a jail itself, which is then around this one. */
  readonly nested: boolean;
  /** Whether every process in it was started untraceable. */
  readonly untraceable: boolean;
  /** Whether no process in it is in a session with one outside: within a session everybody may send SIGCONT. */
  readonly ownSessions: boolean;
  /** Terminals of outside that processes in it have: signals can be sent through them. */
  readonly terminals: readonly string[];
  /** Whether a descriptor of the supervisor's owns the jail. */
  readonly owned: boolean;
  /** The processes outside, but this one and init(8), that one inside could have itself traced by. */
  readonly possibleTracers: readonly string[];
  /** TCP sockets that its processes can have with others, by addresses or given: the kernel waits for them (SO_LINGER). */
  readonly sockets: readonly string[];
  /** A directory at or above its root that none but root may search; undefined when there is none. */
  readonly closedDirectory: string | undefined;
  /**
   * Where else files under its root have names: what is mounted there from elsewhere, what shows it elsewhere, and jails
   * whose roots are behind that directory too.
   */
  readonly alsoAt: readonly string[];
  /** Whether its /dev has the machine's memory and disks. */
  readonly allDevices: boolean;
  /** Whether every process in it is in capability mode. */
  readonly capabilityMode: boolean;
}

/** Grades a capsule. */
export function gradeCapsule(facts: Facts): PropertyTable {
  const {
    parameters,
    processes,
    nested,
    untraceable,
    ownSessions,
    terminals,
    owned,
    possibleTracers,
    sockets,
    closedDirectory,
    alsoAt,
    allDevices,
    capabilityMode,
  } = facts;
  const is = (name: string) => parameters.get(name) === true;
  const said = (...names: string[]) =>
    names.map((name) => `${name}=${parameters.has(name) ? String(parameters.get(name)) : 'not there'}`).join(', ');

  const cell = (grade: Grade, mechanism: string, value: string): Cell => ({ grade, mechanism, value });
  const when = (holds: boolean, mechanism: string, otherwise: string, value: string): Cell =>
    holds ? cell('enforced', mechanism, value) : cell('open', otherwise, value);

  const jailed = `security.jail.jailed=${nested ? 1 : 0}`;
  // Of all that a process inside can reach for, nothing is without a name.
  const inner = (jailAlone: Cell): Cell =>
    capabilityMode
      ? cell(
          'enforced',
          'capability mode: ECAPMODE for every call that names a jail, a process or a file',
          `cap_getmode=1, ${jailAlone.value}`,
        )
      : jailAlone;
  // Root of another jail that is not around this one does not know it: it is looked for below the own jail alone.
  const outer = (around: Cell): Cell =>
    nested
      ? { ...around, value: `${jailed}, ${around.value}` }
      : cell('enforced', 'no jail is around it, and root of any other does not find it (ESRCH, ENOENT)', jailed);
  const evident = (how: string, value: string): Cell =>
    cell('evident', `${how}; told by tampering(), unless whoever does it stops the supervisor first`, value);
  const bearer = 'EPERM without root, or a descriptor of the jail that root opened';

  const border = 'prison_check: ESRCH for a process that is not in this jail';
  const within = `kern.proc: ${processes === undefined ? 'none yet' : `${processes.join(' ')} in the jail`}`;
  const sessions = `kern.proc: ${ownSessions ? 'nobody' : 'somebody'} outside in its sessions`;
  const tampering = 'allow.unprivileged_parent_tampering';
  const noTampering = parameters.has(tampering) && !is(tampering);
  const sameUser = `EPERM also for the same user: ${tampering} is off`;
  const sameUserMay = 'the same user outside may';
  const tracing = `PROC_TRACE_STATUS=${untraceable ? '-1' : 'not asked'}`;
  const level = Number(parameters.get('securelevel'));
  const noDebugSysctl = level >= 1 || !is('allow.suser');
  // Two that trace each other end with no signal.
  const mayTrace = (is('allow.unprivileged_proc_debug') || !noDebugSysctl) && !capabilityMode;
  const tracers = capabilityMode ? [] : possibleTracers;
  const root = String(parameters.get('path'));
  const confined = root !== '/' && !allDevices;
  const oneWay = said('securelevel', 'children.max', 'persist');
  const permitted = [...parameters.keys()].filter((name) => name.startsWith('allow.') && is(name));
  const loosened = `${said('enforce_statfs')}, ${permitted.length === 0 ? 'no allow.*' : permitted.join(', ')}`;
  const ownership = `${owned ? 'JAIL_OWN_DESC' : 'no owner'}, ${said('persist')}`;
  const parents = `parents and reapers: ${tracers.length === 0 ? 'init(8) or the supervisor' : tracers.join('; ')}`;
  const debugging = said('allow.unprivileged_proc_debug', 'securelevel');
  const connections = `TCP: ${sockets.length === 0 ? 'none' : sockets.join(', ')}`;
  const tied = `${ownership}, ${capabilityMode ? 'cap_getmode=1' : `${debugging}, ${parents}`}, ${connections}`;
  // Another process's existence, and no more: nobody asks whether the two are in one jail.
  const existence =
    'whether a process exists, and no more: fcntl(2) F_SETOWN tells, in capability mode too; of descendants of the same ' +
    'reaper procctl(2) PROC_REAP_GETPIDS';
  const ends = 'JAIL_OWN_DESC: the end of the supervisor removes the jail';
  const unowned = 'nobody owns the jail';
  // What a process inside can do that it is not ended by SIGKILL.
  const [staying] = [
    ...(mayTrace ? ['two processes that trace each other (ptrace(2)), and that no signal ends'] : []),
    ...(tracers.length > 0
      ? ['a process that has itself traced (PT_TRACE_ME) by one outside ends with that one, and not before']
      : []),
    ...(sockets.length > 0
      ? ['TCP sockets with unsent data that are told to linger (SO_LINGER): a killed process waits for each, for hours']
      : []),
  ];
  const givenAway = 'ptrace(2) of the supervisor, whose descriptor can be given away';

  return {
    unseal: {
      inside: inner(
        cell(
          'enforced',
          'jail_set(2) does not find the own jail (ENOENT); kern.securelevel only rises; no jail can be made (EPERM)',
          oneWay,
        ),
      ),
      unprivileged: cell('enforced', `jail_set(2): ${bearer}`, oneWay),
      outerRoot: outer(evident('jail_set(2) lowers securelevel to that of its jail', oneWay)),
      hostRoot: evident('jail_set(2) lowers securelevel', oneWay),
    },
    attach: {
      inside: inner(
        cell('enforced', 'jail_attach(2) and jail_get(2) do not find the own jail, so nobody is let in', within),
      ),
      unprivileged: cell('enforced', `jail_attach(2): ${bearer}`, within),
      outerRoot: outer(evident('jail_attach(2)', within)),
      hostRoot: evident('jail_attach(2)', within),
    },
    see: {
      inside: cell('open', existence, within),
      unprivileged: cell('open', 'jail_get(2) and, while security.bsd.see_jail_proc is 1, kern.proc', said('name')),
      outerRoot: cell('open', nested ? 'kern.proc' : existence, `${jailed}, ${within}`),
      hostRoot: cell('open', 'kern.proc', within),
    },
    signal: {
      inside:
        terminals.length > 0
          ? cell(
              'open',
              'through a terminal of outside: TIOCSWINSZ sends SIGWINCH, TIOCSETA decides which key sends SIGINT',
              terminals.join(', '),
            )
          : !ownSessions
            ? cell('open', 'SIGCONT, or SIGIO by fcntl(2) F_SETOWN, to a process of the same session', sessions)
            : allDevices && !capabilityMode
              ? cell('open', 'terminals in its /dev: TIOCSWINSZ sends SIGWINCH', said('path'))
              : inner(
                  cell(
                    'enforced',
                    `${border}; its sessions are its own, so that no SIGCONT goes out in them; no terminal of outside`,
                    sessions,
                  ),
                ),
      unprivileged: when(
        noTampering && ownSessions,
        `${sameUser}; its sessions are its own, so that no SIGCONT comes from theirs`,
        noTampering ? 'SIGCONT from a process of the same session' : sameUserMay,
        `${said(tampering)}, ${sessions}`,
      ),
      outerRoot:
        nested || ownSessions
          ? outer(cell('open', 'kill(2)', within))
          : cell('open', 'SIGCONT from a process of the same session', `${jailed}, ${sessions}`),
      hostRoot: cell('open', 'kill(2)', within),
    },
    debug: {
      inside: inner(cell('enforced', border, within)),
      unprivileged: when(
        noTampering || untraceable,
        [...(untraceable ? ['PROC_TRACE_CTL_DISABLE_EXEC: EPERM'] : []), ...(noTampering ? [sameUser] : [])].join('; '),
        sameUserMay,
        `${said(tampering)}, ${tracing}`,
      ),
      outerRoot: outer(
        when(
          untraceable,
          'PROC_TRACE_CTL_DISABLE_EXEC: EPERM for root in a jail too, unless the process itself takes it back',
          'ptrace(2)',
          tracing,
        ),
      ),
      hostRoot: cell('open', 'ptrace(2)', tracing),
    },
    reschedule: {
      inside: inner(cell('enforced', border, within)),
      unprivileged: when(noTampering, sameUser, sameUserMay, said(tampering)),
      outerRoot: outer(cell('open', 'setpriority(2), cpuset(2)', within)),
      hostRoot: cell('open', 'setpriority(2), cpuset(2)', within),
    },
    weaken: {
      inside: inner(
        when(
          noDebugSysctl,
          'jail_set(2) does not find the own jail (ENOENT); sysctls that loosen need a privilege or a lower securelevel',
          'root inside turns security.bsd.unprivileged_proc_debug on, which a securelevel of 1 prevents',
          said('securelevel', 'allow.suser'),
        ),
      ),
      unprivileged: cell('enforced', `jail_set(2): ${bearer}`, loosened),
      outerRoot: outer(evident('jail_set(2) gives what its own jail has', loosened)),
      hostRoot: evident('jail_set(2)', loosened),
    },
    fileSystem: {
      inside: inner(
        when(
          confined,
          'its root directory is not that of the machine, and it has no directory open outside of it',
          root === '/' ? 'its root directory is that of the machine' : 'its /dev has memory and disks',
          said('path', 'enforce_statfs'),
        ),
      ),
      unprivileged: when(
        closedDirectory !== undefined && alsoAt.length === 0,
        'a directory that root alone may search is in the way, and no mount goes round it',
        closedDirectory === undefined
          ? 'files under its root that their owners and modes open'
          : 'files under its root that have another path too',
        alsoAt.length === 0 ? (closedDirectory ?? said('path')) : alsoAt.join('; '),
      ),
      outerRoot: cell('open', 'files under its root, if that is under the root of the other jail', said('path')),
      hostRoot: cell('open', 'files under its root', said('path')),
    },
    outlive: {
      inside: !owned
        ? cell('open', unowned, ownership)
        : staying !== undefined
          ? cell('open', staying, tied)
          : cell(
              'enforced',
              `${ends}; SIGKILL ends its processes: nobody outside goes on that could trace one, and none has TCP sockets`,
              tied,
            ),
      unprivileged: when(owned, ends, unowned, ownership),
      outerRoot: owned ? outer(cell('open', givenAway, ownership)) : cell('open', unowned, ownership),
      hostRoot: cell('open', owned ? givenAway : unowned, ownership),
    },
  };
}
