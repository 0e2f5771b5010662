/**
 * Every cell of a capsule's report, on the real kernel: each adversary tries what the property is about, and what happens
 * is what the cell says. `enforced`: refused. `evident`: it succeeds, and tampering() tells. `open`: it succeeds.
 */

import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Adversary,
  Capsule,
  type CapsuleSpawnOptions,
  type Cell,
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
import { temporaryDirectory } from '../support/descriptors.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { LineReader } from '../support/line-reader.ts';
import { NullfsRoot } from '../support/nullfs-root.ts';
import { holdCopy, requireHoldCopy, requireRelease, requireRoot, requireUnjailed } from '../support/requirements.ts';
import { type Ran, runShell, Shell } from '../support/shell.ts';

const needs = [requireRoot, requireRelease(15.0), requireUnjailed];
const timeoutMs = 300_000;

const NOBODY_IN_PARTICULAR = 1001;
const asUser = { user: NOBODY_IN_PARTICULAR, group: NOBODY_IN_PARTICULAR };

/** Whom and what an adversary is after. */
interface Target {
  readonly jid: number;
  readonly pid: number;
  /** A file on the other side of the border. */
  readonly file: string;
}

/** What is tried, as commands of the base system. */
const ATTEMPTS: Readonly<Record<Exclude<Property, 'outlive'>, (target: Target) => readonly string[]>> = {
  unseal: ({ jid }) => [
    `jail -m jid=${jid} securelevel=-1`,
    `jail -m jid=${jid} children.max=3`,
    `jail -m jid=${jid} persist`,
  ],
  attach: ({ jid }) => [`jexec ${jid} /usr/bin/true`],
  see: ({ pid }) => [`ps -o pid= -p ${pid}`],
  signal: ({ pid }) => [`kill -URG ${pid}`, `kill -CONT ${pid}`],
  debug: ({ pid }) => [`ktrace -c -p ${pid}`, `procstat env ${pid} | grep PATH=`, `procstat vm ${pid} | grep 0x`],
  reschedule: ({ pid }) => [`renice -n 1 -p ${pid}`, `cpuset -l 0 -p ${pid}`],
  weaken: ({ jid }) => [`jail -m jid=${jid} allow.raw_sockets`, `jail -m jid=${jid} enforce_statfs=0`],
  fileSystem: ({ file }) => [`cat ${file}`],
};

/** What root inside tries of its own jail, besides. */
const FROM_INSIDE: Partial<Record<Property, readonly string[]>> = {
  unseal: ['sysctl kern.securelevel=-1', 'jail -c name=child path=/ persist', 'jail -c path=/ command=/usr/bin/true'],
  attach: ['jls | grep -v JID'],
  weaken: ['sysctl security.bsd.unprivileged_proc_debug=1'],
};

const EVENTS: Partial<Record<Property, JailEvent['type']>> = { unseal: 'set', attach: 'attach', weaken: 'set' };

type Run = (command: string) => Promise<Ran>;

/** Makes each attempt and holds what happens against the cell. */
async function observe(
  property: Property,
  adversary: Adversary,
  cell: Cell,
  commands: readonly string[],
  run: Run,
): Promise<void> {
  for (const command of commands) {
    const { status, output } = await run(`PATH=/sbin:/bin:/usr/sbin:/usr/bin; ${command}`);
    const what = `${property} against ${adversary} is ${cell.grade}; ${command}: status ${status}: ${output}`;
    // A command that is not there is refused by nothing.
    assert.doesNotMatch(output, /^(sh|eval|\/bin\/sh): .*: not found$/m, what);
    if (cell.grade === 'enforced') assert.notEqual(status, 0, what);
    else assert.equal(status, 0, what);
  }
}

/** The next event of a capsule, or a failure when none comes. */
async function nextEvent(events: AsyncIterator<JailEvent, undefined>, type: JailEvent['type']): Promise<JailEvent> {
  for (;;) {
    const { value } = await events.next();
    assert.ok(value !== undefined, `no event '${type}'`);
    if (value.type === type) return value;
  }
}

const gradesOf = ({ report }: Capsule): PropertyTable => {
  assert.ok(report.jail !== undefined);
  return report.jail.properties;
};

const shellIn = (jail: CapsuleSpawnOptions['jail'], others: Partial<CapsuleSpawnOptions> = {}) =>
  Capsule.spawn('/bin/sh', Shell.ARGUMENTS, { jail, stdio: ['pipe', 'pipe', 'inherit'], ...others });

const sleepIn = (jail: CapsuleSpawnOptions['jail'], others: Partial<CapsuleSpawnOptions> = {}) =>
  Capsule.spawn('/bin/sleep', ['600'], { jail, stdio: 'ignore', ...others });

const PROPERTIES = Object.keys(ATTEMPTS) as Exclude<Property, 'outlive'>[];

/** A file outside that everybody may read. */
function outsideFile(): { readonly path: string; remove(): void } {
  const directory = temporaryDirectory();
  chmodSync(directory.path, 0o755);
  const path = join(directory.path, 'outside');
  writeFileSync(path, 'outside\n', { mode: 0o644 });
  return { path, remove: directory.remove };
}

kernelTest('capsule cells: inside, as root with every privilege of a jail', { needs, timeoutMs }, async () => {
  using root = new NullfsRoot();
  const outside = outsideFile();
  using stranger = spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  try {
    await using capsule = await shellIn({ path: root.path }, { allow: ['allow.suser'] });
    const shell = new Shell(capsule.process);
    assert.match((await shell.run('id -u')).output, /^0$/m);
    const target = { jid: capsule.jail.jid, pid: stranger.pid as number, file: outside.path };
    for (const property of PROPERTIES) {
      const cell = gradesOf(capsule)[property].inside;
      assert.equal(cell.grade, 'enforced', property);
      const commands = [...ATTEMPTS[property](target), ...(FROM_INSIDE[property] ?? [])];
      await observe(property, 'inside', cell, commands, (command) => shell.run(command));
    }
    assert.equal(capsule.intact, true);
    assert.equal(capsule.jail.get('securelevel').securelevel, 3);
  } finally {
    outside.remove();
  }
});

kernelTest('capsule cells: inside, what the seal was told to leave open', { needs, timeoutMs }, async () => {
  const outside = outsideFile();
  try {
    await using capsule = await shellIn({ path: '/' }, { allow: ['allow.suser'], securelevel: 0 });
    const shell = new Shell(capsule.process);
    const { weaken, fileSystem, debug } = gradesOf(capsule);
    assert.deepEqual([weaken.inside.grade, fileSystem.inside.grade, debug.inside.grade], ['open', 'open', 'enforced']);
    await observe('weaken', 'inside', weaken.inside, FROM_INSIDE.weaken ?? [], (command) => shell.run(command));
    await observe('fileSystem', 'inside', fileSystem.inside, [`cat ${outside.path}`], (command) => shell.run(command));
    assert.equal(capsule.jail.get('allow.unprivileged_proc_debug')['allow.unprivileged_proc_debug'], true);
  } finally {
    outside.remove();
  }
});

kernelTest('capsule cells: outside without privilege, as the same user', { needs, timeoutMs }, async () => {
  using root = new NullfsRoot();
  await using capsule = await sleepIn({ path: root.path }, asUser);
  const target = { jid: capsule.jail.jid, pid: capsule.process.pid as number, file: join(root.path, 'etc/motd') };
  const run: Run = (command) => runShell(spawn, command, asUser);
  assert.match((await run('id -u')).output, /^1001$/m);
  const grades = gradesOf(capsule);
  for (const property of PROPERTIES) {
    const cell = grades[property].unprivileged;
    assert.equal(cell.grade, ['see', 'fileSystem'].includes(property) ? 'open' : 'enforced', property);
    const commands = property === 'fileSystem' ? [`test -r ${join(root.path, 'bin/sh')}`] : ATTEMPTS[property](target);
    await observe(property, 'unprivileged', cell, commands, run);
  }
  assert.equal(capsule.intact, true);
});

kernelTest(
  'capsule cells: outside without privilege, what is open and what is closed by choice',
  { needs, timeoutMs },
  async () => {
    using root = new NullfsRoot();
    root.closed = true;
    const run: Run = (command) => runShell(spawn, command, asUser);
    await using open = await sleepIn(
      { path: root.path },
      { ...asUser, allow: ['allow.unprivileged_parent_tampering'] },
    );
    const grades = gradesOf(open);
    const target = { jid: open.jail.jid, pid: open.process.pid as number, file: '' };
    for (const property of ['signal', 'reschedule', 'debug'] as const) {
      const cell = grades[property].unprivileged;
      assert.equal(cell.grade, property === 'debug' ? 'enforced' : 'open', property);
      // A user may only lower the priority of its processes, and choose among their processors.
      await observe(property, 'unprivileged', cell, ATTEMPTS[property](target), run);
    }
    assert.equal(grades.fileSystem.unprivileged.grade, 'enforced');
    assert.match(grades.fileSystem.unprivileged.value, /mode 700/);
    await observe(
      'fileSystem',
      'unprivileged',
      grades.fileSystem.unprivileged,
      [`test -r ${join(root.path, 'bin/sh')}`],
      run,
    );
  },
);

kernelTest('capsule cells: root in another jail', { needs, timeoutMs }, async () => {
  using root = new NullfsRoot();
  await using other = tempJail({ path: '/', 'children.max': 5, 'allow.raw_sockets': true });
  await using capsule = await sleepIn({ path: root.path }, asUser);
  const target = { jid: capsule.jail.jid, pid: capsule.process.pid as number, file: join(root.path, 'bin/sh') };
  const run: Run = (command) => runShell((...args) => other.spawn(...args), command);
  for (const property of PROPERTIES) {
    const cell = gradesOf(capsule)[property].outerRoot;
    assert.equal(cell.grade, property === 'fileSystem' ? 'open' : 'enforced', property);
    const commands = property === 'fileSystem' ? [`test -r ${target.file}`] : ATTEMPTS[property](target);
    await observe(property, 'outerRoot', cell, commands, run);
  }
  assert.equal(capsule.intact, true);
});

kernelTest('capsule cells: root on the host', { needs, timeoutMs }, async () => {
  using root = new NullfsRoot();
  const run: Run = (command) => runShell(spawn, command);
  for (const property of PROPERTIES) {
    await using capsule = await sleepIn({ path: root.path }, asUser);
    const cell = gradesOf(capsule)[property].hostRoot;
    const target = { jid: capsule.jail.jid, pid: capsule.process.pid as number, file: join(root.path, 'bin/sh') };
    const commands = property === 'fileSystem' ? [`test -r ${target.file}`] : ATTEMPTS[property](target);
    assert.equal(capsule.intact, true);
    await observe(property, 'hostRoot', cell, commands, run);
    const type = EVENTS[property];
    assert.equal(cell.grade, type === undefined ? 'open' : 'evident', property);
    if (type !== undefined) {
      // Asked for only now: it begins with the first event all the same.
      await nextEvent(capsule.tampering({ signal: AbortSignal.timeout(60_000) }), type);
      assert.equal(capsule.intact, false);
    }
  }
});

kernelTest('capsule cells: root on the host ends the program', { needs, timeoutMs }, async () => {
  await using capsule = await sleepIn({ path: '/' });
  await runShell(spawn, `kill -KILL ${capsule.process.pid}`);
  assert.equal((await capsule.process.exited).signal, 'SIGKILL');
  await nextEvent(capsule.tampering({ signal: AbortSignal.timeout(60_000) }), 'remove');
});

type Made = Extract<SupervisorLine, { jid: number }>;

/** A supervisor in a process of its own, started by `start`. */
async function supervisor(start: typeof spawn, order: SupervisorOrder) {
  const child = start(process.execPath, [compiled('test/support/capsule-supervisor.js'), JSON.stringify(order)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = new LineReader<SupervisorLine>(child);
  const made = await lines.until((line): line is Made => 'jid' in line);
  return { child, lines, ...made };
}

kernelTest('capsule cells: root in the jail around it', { needs, timeoutMs }, async () => {
  await using outer = tempJail({ path: '/', 'children.max': 5, 'allow.raw_sockets': true, enforce_statfs: 0 });
  const start = ((...args: Parameters<JailDescriptor['spawn']>) => outer.spawn(...args)) as typeof spawn;
  const run: Run = (command) => runShell(start, command);
  const { child, lines, jid, pid, properties } = await supervisor(start, {
    command: 'exec sleep 600',
    options: { jail: { path: '/' }, ...asUser },
  });
  try {
    for (const property of PROPERTIES) {
      const cell = properties[property].outerRoot;
      const type = EVENTS[property];
      assert.equal(cell.grade, type !== undefined ? 'evident' : property === 'debug' ? 'enforced' : 'open', property);
      const commands = property === 'fileSystem' ? ['test -r /bin/sh'] : ATTEMPTS[property]({ jid, pid, file: '' });
      await observe(property, 'outerRoot', cell, commands, run);
      if (type !== undefined) await lines.until((line) => 'event' in line && line.event.type === type);
    }
  } finally {
    child.close();
  }
});

const isGone = async (jid: number, pid: number) => {
  const { output } = await runShell(spawn, `jls -d -j ${jid} jid; ps -o pid=,stat= -p ${pid}`);
  return !/^\s*\d+/m.test(output.replace(/\bZ\w*\b.*$/gm, ''));
};

async function untilGone(jid: number, pid: number): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (await isGone(jid, pid)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`jail ${jid} or process ${pid} is still there`);
}

kernelTest(
  'capsule cells: nothing outlives the supervisor, whatever those inside and users outside do',
  { needs, timeoutMs },
  async () => {
    const order: SupervisorOrder = {
      // Away from the session, deaf to what can be ignored, in the background twice.
      command: `trap '' HUP INT TERM; daemon -f sleep 6543; (sleep 6543 &) ; sleep 6543`,
      options: { jail: { path: '/' }, allow: ['allow.suser'] },
    };
    const { child, jid, pid, properties } = await supervisor(spawn, order);
    try {
      assert.equal(properties.outlive.inside.grade, 'enforced');
      assert.equal(properties.outlive.unprivileged.grade, 'enforced');
      assert.equal(properties.outlive.outerRoot.grade, 'enforced');
      const before = await runShell(
        spawn,
        'while [ $(pgrep -f "sleep 6543" | wc -l) -lt 3 ]; do sleep 0.1; done; pgrep -fl "sleep 6543"',
      );
      assert.match(before.output, /sleep 6543/);
      await observe(
        'outlive',
        'unprivileged',
        properties.outlive.unprivileged,
        [`jail -m jid=${jid} persist`],
        (command) => runShell(spawn, command, asUser),
      );
      await using other = tempJail({ path: '/' });
      await observe('outlive', 'outerRoot', properties.outlive.outerRoot, [`jail -m jid=${jid} persist`], (command) =>
        runShell((...args) => other.spawn(...args), command),
      );
      child.kill('SIGKILL');
      await child.exited;
      await untilGone(jid, pid);
      const after = await runShell(spawn, 'pgrep -fl "sleep 6543" | grep -v pgrep');
      assert.equal(after.output, '');
    } finally {
      child.close();
    }
  },
);

/** Root makes the supervisor's descriptors last longer than the supervisor. */
async function outlivesWith(start: typeof spawn, adversary: Adversary): Promise<void> {
  const { child, jid, pid, properties } = await supervisor(start, {
    command: 'exec sleep 600',
    options: { jail: { path: '/' } },
  });
  assert.equal(properties.outlive[adversary].grade, 'open');
  using helper = start(holdCopy, [String(child.pid)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new LineReader<object>(helper).until((line) => 'held' in line);
  child.kill('SIGKILL');
  await child.exited;
  child.close();
  assert.equal(Jail.get(jid).get('dying').dying, false);
  assert.equal(await isGone(jid, pid), false);
  // The copy ends with whoever traces it.
  helper.kill('SIGKILL');
  await helper.exited;
  await untilGone(jid, pid);
}

kernelTest(
  'capsule cells: root on the host makes a capsule outlive its supervisor',
  { needs: [...needs, requireHoldCopy], timeoutMs },
  async () => {
    await outlivesWith(spawn, 'hostRoot');
  },
);

kernelTest(
  'capsule cells: root in the jail around it makes it outlive its supervisor',
  { needs: [...needs, requireHoldCopy], timeoutMs },
  async () => {
    await using outer = tempJail({ path: '/', 'children.max': 5 });
    const start = (...args: Parameters<JailDescriptor['spawn']>) => outer.spawn(...args);
    await outlivesWith(start as typeof spawn, 'outerRoot');
  },
);

kernelTest('capsule cells: a jail that was sealed while it ran', { needs, timeoutMs }, async () => {
  using root = new NullfsRoot();
  const path = 'PATH=/sbin:/bin:/usr/sbin:/usr/bin;';
  const run: Run = (command) => runShell(spawn, `${path} ${command}`, asUser);
  const outside = outsideFile();
  using stranger = spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
  const jail = Jail.create({ path: root.path });
  try {
    // In the session of whoever starts it, as a program is that knows nothing of capsules.
    using victim = jail.spawn('/bin/sleep', ['600'], { stdio: 'ignore', ...asUser });
    using inside = jail.spawn('/bin/sh', Shell.ARGUMENTS, { stdio: ['pipe', 'pipe', 'inherit'] });
    using capsule = await jail.seal({ allow: ['allow.suser'] });
    const grades = gradesOf(capsule);
    const target = { jid: jail.jid, pid: victim.pid as number, file: join(root.path, 'bin/sh') };
    const shell = new Shell(inside);
    const theirs = { jid: jail.jid, pid: stranger.pid as number, file: outside.path };
    for (const property of PROPERTIES) {
      const commands = [...ATTEMPTS[property](theirs), ...(FROM_INSIDE[property] ?? [])];
      await observe(property, 'inside', grades[property].inside, commands, (command) => shell.run(command));
    }
    for (const property of ['unseal', 'attach', 'see', 'debug', 'reschedule', 'weaken'] as const) {
      await observe(property, 'unprivileged', grades[property].unprivileged, ATTEMPTS[property](target), run);
    }
    assert.equal(grades.signal.unprivileged.grade, 'open');
    await observe('signal', 'unprivileged', grades.signal.unprivileged, [`kill -CONT ${target.pid}`], run);
    assert.notEqual((await run(`kill -URG ${target.pid}`)).status, 0);
    await using other = tempJail({ path: '/' });
    const asOther: Run = (command) => runShell((...args) => other.spawn(...args), command);
    for (const property of PROPERTIES) {
      const commands = property === 'fileSystem' ? [`test -r ${target.file}`] : ATTEMPTS[property](target);
      await observe(property, 'outerRoot', grades[property].outerRoot, commands, asOther);
    }
    assert.equal(capsule.intact, true);
    const asRoot: Run = (command) => runShell(spawn, command);
    for (const property of PROPERTIES) {
      const cell = grades[property].hostRoot;
      const commands = property === 'fileSystem' ? [`test -r ${target.file}`] : ATTEMPTS[property](target);
      await observe(property, 'hostRoot', cell, commands, asRoot);
      const type = EVENTS[property];
      assert.equal(cell.grade, type === undefined ? 'open' : 'evident', property);
      if (type !== undefined) await nextEvent(capsule.tampering({ signal: AbortSignal.timeout(60_000) }), type);
    }
    for (const cell of Object.values(grades.outlive)) assert.equal(cell.grade, 'open');
    capsule.close();
    // Nobody holds it: it is there after its capsule.
    assert.equal(Jail.get(jail.jid).get('dying').dying, false);
  } finally {
    // It ended with its processes, unless something above failed.
    if (Jail.list().some(({ jid }) => jid === jail.jid)) jail.remove();
    await jail.removed({ signal: AbortSignal.timeout(60_000) });
    outside.remove();
  }
});
