/** `capsule run` as a user runs it: a command in the jail of a plan, its status, its signals, and what others do to it. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  linkSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Jail } from 'freebsd-capsule';
import { CAPSULE, capsule } from '../support/capsule-program.ts';
import { kernelTest } from '../support/kernel-test.ts';
import {
  requireFreeBSD,
  requireJails,
  requireRelease,
  requireRoot,
  requireUnprivileged,
} from '../support/requirements.ts';

const needs = [requireJails, requireRelease(15.0)];
const NAME = 'capsule-cli-test';

/** Calls with a plan in a file of its own, in a folder that is gone afterwards. */
async function withPlan(parts: object, body: (plan: string, folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'capsule-run-'));
  const path = join(folder, 'plan.json');
  writeFileSync(path, JSON.stringify({ version: 1, jail: { name: NAME, path: '/' }, ...parts }));
  try {
    await body(path, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the simulated kernel has to say on top. */
const withoutWarning = (stderr: string) =>
  stderr.replace('capsule: this is a SIMULATED kernel: nothing is protected\n', '');

const isThere = () => Jail.list({ dying: true }).some(({ name }) => name === NAME);

/** Waits for what others bring about. */
async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !holds(); ) {
    assert.ok(Date.now() < end, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

kernelTest(
  'capsule run: the status is that of the command, or tells the signal; the jail is gone',
  { needs },
  async () => {
    await withPlan({ env: { GREETING: 'hello' } }, async (plan) => {
      const ended = capsule(['run', plan, '--', '/bin/sh', '-c', 'echo $GREETING; echo oops >&2; exit 7']);
      assert.deepEqual(
        { ...ended, stderr: withoutWarning(ended.stderr) },
        { status: 7, signal: null, stdout: 'hello\n', stderr: 'oops\n' },
      );
      assert.equal(capsule(['run', plan, '--', '/bin/sh', '-c', 'kill -TERM $$']).status, 143);
      await until('the jail is gone', () => !isThere());
    });
  },
);

kernelTest(
  'capsule run: the command is in the jail of the plan, sealed',
  { needs: [requireRoot, requireRelease(15.0)] },
  async () => {
    const jail = { name: NAME, path: '/', 'host.hostname': 'inside.example' };
    await withPlan({ jail, user: 1001, group: 1001, limits: { nofile: 100 } }, (plan) => {
      const script =
        'hostname; sysctl -n security.jail.jailed kern.securelevel security.jail.allow_raw_sockets; id -u; id -g; ulimit -n';
      const { status, stdout, stderr } = capsule(['run', plan, '--', '/bin/sh', '-c', script]);
      assert.equal(stderr, '');
      assert.equal(stdout, 'inside.example\n1\n3\n0\n1001\n1001\n100\n');
      assert.equal(status, 0);
    });
  },
);

kernelTest('capsule run: --dry-run takes no step, and lists those that are taken', { needs }, async () => {
  await withPlan({ allow: ['allow.raw_sockets'] }, (plan, folder) => {
    const dry = capsule(['run', '--dry-run', '--json', plan, '--', '/usr/bin/touch', join(folder, 'touched')]);
    assert.equal(dry.status, 0, dry.stderr);
    assert.throws(() => statSync(join(folder, 'touched')), { code: 'ENOENT' });
    assert.equal(isThere(), false);

    const file = join(folder, 'report.json');
    const { status, stderr } = capsule(['run', '--report', file, '--json', plan, '--', '/bin/sh', '-c', 'exit 0']);
    assert.equal(status, 0, stderr);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const planned = JSON.parse(dry.stdout) as { step: string; values: Record<string, unknown> }[];
    const report = JSON.parse(readFileSync(file, 'utf8')) as {
      steps: { name: string }[];
      jail: { parameters: Record<string, unknown> };
    };
    assert.deepEqual(
      planned.map(({ step }) => step),
      report.steps.map(({ name }) => name),
    );
    const sealed = planned.find(({ step }) => step === 'seal')?.values ?? {};
    assert.equal(sealed['allow.raw_sockets'], true);
    for (const [name, value] of Object.entries(sealed)) assert.equal(report.jail.parameters[name], value, name);
  });
});

kernelTest('capsule run: what keeps a command from starting has statuses of its own', { needs }, async () => {
  await withPlan({}, (plan, folder) => {
    const report = join(folder, 'report');
    const run = (...command: string[]) => capsule(['run', '--report', report, plan, '--', ...command]);
    const failed = (ended: ReturnType<typeof capsule>, status: number) => {
      assert.equal(ended.status, status, ended.stderr);
      assert.match(withoutWarning(ended.stderr), /^capsule: /);
      assert.equal(readFileSync(report, 'utf8'), '');
    };
    failed(run('/no/such/command'), 127);
    failed(run('no-such-command'), 127);
    failed(run('/etc/passwd'), 126);
    assert.equal(isThere(), false);
    // The same status, and the report tells.
    assert.equal(run('/bin/sh', '-c', 'exit 127').status, 127);
    assert.notEqual(readFileSync(report, 'utf8'), '');
    assert.equal(capsule(['run', '--report', folder, plan, '--', '/bin/sh']).status, 73);
    const fifo = join(folder, 'fifo');
    assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
    assert.equal(capsule(['run', '--report', fifo, plan, '--', '/bin/sh']).status, 73);
    const theirs = join(folder, 'theirs');
    writeFileSync(theirs, 'theirs');
    linkSync(theirs, join(folder, 'link'));
    assert.equal(capsule(['run', '--report', join(folder, 'link'), plan, '--', '/bin/sh']).status, 73);
    assert.equal(readFileSync(theirs, 'utf8'), 'theirs');
  });
  await withPlan({ jail: { path: '/no/such/folder' } }, (plan) => {
    const { status, stderr } = capsule(['run', plan, '--', '/bin/sh']);
    assert.equal(status, 71, stderr);
  });
  await withPlan({ require: { attach: { hostRoot: 'enforced' } } }, (plan) => {
    for (const options of [[], ['--dry-run']]) {
      const { status, stderr } = capsule(['run', ...options, plan, '--', '/bin/sh']);
      assert.equal(status, 78, stderr);
      assert.match(stderr, /attach against hostRoot is to be 'enforced' and is 'evident'/);
    }
  });
});

kernelTest('capsule run: the report does not go into the plan, by whatever name', { needs }, async () => {
  await withPlan({}, (plan, folder) => {
    const before = readFileSync(plan, 'utf8');
    const soft = join(folder, 'soft');
    symlinkSync(plan, soft);
    for (const [report, read] of [
      [plan, plan],
      [`${folder}/../${basename(folder)}/plan.json`, plan],
      [soft, plan],
      [plan, soft],
    ] as const) {
      const { status, stdout, stderr } = capsule(['run', '--report', report, read, '--', '/bin/echo', 'ran']);
      assert.equal(status, 64, stderr);
      assert.match(stderr, /^capsule: --report \S+ is the plan itself, .*\nSee: capsule run --help\n$/);
      assert.equal(stdout, '');
    }
    const hard = join(folder, 'hard');
    linkSync(plan, hard);
    assert.equal(capsule(['run', '--report', hard, plan, '--', '/bin/echo']).status, 64);
    assert.equal(readFileSync(plan, 'utf8'), before);
  });
});

kernelTest('capsule run: a directory as a standard stream is wrong usage', { needs }, async () => {
  await withPlan({}, (plan, folder) => {
    for (const options of [[], ['--dry-run']]) {
      const directory = openSync(folder, 'r');
      const arguments_ = [CAPSULE, 'run', ...options, plan, '--', '/bin/echo', 'ran'];
      const ended = spawnSync(process.execPath, arguments_, { stdio: [directory, 'pipe', 'pipe'], encoding: 'utf8' });
      closeSync(directory);
      assert.equal(
        withoutWarning(ended.stderr),
        "capsule: standard input is a directory's descriptor, which leads out of the capsule. " +
          'Give a file, a pipe or /dev/null instead\nSee: capsule run --help\n',
      );
      assert.deepEqual([ended.status, ended.stdout], [64, '']);
    }
  });
});

kernelTest(
  'capsule run: who is not root gets 77',
  { needs: [requireFreeBSD, requireUnprivileged, requireRelease(15.0)] },
  async () => {
    await withPlan({}, (plan) => {
      const { status, stderr } = capsule(['run', plan, '--', '/bin/sh', '-c', 'exit 0']);
      assert.equal(status, 77, stderr);
      assert.match(stderr, /^capsule: EPERM/);
    });
  },
);

interface Running {
  readonly program: ChildProcess;
  readonly jail: Jail;
  stderr(): string;
}

/** Calls while a capsule runs that waits to be told to end. */
async function whileRunning(options: readonly string[], body: (running: Running) => Promise<void>): Promise<void> {
  await withPlan({}, async (plan) => {
    const script = 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done';
    const program = spawn(process.execPath, [CAPSULE, 'run', ...options, plan, '--', '/bin/sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    program.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    try {
      await Promise.race([
        once(program.stdout as NonNullable<typeof program.stdout>, 'data'),
        once(program, 'close').then(() => assert.fail(`it ended: ${stderr}`)),
      ]);
      // On the simulated kernel each process has jails of its own.
      const jail = requireRoot.missing() === undefined ? Jail.get(NAME) : (undefined as never);
      await body({ program, jail, stderr: () => stderr });
    } finally {
      program.kill('SIGKILL');
    }
  });
}

kernelTest('capsule run: SIGTERM reaches the command', { needs }, async () => {
  await whileRunning([], async ({ program }) => {
    const closed = once(program, 'close');
    program.kill('SIGTERM');
    assert.deepEqual(await closed, [5, null]);
  });
});

kernelTest(
  'capsule run: when it is killed, nothing is left of its capsule',
  { needs: [requireRoot, requireRelease(15.0)] },
  async () => {
    await whileRunning([], async ({ program, jail }) => {
      const closed = once(program, 'close');
      program.kill('SIGKILL');
      assert.deepEqual(await closed, [null, 'SIGKILL']);
      await jail.removed({ signal: AbortSignal.timeout(60_000) });
      assert.equal(isThere(), false);
    });
  },
);

kernelTest(
  'capsule run: tampering is told of as it happens',
  { needs: [requireRoot, requireRelease(15.0)] },
  async () => {
    await whileRunning([], async ({ program, jail, stderr }) => {
      jail.set({ 'allow.raw_sockets': true });
      await until('the change is told of', () => stderr().includes('capsule: tampering: { "type": "set" }\n'));
      const attacker = jail.spawn('/bin/sh', ['-c', 'exit 0'], { stdio: 'ignore' });
      const told = `capsule: tampering: { "type": "attach", "pid": ${attacker.pid}, "coalesced": false }\n`;
      await until('the attachment is told of', () => stderr().includes(told));
      attacker.close();
      const closed = once(program, 'close');
      jail.remove();
      assert.deepEqual(await closed, [137, null]);
      assert.match(stderr(), /capsule: the command was killed, perhaps with its jail, which is gone\n$/);
    });
  },
);

kernelTest(
  'capsule run: --on-tampering kill ends it at once',
  { needs: [requireRoot, requireRelease(15.0)] },
  async () => {
    await whileRunning(['--on-tampering', 'kill'], async ({ program, jail, stderr }) => {
      const closed = once(program, 'close');
      jail.set({ securelevel: 1 });
      assert.deepEqual(await closed, [137, null]);
      assert.equal(stderr(), 'capsule: tampering: { "type": "set" }\n');
      await until('the jail is gone', () => !isThere());
    });
  },
);
