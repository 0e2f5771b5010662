/**
 * Every cell of a capsule's report, on the real kernel, for each of the three ways to make one: each adversary tries what
 * the property is about, and what happens is what the cell says. `enforced`: refused. `evident`: it succeeds, and
 * tampering() tells. `open`: it succeeds.
 *
 * A test says beforehand which cells it plays, and of what grade. It fails when it did not play one of them;
 * test/capsule/properties.test.ts fails when there is a cell, or a grade that one can have, that no test plays.
 */

import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Adversary,
  Capsule,
  type CapsuleSpawnOptions,
  type Grade,
  Jail,
  type JailDescriptor,
  type JailEvent,
  type Property,
  type PropertyTable,
  spawn,
} from 'freebsd-capsule';
import { tempJail } from 'freebsd-capsule/testing';
import type { SupervisorLine, SupervisorOrder } from '../support/capsule-supervisor.ts';
import { compiled } from '../support/compiled.ts';
import { CopiedRoot } from '../support/copied-root.ts';
import { temporaryDirectory } from '../support/descriptors.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { LineReader } from '../support/line-reader.ts';
import { NullfsRoot } from '../support/nullfs-root.ts';
import { removedByNow } from '../support/removed-by-now.ts';
import {
  attempts,
  holdCopy,
  type Requirement,
  requireAttempts,
  requireHoldCopy,
  requireRelease,
  requireRoot,
  requireUnjailed,
} from '../support/requirements.ts';
import type { SealedLine, SealedOrder } from '../support/sealed-in-jail.ts';
import { type Ran, runShell, Shell } from '../support/shell.ts';

const NOBODY_IN_PARTICULAR = 1001;
const asUser = { user: NOBODY_IN_PARTICULAR, group: NOBODY_IN_PARTICULAR };

/** How capsules with a jail are made. */
export type Way = 'Capsule.spawn' | 'Jail#seal' | 'seal({ jail })';

/** What a test plays. */
export interface Plays {
  readonly way: Way;
  readonly adversary: Adversary;
  readonly grade: Grade;
  readonly properties: readonly Property[];
}

/** What all of them play. */
export const PLAYED: Plays[] = [];

const plays = (way: Way, adversary: Adversary, grade: Grade, ...properties: Property[]): Plays => ({
  way,
  adversary,
  grade,
  properties,
});

/** Whom and what an adversary is after. */
interface Target {
  readonly jid: number;
  readonly pid: number;
  /** A file on the other side of the border. */
  readonly file: string;
}

type Tried = Exclude<Property, 'outlive'>;

/** What is tried, as commands of the base system. */
const ATTEMPTS: Readonly<Record<Tried, (target: Target) => readonly string[]>> = {
  unseal: ({ jid }) => [
    `jail -m jid=${jid} securelevel=-1`,
    `jail -m jid=${jid} children.max=3`,
    `jail -m jid=${jid} persist`,
  ],
  attach: ({ jid }) => [`jexec ${jid} /usr/bin/true`],
  see: ({ pid }) => [`ps -o pid= -p ${pid}`],
  signal: ({ pid }) => [`kill -0 ${pid}`, `kill -URG ${pid}`, `kill -CONT ${pid}`],
  // Not its environment: of one process in thirty nobody can read that (ENOMEM), by where the kernel put the stack.
  debug: ({ pid }) => [`ktrace -c -p ${pid}`, `procstat auxv ${pid} | grep AT_`, `procstat vm ${pid} | grep 0x`],
  reschedule: ({ pid }) => [`renice -n 1 -p ${pid}`, `cpuset -l 0 -p ${pid}`],
  weaken: ({ jid }) => [`jail -m jid=${jid} allow.raw_sockets`, `jail -m jid=${jid} enforce_statfs=0`],
  // By its name and mode alone, of a file that may be any program.
  fileSystem: ({ file }) => [`test -r ${file}`],
};

/** What root inside tries of its own jail, besides. */
const FROM_INSIDE: Partial<Record<Property, readonly string[]>> = {
  unseal: ['sysctl kern.securelevel=-1', 'jail -c name=child path=/ persist', 'jail -c path=/ command=/usr/bin/true'],
  attach: ['jls | grep -v JID'],
  weaken: ['sysctl security.bsd.unprivileged_proc_debug=1'],
};

/** What is tried in capability mode, in the words of test/support/helpers/attempts.c. */
const BY_HELPER: Readonly<Record<Tried, (target: Target) => readonly string[]>> = {
  unseal: ({ jid }) => [`u ${jid}`, 'c 0'],
  attach: ({ jid }) => [`a ${jid}`],
  see: ({ pid }) => [`e ${pid}`],
  signal: ({ pid }) => [`g ${pid}`, `t ${pid}`],
  debug: ({ pid }) => [`d ${pid}`],
  reschedule: ({ pid }) => [`r ${pid}`],
  weaken: ({ jid }) => [`w ${jid}`],
  fileSystem: ({ file }) => [`f ${file}`],
};

const EVENTS: Partial<Record<Property, JailEvent['type']>> = { unseal: 'set', attach: 'attach', weaken: 'set' };

const TRIED = Object.keys(ATTEMPTS) as Tried[];
const allBut = (...others: Tried[]) => TRIED.filter((property) => !others.includes(property));

/** Somebody who tries. */
type Run = (command: string) => Promise<Ran>;

/** The commands of somebody with a shell. */
const byShell =
  (run: Run): Run =>
  async (command) => {
    const ran = await run(`PATH=/sbin:/bin:/usr/sbin:/usr/bin; ${command}`);
    // A command that is not there is refused by nothing.
    assert.doesNotMatch(ran.output, /^(sh|eval|\/bin\/sh): .*: not found$/m, command);
    return ran;
  };

/** A capsule that is attacked. */
interface Victim {
  readonly target: Target;
  readonly properties: PropertyTable;
  /** Waits until tampering() has told. */
  told(type: JailEvent['type']): Promise<void>;
}

/** One test's share of the cells. */
class Play {
  readonly #way: Way;
  readonly #left = new Map<string, Grade>();

  constructor(way: Way, all: readonly Plays[]) {
    this.#way = way;
    for (const { adversary, grade, properties } of all) {
      for (const property of properties) this.#left.set(`${property} against ${adversary}`, grade);
    }
  }

  /** Holds a cell against what the test says of it; plays it. */
  async cell(
    { properties }: Pick<Victim, 'properties'>,
    property: Property,
    adversary: Adversary,
    body: (grade: Grade) => Promise<void>,
  ): Promise<void> {
    const name = `${property} against ${adversary}`;
    const { grade, value } = properties[property][adversary];
    assert.equal(grade, this.#left.get(name), `${this.#way}: ${name}`);
    assert.notEqual(value, '', name);
    await body(grade);
    this.#left.delete(name);
  }

  /** Has every attempt made that a test has announced, of one adversary. */
  async attempts(
    victim: Victim,
    adversary: Adversary,
    run: Run,
    others: Partial<Record<Property, readonly string[]>> = {},
    words: typeof ATTEMPTS = ATTEMPTS,
  ): Promise<void> {
    for (const property of TRIED.filter((name) => this.#left.has(`${name} against ${adversary}`))) {
      await this.cell(victim, property, adversary, async (grade) => {
        for (const command of [...words[property](victim.target), ...(others[property] ?? [])]) {
          const { status, output } = await run(command);
          const what = `${property} against ${adversary} is ${grade}; ${command}: status ${status}: ${output}`;
          if (grade === 'enforced') assert.notEqual(status, 0, what);
          else assert.equal(status, 0, what);
        }
        if (grade !== 'evident') return;
        const type = EVENTS[property];
        assert.ok(type !== undefined, `${property} has no event`);
        await victim.told(type);
      });
    }
  }

  end(): void {
    assert.deepEqual([...this.#left.keys()], [], 'announced, and not played');
  }
}

/** Registers a test that plays cells. Not on the simulated kernel, which other programs do not meet. */
function cellTest(
  name: string,
  way: Way,
  all: readonly Plays[],
  body: (play: Play) => Promise<void>,
  others: readonly Requirement[] = [],
): void {
  PLAYED.push(...all);
  const needs = [requireRoot, requireRelease(15.0), requireUnjailed, ...others];
  kernelTest(`capsule cells: ${way}: ${name}`, { needs, timeoutMs: 300_000 }, async () => {
    const play = new Play(way, all);
    await body(play);
    play.end();
  });
}

/** A file outside that everybody may read. */
function outsideFile(): { readonly path: string; remove(): void } {
  const directory = temporaryDirectory();
  chmodSync(directory.path, 0o755);
  const path = join(directory.path, 'outside');
  writeFileSync(path, 'outside\n', { mode: 0o644 });
  return { path, remove: directory.remove };
}

const gradesOf = ({ report }: Capsule): PropertyTable => {
  assert.ok(report.jail !== undefined);
  return report.jail.properties;
};

const isTold = () => Promise.reject(new Error('nobody waits for what those inside do'));

/** Plays whoever is in a jail that a shell is in: against a process, and a file, outside. */
async function fromInside(
  play: Play,
  properties: PropertyTable,
  jid: number,
  run: Run,
  words: typeof ATTEMPTS = ATTEMPTS,
): Promise<void> {
  const outside = outsideFile();
  using stranger = spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  try {
    const target = { jid, pid: stranger.pid as number, file: outside.path };
    const others = words === BY_HELPER ? {} : FROM_INSIDE;
    await play.attempts({ target, properties, told: isTold }, 'inside', run, others, words);
  } finally {
    outside.remove();
  }
}

const shellIn = (jail: CapsuleSpawnOptions['jail'], others: Partial<CapsuleSpawnOptions> = {}) =>
  Capsule.spawn('/bin/sh', Shell.ARGUMENTS, { jail, stdio: ['pipe', 'pipe', 'ignore'], ...others });

cellTest(
  'inside, as root with every privilege of a jail',
  'Capsule.spawn',
  [plays('Capsule.spawn', 'inside', 'enforced', ...allBut('see'))],
  async (play) => {
    using root = new NullfsRoot();
    await using capsule = await shellIn({ path: root.path }, { allow: ['allow.suser'] });
    const shell = new Shell(capsule.process);
    assert.match((await shell.run('id -u')).output, /^0$/m);
    await fromInside(
      play,
      gradesOf(capsule),
      capsule.jail.jid,
      byShell((command) => shell.run(command)),
    );
    assert.equal(capsule.intact, true);
    assert.equal(capsule.jail.get('securelevel').securelevel, 3);
  },
);

cellTest(
  'inside, what the seal was told to leave open',
  'Capsule.spawn',
  [plays('Capsule.spawn', 'inside', 'open', 'fileSystem', 'weaken')],
  async (play) => {
    await using capsule = await shellIn({ path: '/' }, { allow: ['allow.suser'], securelevel: 0 });
    const shell = new Shell(capsule.process);
    const run = byShell((command) => shell.run(command));
    // It finds no jail to change, but a sysctl of its own.
    const words = { ...ATTEMPTS, weaken: () => [] };
    await fromInside(play, gradesOf(capsule), capsule.jail.jid, run, words);
    assert.equal(capsule.jail.get('allow.unprivileged_proc_debug')['allow.unprivileged_proc_debug'], true);
  },
);

cellTest(
  'inside, in capability mode',
  'Capsule.spawn',
  [plays('Capsule.spawn', 'inside', 'enforced', ...allBut('see'))],
  async (play) => {
    // With the root and the devices of the machine, and all privileges: what refuses is capability mode.
    await using capsule = await Capsule.spawn(attempts, [], {
      jail: { path: '/' },
      capabilityMode: true,
      allow: ['allow.suser'],
      securelevel: 0,
      stdio: ['pipe', 'pipe', 'ignore'],
      require: { fileSystem: { inside: 'enforced' }, weaken: { inside: 'enforced' } },
    });
    const { pid } = capsule.process;
    const flags = await runShell(spawn, `procstat cred ${pid}`);
    assert.match(flags.output, new RegExp(`^ *${pid} .* C[A-Z-]* `, 'm'), 'procstat(1) shows capability mode');
    const properties = gradesOf(capsule);
    for (const property of allBut('see')) assert.match(properties[property].inside.value, /^cap_getmode=1, /);
    await fromInside(play, properties, capsule.jail.jid, byHelper(capsule.process), BY_HELPER);
    assert.equal(capsule.intact, true);
  },
  [requireAttempts],
);

// The kernel keeps the credentials of an F_SETOWN that it refused, and with them the jail, as dying: nobody waits for its end.
cellTest(
  'inside, who exists outside',
  'Capsule.spawn',
  [plays('Capsule.spawn', 'inside', 'open', 'see')],
  async (play) => {
    using capsule = await Capsule.spawn(attempts, [], { jail: { path: '/' }, stdio: ['pipe', 'pipe', 'ignore'] });
    await fromInside(play, gradesOf(capsule), capsule.jail.jid, byHelper(capsule.process), BY_HELPER);
  },
  [requireAttempts],
);

cellTest(
  'inside, who exists outside',
  'Jail#seal',
  [plays('Jail#seal', 'inside', 'open', 'see')],
  async (play) => {
    const jail = Jail.create({ path: '/' });
    using inside = jail.spawn(attempts, [], { stdio: ['pipe', 'pipe', 'ignore'], session: true });
    using capsule = await jail.seal();
    await fromInside(play, gradesOf(capsule), jail.jid, byHelper(inside), BY_HELPER);
  },
  [requireAttempts],
);

/** What the helper answers, for each line. */
function byHelper(process: Capsule['process']): Run {
  assert.ok(process !== undefined);
  const answers = new LineReader<string>(process, String);
  return async (command) => {
    process.stdin?.write(`${command}\n`);
    return { status: Number(await answers.next()), output: '' };
  };
}

for (const session of [true, false]) {
  cellTest(
    `inside, as root, ${session ? 'in a session of its own' : 'in the session of others'}`,
    'Jail#seal',
    [
      plays('Jail#seal', 'inside', 'enforced', ...allBut('signal', 'see')),
      plays('Jail#seal', 'inside', session ? 'enforced' : 'open', 'signal'),
    ],
    async (play) => {
      using root = new NullfsRoot();
      const jail = Jail.create({ path: root.path });
      try {
        using inside = jail.spawn('/bin/sh', Shell.ARGUMENTS, { stdio: ['pipe', 'pipe', 'ignore'], session });
        using capsule = await jail.seal({ allow: ['allow.suser'] });
        const shell = new Shell(inside);
        const words = session ? ATTEMPTS : { ...ATTEMPTS, signal: ({ pid }: Target) => [`kill -CONT ${pid}`] };
        const run = byShell((command) => shell.run(command));
        await fromInside(play, gradesOf(capsule), jail.jid, run, words);
        assert.equal(capsule.intact, true);
      } finally {
        await removedByNow(jail);
      }
    },
  );
}

for (const way of ['Capsule.spawn', 'Jail#seal'] as const) {
  cellTest('inside, with a terminal of outside', way, [plays(way, 'inside', 'open', 'signal')], async (play) => {
    const order: SupervisorOrder = {
      way,
      // Again and again: a jail's seal comes after its program has begun.
      command: 'while :; do stty rows 33; sleep 1; stty rows 34; sleep 1; done',
      options: {
        jail: { path: '/' },
        stdio: ['inherit', 'ignore', 'ignore'],
        ...(way === 'Jail#seal' ? { session: true } : {}),
      },
    };
    // script(1) gives its program a terminal, and takes a pipe for its input.
    using typist = spawn(
      '/bin/sh',
      [
        '-c',
        'cat | script -q /dev/null "$@"',
        'sh',
        process.execPath,
        compiled('test/support/capsule-supervisor.js'),
        JSON.stringify(order),
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const lines = new LineReader<SupervisorLine>(typist);
    const { properties } = await lines.until((line): line is Extract<SupervisorLine, { jid: number }> => 'jid' in line);
    await play.cell({ properties }, 'signal', 'inside', async () => {
      assert.match(properties.signal.inside.value, /\/dev\/pts\/\d/);
      await lines.until((line) => 'signal' in line && line.signal === 'SIGWINCH');
    });
    typist.stdin?.end();
    await typist.exited;
  });
}

/** Who starts the process that makes a capsule. */
type Start = typeof spawn;

const startIn = (jail: JailDescriptor) =>
  ((...args: Parameters<JailDescriptor['spawn']>) => jail.spawn(...args)) as unknown as Start;

interface Order {
  readonly path: string;
  readonly session?: boolean;
  readonly allow?: readonly string[];
  readonly as?: Partial<typeof asUser>;
}

/** A capsule in a process of its own, or whose supervisor is. */
class Apart implements Victim, Disposable {
  readonly child: ReturnType<Start>;
  readonly #lines: LineReader<SupervisorLine | SealedLine>;
  target!: Target;
  /** The process that made it: the child, or one below. */
  supervisor = 0;
  properties!: PropertyTable;

  private constructor(start: Start, program: string, order: SupervisorOrder | SealedOrder, session: boolean) {
    this.child = start(process.execPath, [compiled(`test/support/${program}.js`), JSON.stringify(order)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      session,
    });
    // Not inherited: it may be a terminal, which a grade is about.
    this.child.stderr?.on('data', (text) => process.stderr.write(text));
    this.#lines = new LineReader(this.child);
  }

  async #made(path: string): Promise<this> {
    const made = await this.#lines.until((line): line is Extract<SupervisorLine, { jid: number }> => 'jid' in line);
    this.target = { jid: made.jid, pid: made.pid, file: join(path, 'bin/sh') };
    this.properties = made.properties;
    if ('supervisor' in made) this.supervisor = made.supervisor;
    return this;
  }

  /** Made by a supervisor, in one of its ways. */
  static supervised(start: Start, order: SupervisorOrder): Promise<Apart> {
    return new Apart(start, 'capsule-supervisor', order, false).#made(order.options.jail.path ?? '/');
  }

  /** Made of the very process. */
  static sealed(start: Start, order: SealedOrder, session = true): Promise<Apart> {
    return new Apart(start, 'sealed-in-jail', order, session).#made(order.plan.jail?.path ?? '/');
  }

  static made(way: Way, start: Start, { path, session = true, allow = [], as = asUser }: Order): Promise<Apart> {
    const jail = { path };
    if (way === 'seal({ jail })') return Apart.sealed(start, { plan: { jail, allow, ...as } }, session);
    const options = { jail, allow, ...as, ...(way === 'Jail#seal' ? { session } : {}) };
    return Apart.supervised(start, { way, command: 'exec sleep 600', options });
  }

  /** A line of the process that is sealed. */
  next(): Promise<SupervisorLine | SealedLine | undefined> {
    return this.#lines.next();
  }

  async told(type: JailEvent['type']): Promise<void> {
    await this.#lines.until((line) => 'event' in line && line.event.type === type);
  }

  /** That nothing was told yet shows in what is told next. */
  async assertIntact(): Promise<void> {
    await runShell(spawn, `/usr/sbin/jexec ${this.target.jid} /usr/bin/true`);
    const line = await this.next();
    assert.ok(line !== undefined && 'event' in line && line.event.type === 'attach', JSON.stringify(line));
  }

  [Symbol.dispose](): void {
    this.child.close();
  }
}

const run: Run = byShell((command) => runShell(spawn, command));
const runAsUser: Run = byShell((command) => runShell(spawn, command, asUser));

cellTest(
  'inside, as root',
  'seal({ jail })',
  [plays('seal({ jail })', 'inside', 'enforced', ...allBut('see')), plays('seal({ jail })', 'inside', 'open', 'see')],
  async (play) => {
    const plan = { jail: { path: '/' }, allow: ['allow.suser'], securelevel: 0 };
    using victim = await Apart.sealed(spawn, { plan, helper: attempts });
    const ask: Run = async (command) => {
      victim.child.stdin?.write(`${command}\n`);
      const line = await victim.next();
      assert.ok(line !== undefined && 'errno' in line, JSON.stringify(line));
      return { status: line.errno, output: '' };
    };
    await fromInside(play, victim.properties, victim.target.jid, ask, BY_HELPER);
    await victim.assertIntact();
  },
  [requireAttempts],
);

const WAYS: readonly Way[] = ['Capsule.spawn', 'Jail#seal', 'seal({ jail })'];

for (const way of WAYS) {
  cellTest(
    'outside without privilege, as the same user',
    way,
    [
      plays(way, 'unprivileged', 'enforced', ...allBut('see', 'fileSystem')),
      plays(way, 'unprivileged', 'open', 'see', 'fileSystem'),
    ],
    async (play) => {
      using root = new NullfsRoot();
      using victim = await Apart.made(way, spawn, { path: root.path });
      assert.match((await runAsUser('id -u')).output, /^1001$/m);
      await play.attempts(victim, 'unprivileged', runAsUser);
      await victim.assertIntact();
    },
  );

  cellTest(
    'outside without privilege, what is open and what is closed by choice',
    way,
    [
      plays(way, 'unprivileged', 'open', 'signal', 'reschedule', ...(way === 'Jail#seal' ? ['debug' as const] : [])),
      plays(way, 'unprivileged', 'enforced', 'fileSystem', ...(way === 'Jail#seal' ? [] : ['debug' as const])),
    ],
    async (play) => {
      using root = new CopiedRoot();
      root.closed = true;
      const allow = ['allow.unprivileged_parent_tampering'];
      using victim = await Apart.made(way, spawn, { path: root.path, allow });
      assert.match(victim.properties.fileSystem.unprivileged.value, /mode 700/);
      assert.equal((await run(`test -r ${victim.target.file}`)).status, 0);
      // Of a process that has changed its user, and executed nothing since, users may send but some signals.
      const words = { ...ATTEMPTS, signal: ({ pid }: Target) => [`kill -0 ${pid}`] };
      await play.attempts(victim, 'unprivileged', runAsUser, {}, words);
    },
  );

  cellTest(
    'outside without privilege, what is closed in one place and mounted from another',
    way,
    [plays(way, 'unprivileged', 'open', 'fileSystem')],
    async (play) => {
      using root = new NullfsRoot();
      root.closed = true;
      using victim = await Apart.made(way, spawn, { path: root.path });
      assert.match(victim.properties.fileSystem.unprivileged.value, /^\/ \(nullfs on /);
      assert.notEqual((await runAsUser(`test -r ${victim.target.file}`)).status, 0);
      const elsewhere = victim.target.file.slice(root.path.length);
      const target = { ...victim.target, file: elsewhere };
      await play.attempts({ target, properties: victim.properties, told: isTold }, 'unprivileged', runAsUser);
    },
  );

  cellTest(
    'root in another jail',
    way,
    [
      plays(way, 'outerRoot', 'enforced', ...allBut('fileSystem', 'see')),
      plays(way, 'outerRoot', 'open', 'fileSystem'),
    ],
    async (play) => {
      using root = new NullfsRoot();
      await using other = tempJail({ path: '/', 'children.max': 5, 'allow.raw_sockets': true });
      using victim = await Apart.made(way, spawn, { path: root.path });
      await play.attempts(
        victim,
        'outerRoot',
        byShell((command) => runShell(startIn(other), command)),
      );
      await victim.assertIntact();
    },
  );

  cellTest(
    'root in another jail, who exists',
    way,
    [plays(way, 'outerRoot', 'open', 'see')],
    async (play) => {
      using root = new NullfsRoot();
      using victim = await Apart.made(way, spawn, { path: root.path });
      // The kernel keeps the credentials of who asked, and with them that jail, as dying: nobody waits for its end.
      const other = Jail.create({ path: '/', persist: true });
      try {
        using asker = other.spawn(attempts, [], { stdio: ['pipe', 'pipe', 'ignore'] });
        await play.attempts(victim, 'outerRoot', byHelper(asker), {}, BY_HELPER);
      } finally {
        other.remove();
      }
    },
    [requireAttempts],
  );

  cellTest(
    'outside without privilege, in a jail that begins behind the closed directory too',
    way,
    [plays(way, 'unprivileged', 'open', 'fileSystem')],
    async (play) => {
      using root = new CopiedRoot();
      root.closed = true;
      await using other = tempJail({ path: root.path });
      using victim = await Apart.made(way, spawn, { path: root.path });
      const { properties } = victim;
      assert.match(properties.fileSystem.unprivileged.value, new RegExp(`jail ${other.jid} \\(`));
      const start = ((file: string, args: string[], options: object) =>
        other.spawn(file, args, { ...options, ...asUser })) as unknown as Start;
      const target = { ...victim.target, file: '/bin/sh' };
      await play.attempts(
        { target, properties, told: isTold },
        'unprivileged',
        byShell((command) => runShell(start, command)),
      );
    },
  );

  cellTest(
    'root on the host',
    way,
    [
      plays(way, 'hostRoot', 'evident', 'unseal', 'attach', 'weaken'),
      plays(way, 'hostRoot', 'open', 'see', 'signal', 'debug', 'reschedule', 'fileSystem'),
    ],
    async (play) => {
      using root = new NullfsRoot();
      using victim = await Apart.made(way, spawn, { path: root.path });
      await play.attempts(victim, 'hostRoot', run);
    },
  );

  cellTest(
    'root in the jail around it',
    way,
    [
      plays(way, 'outerRoot', 'evident', 'unseal', 'attach', 'weaken'),
      plays(way, 'outerRoot', way === 'Jail#seal' ? 'open' : 'enforced', 'debug'),
      plays(way, 'outerRoot', 'open', 'see', 'signal', 'reschedule', 'fileSystem'),
    ],
    async (play) => {
      await using outer = tempJail({ path: '/', 'children.max': 5, 'allow.raw_sockets': true, enforce_statfs: 0 });
      using victim = await Apart.made(way, startIn(outer), { path: '/' });
      await play.attempts(
        victim,
        'outerRoot',
        byShell((command) => runShell(startIn(outer), command)),
      );
    },
  );
}

for (const way of ['Jail#seal', 'seal({ jail })'] as const) {
  cellTest(
    'in a session with others, who may send SIGCONT and nothing else',
    way,
    [plays(way, 'unprivileged', 'open', 'signal'), plays(way, 'outerRoot', 'open', 'signal')],
    async (play) => {
      using root = new NullfsRoot();
      await using other = tempJail({ path: '/' });
      using victim = await Apart.made(way, spawn, { path: root.path, session: false });
      const runInOther: Run = byShell((command) => runShell(startIn(other), command));
      const words = { ...ATTEMPTS, signal: ({ pid }: Target) => [`kill -CONT ${pid}`] };
      for (const signal of ['0', 'URG', 'TERM', 'KILL']) {
        const command = `kill -${signal} ${victim.target.pid}`;
        assert.notEqual((await runAsUser(command)).status, 0, command);
        assert.notEqual((await runInOther(command)).status, 0, command);
      }
      await play.attempts(victim, 'unprivileged', runAsUser, {}, words);
      await play.attempts(victim, 'outerRoot', runInOther, {}, words);
    },
  );
}

const isGone = async ({ jid, pid }: Target) => {
  const { output } = await runShell(spawn, `jls -d -j ${jid} jid; ps -o pid= -o stat= -p ${pid}`);
  return !/^\s*\d+/m.test(output.replace(/^.*\bZ\w*\b.*$/gm, ''));
};

async function untilGone(target: Target): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (await isGone(target)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`jail ${target.jid} or process ${target.pid} is still there`);
}

/** A program that has itself traced by its parent, if it may, and stops, once it is told to. */
class TraceMe implements Disposable {
  readonly #directory = temporaryDirectory();
  readonly #lines = join(this.#directory.path, 'lines');
  readonly command = `until test -s ${this.#lines}; do sleep 0.1; done; exec ${attempts} < ${this.#lines}`;

  /** Tells it, and waits until it has stopped. Returns its number. */
  async stopped(jid: number): Promise<number> {
    writeFileSync(this.#lines, 'm 0\ns 0\n');
    const { output } = await run(
      `until ps -o pid= -o state= -o comm= -J ${jid} | grep 'T.*attempts'; do sleep 0.1; done`,
    );
    return Number.parseInt(output, 10);
  }

  [Symbol.dispose](): void {
    this.#directory.remove();
  }
}

async function killed({ child }: Apart): Promise<void> {
  child.kill('SIGKILL');
  await child.exited;
}

/** Root makes the supervisor's descriptors last longer than the supervisor. */
async function outlives(play: Play, adversary: Adversary, start: Start, victim: Apart): Promise<void> {
  await play.cell(victim, 'outlive', adversary, async () => {
    using helper = start(holdCopy, [String(victim.child.pid)], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new LineReader<object>(helper).until((line) => 'held' in line);
    await killed(victim);
    assert.equal(Jail.get(victim.target.jid).get('dying').dying, false);
    assert.equal(await isGone(victim.target), false);
    // The copy ends with whoever traces it.
    helper.kill('SIGKILL');
    await helper.exited;
    await untilGone(victim.target);
  });
}

for (const [way, call] of [
  ['Capsule.spawn', 'Capsule.spawn'],
  ['Jail#seal', 'JailDescriptor#seal'],
] as const) {
  cellTest(
    `${call}: nothing outlives the supervisor, whatever those inside and users outside do`,
    way,
    [
      // What a process in a jail that is sealed later has from before may make it wait.
      ...(way === 'Capsule.spawn' ? [plays(way, 'inside', 'enforced', 'outlive')] : []),
      plays(way, 'unprivileged', 'enforced', 'outlive'),
      plays(way, 'outerRoot', 'enforced', 'outlive'),
    ],
    async (play) => {
      using trace = new TraceMe();
      using victim = await Apart.supervised(spawn, {
        way: call,
        // Away from the session, deaf to what can be ignored, in the background twice, and stopped for a tracer.
        command: `trap '' HUP INT TERM; daemon -f sleep 6543; (sleep 6543 &) ; ${trace.command}`,
        options: { jail: { path: '/' }, allow: ['allow.suser'] },
      });
      await run('while [ $(pgrep -f "sleep 654[3]" | wc -l) -lt 2 ]; do sleep 0.1; done');
      await trace.stopped(victim.target.jid);
      await using other = tempJail({ path: '/' });
      const persist = `jail -m jid=${victim.target.jid} persist`;
      await play.cell(victim, 'outlive', 'unprivileged', async () => {
        assert.notEqual((await runAsUser(persist)).status, 0);
        assert.notEqual((await runAsUser(`kill -STOP ${victim.child.pid}`)).status, 0);
      });
      await play.cell(victim, 'outlive', 'outerRoot', async () => {
        const { status } = await runShell(startIn(other), `${persist} || kill -STOP ${victim.child.pid}`);
        assert.notEqual(status, 0);
      });
      const ends = async () => {
        await killed(victim);
        await untilGone(victim.target);
        assert.notEqual((await run('pgrep -f "sleep 654[3]"')).status, 0);
      };
      if (way === 'Capsule.spawn') await play.cell(victim, 'outlive', 'inside', ends);
      else await ends();
    },
    [requireAttempts],
  );

  cellTest(
    `${call}: what has itself traced by the reaper of its supervisor ends with that one`,
    way,
    [plays(way, 'inside', 'open', 'outlive')],
    async (play) => {
      using trace = new TraceMe();
      // timeout(1) asks for what its program leaves behind.
      const below = ((file: string, args: string[], options: object) =>
        spawn('/bin/timeout', ['600', file, ...args], options)) as Start;
      using victim = await Apart.supervised(below, {
        way: call,
        // Its own parent is gone by then.
        command: `( (${trace.command}) & ); exec sleep 600`,
        options: { jail: { path: '/' } },
      });
      await play.cell(victim, 'outlive', 'inside', async () => {
        assert.match(victim.properties.outlive.inside.value, new RegExp(`process ${victim.child.pid}, reaper of`));
        const pid = await trace.stopped(victim.target.jid);
        await run(`kill -KILL ${victim.supervisor}; kill -KILL ${pid}`);
        await run(`while kill -0 ${victim.supervisor}; do sleep 0.1; done; sleep 1`);
        const alive = `ps -o stat= -p ${pid} | grep -v Z`;
        assert.equal((await run(alive)).status, 0);
        await killed(victim);
        await run(`while ${alive}; do sleep 0.1; done`);
      });
    },
    [requireAttempts],
  );

  cellTest(
    `${call}: root on the host makes it outlive its supervisor`,
    way,
    [plays(way, 'hostRoot', 'open', 'outlive')],
    async (play) => {
      const order = { way: call, command: 'exec sleep 600', options: { jail: { path: '/' } } };
      using victim = await Apart.supervised(spawn, order);
      await outlives(play, 'hostRoot', spawn, victim);
    },
    [requireHoldCopy],
  );

  cellTest(
    `${call}: root in the jail around it makes it outlive its supervisor`,
    way,
    [plays(way, 'outerRoot', 'open', 'outlive')],
    async (play) => {
      await using outer = tempJail({ path: '/', 'children.max': 5 });
      const order = { way: call, command: 'exec sleep 600', options: { jail: { path: '/' } } };
      using victim = await Apart.supervised(startIn(outer), order);
      await outlives(play, 'outerRoot', startIn(outer), victim);
    },
    [requireHoldCopy],
  );
}

const ADVERSARIES: readonly Adversary[] = ['inside', 'unprivileged', 'outerRoot', 'hostRoot'];

cellTest(
  'without an owner it goes on when whoever sealed it has ended, and nobody needs to do a thing',
  'Jail#seal',
  ADVERSARIES.map((adversary) => plays('Jail#seal', adversary, 'open', 'outlive')),
  async (play) => {
    using victim = await Apart.supervised(spawn, {
      way: 'Jail#seal',
      // What its descriptor holds ends with the supervisor, and what that starts does not.
      command: 'daemon -f sleep 600; exec sleep 600',
      options: { jail: { path: '/' } },
    });
    await run(`while [ $(pgrep -j ${victim.target.jid} sleep | wc -l) -lt 2 ]; do sleep 0.1; done`);
    await killed(victim);
    for (const adversary of ADVERSARIES) {
      await play.cell(victim, 'outlive', adversary, async () => {
        assert.equal(Jail.get(victim.target.jid).get('dying').dying, false);
        assert.equal((await run(`pgrep -j ${victim.target.jid} sleep`)).status, 0);
      });
    }
    Jail.get(victim.target.jid).remove();
  },
);

cellTest(
  'what it starts goes on when it has ended itself',
  'seal({ jail })',
  ADVERSARIES.map((adversary) => plays('seal({ jail })', adversary, 'open', 'outlive')),
  async (play) => {
    using victim = await Apart.sealed(spawn, { plan: { jail: { path: '/' } }, helper: attempts });
    victim.child.stdin?.write('leave\n');
    const line = await victim.next();
    assert.ok(line !== undefined && 'left' in line, JSON.stringify(line));
    await killed(victim);
    for (const adversary of ADVERSARIES) {
      await play.cell(victim, 'outlive', adversary, async () => {
        assert.equal(Jail.get(victim.target.jid).get('dying').dying, false);
        assert.equal((await run(`ps -p ${line.left}`)).status, 0);
      });
    }
    Jail.get(victim.target.jid).remove();
  },
  [requireAttempts],
);

kernelTest(
  'capsule cells: root on the host ends the program',
  { needs: [requireRoot, requireRelease(15.0), requireUnjailed] },
  async () => {
    await using capsule = await Capsule.spawn('/bin/sleep', ['600'], { jail: { path: '/' }, stdio: 'ignore' });
    await run(`kill -KILL ${capsule.process.pid}`);
    assert.equal((await capsule.process.exited).signal, 'SIGKILL');
    const events: JailEvent[] = [];
    for await (const event of capsule.tampering({ signal: AbortSignal.timeout(60_000) })) events.push(event);
    assert.deepEqual(events, [{ type: 'remove' }]);
  },
);
