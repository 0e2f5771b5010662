/** That no path leads out of a Directory, whatever it says and whatever others do meanwhile. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { constants } from 'node:fs';
import { Directory, isCapabilityError, type Right, Rights } from 'freebsd-capsule';
import { temporaryDirectory } from '../support/descriptors.ts';
import { inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';

/** A directory `inside` with a file, next to a file that nobody is to reach. */
function place() {
  const temporary = temporaryDirectory();
  const { path } = temporary;
  fs.mkdirSync(`${path}/inside/sub`, { recursive: true });
  fs.mkdirSync(`${path}/outside`);
  fs.writeFileSync(`${path}/inside/file`, 'file');
  fs.writeFileSync(`${path}/inside/sub/file`, 'sub file');
  fs.writeFileSync(`${path}/outside/secret`, 'secret');
  fs.symlinkSync('../outside', `${path}/inside/up`);
  fs.symlinkSync(`${path}/outside`, `${path}/inside/absolute`);
  fs.symlinkSync('../outside/secret', `${path}/inside/secret`);
  fs.symlinkSync('../../outside/secret', `${path}/inside/sub/secret`);
  fs.symlinkSync('sub/../file', `${path}/inside/within`);
  fs.symlinkSync('secret', `${path}/inside/chain`);
  return { ...temporary, inside: `${path}/inside` };
}

const ESCAPES: readonly (string | Buffer)[] = [
  '..',
  '../',
  '../outside/secret',
  '../../../../../../etc/passwd',
  './../outside/secret',
  'sub/../../outside/secret',
  'sub/../sub/../../outside/secret',
  '/etc/passwd',
  '//etc/passwd',
  '/',
  'up/secret',
  'absolute/secret',
  'up/../inside/file',
  'file\0.txt',
  '../outside/secret\0.txt',
  Buffer.from('../outside/secret'),
  Buffer.from('file\0'),
];

type Verb = readonly [name: string, call: (directory: Directory, path: string | Buffer) => Promise<unknown>];

const VERBS: readonly Verb[] = [
  ['open', (directory, path) => directory.open(path)],
  ['openDirectory', (directory, path) => directory.openDirectory(path)],
  ['readFile', (directory, path) => directory.readFile(path)],
  ['writeFile', (directory, path) => directory.writeFile(path, 'overwritten')],
  ['appendFile', (directory, path) => directory.appendFile(path, 'appended')],
  ['copyFile from', (directory, path) => directory.copyFile(path, 'copy')],
  ['copyFile to', (directory, path) => directory.copyFile('file', path)],
  ['stat', (directory, path) => directory.stat(path)],
  ['access', (directory, path) => directory.access(path)],
  ['readdir', (directory, path) => directory.readdir(path)],
  ['mkdir', (directory, path) => directory.mkdir(path)],
  ['mkdir recursive', (directory, path) => directory.mkdir(path, { recursive: true })],
  ['chmod', (directory, path) => directory.chmod(path, 0o777)],
  ['chown', (directory, path) => directory.chown(path, -1, -1)],
  ['utimes', (directory, path) => directory.utimes(path, 1, 1)],
  ['truncate', (directory, path) => directory.truncate(path)],
];

/** Verbs that act on a link itself: only what comes before the last name can lead out. */
const NAME_VERBS: readonly Verb[] = [
  ['lstat', (directory, path) => directory.lstat(path)],
  ['readlink', (directory, path) => directory.readlink(path)],
  ['rm', (directory, path) => directory.rm(path)],
  ['rm recursive', (directory, path) => directory.rm(path, { recursive: true })],
  ['unlink', (directory, path) => directory.unlink(path)],
  ['rmdir', (directory, path) => directory.rmdir(path)],
  ['rename from', (directory, path) => directory.rename(path, 'renamed')],
  ['rename to', (directory, path) => directory.rename('file', path)],
  ['link from', (directory, path) => directory.link(path, 'linked')],
  ['link to', (directory, path) => directory.link('file', path)],
  ['symlink', (directory, path) => directory.symlink('x', path)],
  ['lutimes', (directory, path) => directory.lutimes(path, 1, 1)],
  ['lchown', (directory, path) => directory.lchown(path, -1, -1)],
];

async function refusedEverywhere(verbs: readonly Verb[], paths: readonly (string | Buffer)[], rights?: Rights) {
  const scene = place();
  const directory = Directory.open(scene.inside, rights === undefined ? {} : { rights });
  const before = fs.readdirSync(scene.path, { recursive: true }).sort();
  try {
    for (const path of paths) {
      for (const [name, call] of verbs) {
        await assert.rejects(call(directory, path), (error: NodeJS.ErrnoException) => {
          const what = `${name} of ${JSON.stringify(String(path))}: ${error.message}`;
          assert.equal(error.code, 'ENOTCAPABLE', what);
          assert.match(error.message, /the path leads outside of the directory/, what);
          assert.ok(isCapabilityError(error));
          return true;
        });
      }
    }
    assert.equal(fs.readFileSync(`${scene.path}/outside/secret`, 'utf8'), 'secret');
    assert.deepEqual(fs.readdirSync(scene.path, { recursive: true }).sort(), before);
  } finally {
    directory.close();
    scene.remove();
  }
}

kernelTest('directory: no verb follows a path outside', () => refusedEverywhere([...VERBS, ...NAME_VERBS], ESCAPES));

kernelTest('directory: no verb follows a link outside', () =>
  refusedEverywhere(
    VERBS.filter(([name]) => !name.startsWith('mkdir')),
    ['secret', 'chain', 'up', 'absolute', 'sub/secret'],
  ),
);

kernelTest('directory: what stays inside is followed', async () => {
  const scene = place();
  using directory = Directory.open(scene.inside);
  try {
    for (const path of ['within', 'sub/../file', './file', './/file', 'sub/./../file']) {
      assert.equal(await directory.readFile(path, 'utf8'), 'file', path);
      assert.equal(directory.readFileSync(path, 'utf8'), 'file', path);
    }
    // From a directory further down, the one above is outside.
    using sub = directory.openDirectorySync('sub');
    await assert.rejects(sub.readFile('../file'), { code: 'ENOTCAPABLE' });
    assert.equal(await directory.readlink('secret'), '../outside/secret');
    await directory.unlink('secret');
    assert.equal(fs.readFileSync(`${scene.path}/outside/secret`, 'utf8'), 'secret');
    await directory.rm('up', { recursive: true });
    assert.ok(fs.existsSync(`${scene.path}/outside/secret`));
  } finally {
    scene.remove();
  }
});

/** Starts a process that swaps entries of a directory for links to another and back, until it is killed. */
async function startSwapping(inside: string, outside: string): Promise<ChildProcess> {
  const program = `
    const fs = require('node:fs');
    const [inside, outside] = ${JSON.stringify([inside, outside])};
    const quietly = (work) => { try { work(); } catch {} };
    process.stdout.write('ready\\n');
    for (;;) {
      quietly(() => fs.mkdirSync(inside + '/victim/deep', { recursive: true }));
      quietly(() => fs.writeFileSync(inside + '/victim/deep/a', 'inside'));
      quietly(() => fs.writeFileSync(inside + '/victim/b', 'inside'));
      quietly(() => fs.renameSync(inside + '/victim/deep', inside + '/aside'));
      quietly(() => fs.symlinkSync(outside, inside + '/victim/deep'));
      quietly(() => fs.rmSync(inside + '/victim/deep', { force: true }));
      quietly(() => fs.renameSync(inside + '/aside', inside + '/victim/deep'));
      quietly(() => fs.renameSync(inside + '/victim', inside + '/aside'));
      quietly(() => fs.symlinkSync(outside, inside + '/victim'));
      quietly(() => fs.unlinkSync(inside + '/victim'));
      quietly(() => fs.rmSync(inside + '/aside', { recursive: true, force: true }));
    }`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

kernelTest('directory: rm and rename stay inside while another process swaps entries for links', async () => {
  const scene = place();
  fs.mkdirSync(`${scene.path}/outside/a`);
  fs.writeFileSync(`${scene.path}/outside/b`, 'b');
  const before = fs.readdirSync(`${scene.path}/outside`, { recursive: true }).sort();
  using directory = Directory.open(scene.inside);
  const child = await startSwapping(scene.inside, `${scene.path}/outside`);
  const outcomes = new Map<string, number>();
  try {
    // Until the swaps were really met, and for a while.
    const start = Date.now();
    while (Date.now() < start + 4000 || ((outcomes.get('ENOTCAPABLE') ?? 0) < 10 && Date.now() < start + 60_000)) {
      for (const work of [
        () => directory.rm('victim', { recursive: true, force: true }),
        () => directory.rename('victim/b', 'taken'),
        () => directory.writeFile('victim/deep/a', 'written'),
        // Only outside is there a file of this name.
        () => directory.readFile('victim/secret').then(() => assert.fail('read a file outside')),
      ]) {
        const outcome = await work().then(
          () => 'done',
          (error: NodeJS.ErrnoException) => error.code ?? String(error),
        );
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    }
  } finally {
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }
  try {
    assert.deepEqual(fs.readdirSync(`${scene.path}/outside`, { recursive: true }).sort(), before);
    assert.equal(fs.readFileSync(`${scene.path}/outside/secret`, 'utf8'), 'secret');
    assert.ok((outcomes.get('done') ?? 0) > 0);
    assert.ok((outcomes.get('ENOTCAPABLE') ?? 0) > 0, 'no call met a link that leads outside');
    assert.equal(outcomes.get('ERR_ASSERTION'), undefined, 'a file outside was read');
  } finally {
    scene.remove();
  }
});

/** What each right of a role is for: an operation that works with the role and not without the right. */
type Use = readonly [right: Right, operation: string, run: (directory: Directory) => Promise<unknown>];

const READ_USES: readonly Use[] = [
  ['read', 'readFile', (directory) => directory.readFile('file')],
  ['seek', 'createReadStream({ start })', (directory) => readAt(directory, 'file')],
  ['fstat', 'stat', (directory) => directory.stat('file')],
  ['lookup', 'stat', (directory) => directory.stat('file')],
];
const ROLES: Readonly<Record<'READ' | 'APPEND_ONLY' | 'SCRATCH', readonly Use[]>> = {
  READ: READ_USES,
  APPEND_ONLY: [
    ['lookup', 'appendFile', (directory) => directory.appendFile('file', 'x')],
    ['create', 'appendFile to a new file', (directory) => directory.appendFile('new', 'x')],
    ['write', 'appendFile', (directory) => directory.appendFile('file', 'x')],
    ['fsync', 'appendFile({ flush })', (directory) => directory.appendFile('file', 'x', { flush: true })],
  ],
  SCRATCH: [
    ...READ_USES,
    ['write', 'writeFile', (directory) => directory.writeFile('file', 'x')],
    ['create', 'writeFile to a new file', (directory) => directory.writeFile('new', 'x')],
    ['ftruncate', 'writeFile over a file', (directory) => directory.writeFile('file', 'x')],
    ['fsync', 'writeFile({ flush })', (directory) => directory.writeFile('file', 'x', { flush: true })],
    ['mkdirat', 'mkdir', (directory) => directory.mkdir('made')],
    ['unlinkat', 'unlink', (directory) => directory.unlink('file')],
    ['renameat_source', 'rename', (directory) => directory.rename('file', 'renamed')],
    ['renameat_target', 'rename', (directory) => directory.rename('file', 'renamed')],
  ],
};

async function readAt(directory: Directory, name: string): Promise<void> {
  const handle = await directory.open(name);
  try {
    await handle.read({ buffer: Buffer.alloc(1), position: 1 });
  } finally {
    await handle.close();
  }
}

/** The bits of a right that are its own: removing `unlinkat` must leave `lookup`. */
function withoutOnly(role: Rights, right: Right): Rights {
  // Not by names: that of what is left of a right would bring the rest back.
  const rest = role.without(right) as unknown as Rights;
  return right === 'lookup' || !Rights.of(right).has('lookup') ? rest : (rest.with('lookup') as unknown as Rights);
}

for (const role of ['READ', 'APPEND_ONLY', 'SCRATCH'] as const) {
  kernelTest(`directory: Directory.${role} has no right to spare`, async () => {
    const rights = Rights.from<Right>([...Directory[role]]);
    const attempt = async (limited: Rights, run: Use[2]) => {
      const scene = place();
      try {
        using directory = Directory.open(scene.inside, { rights: limited });
        await run(directory);
      } finally {
        scene.remove();
      }
    };
    for (const [right, operation, run] of ROLES[role]) {
      await attempt(rights, run);
      // Node's own calls on a descriptor have no name for the number.
      await assert.rejects(
        attempt(withoutOnly(rights, right), run),
        (error: NodeJS.ErrnoException) => isCapabilityError(error),
        `${operation} without ${right}`,
      );
    }
    // Every right is in the table.
    const used = Rights.from(ROLES[role].map(([right]) => right));
    assert.ok(used.equals(rights), `${used} for ${rights}`);
  });
}

kernelTest('directory: Directory.APPEND_ONLY lets nobody read, overwrite, truncate, rename or remove', async () => {
  const scene = place();
  using logs = Directory.open(scene.inside, { rights: Directory.APPEND_ONLY });
  try {
    await logs.appendFile('audit.log', 'one\n');
    logs.appendFileSync('audit.log', 'two\n');
    await assert.rejects(logs.readFile('audit.log'), /ENOTCAPABLE.*the directory lacks 'read'/);
    const refused: readonly (() => Promise<unknown>)[] = [
      () => logs.writeFile('audit.log', ''),
      () => logs.writeFile('audit.log', '', { flag: 'r+' }),
      () => logs.open('audit.log', constants.O_WRONLY),
      () => logs.open('audit.log', constants.O_WRONLY | constants.O_TRUNC),
      () => logs.open('audit.log', constants.O_WRONLY | constants.O_APPEND | constants.O_TRUNC),
      () => logs.truncate('audit.log'),
      () => logs.rename('audit.log', 'x'),
      () => logs.link('audit.log', 'x'),
      () => logs.unlink('audit.log'),
      () => logs.rm('audit.log', { force: true }),
      () => logs.stat('audit.log'),
      () => logs.readdir('.'),
      () => logs.chmod('audit.log', 0o777),
      () => logs.utimes('audit.log', 0, 0),
      () => logs.mkdir('x'),
      () => logs.symlink('x', 'y'),
    ];
    for (const work of refused) await assert.rejects(work(), { code: 'ENOTCAPABLE' }, String(work));
    await using log = await logs.open('audit.log', 'a');
    await log.write('three\n');
    assert.ok(
      isCapabilityError(
        await log.write('zero', 0).then(
          () => undefined,
          (error) => error,
        ),
      ),
    );
    assert.ok(
      isCapabilityError(
        await log.truncate(0).then(
          () => undefined,
          (error) => error,
        ),
      ),
    );
    assert.equal(fs.readFileSync(`${scene.inside}/audit.log`, 'utf8'), 'one\ntwo\nthree\n');
  } finally {
    scene.remove();
  }
});

kernelTest('seal: directories of the plan are opened, limited and handed back', async () => {
  const scene = place();
  try {
    const seen = await inChild(
      async (capsule, path) => {
        const sealed = await capsule.seal({
          directories: {
            site: { path: `${path}/inside` },
            logs: { path: `${path}/outside`, rights: capsule.Directory.APPEND_ONLY },
          },
        });
        const { site, logs } = sealed.directories;
        await logs.appendFile('log', 'sealed\n');
        const refusal = await site.writeFile('file', '').then(
          () => undefined,
          (error) => error.code,
        );
        const rows = sealed.report.descriptors.filter(({ before }) => [site.fd, logs.fd].includes(before.fd));
        return {
          text: await site.readFile('file', 'utf8'),
          refusal,
          rights: rows.map(({ after }) => String(after?.rights)),
          up: await site.readFile('../outside/secret').then(
            () => 'read',
            (error) => error.code,
          ),
        };
      },
      { input: scene.path },
    );
    assert.deepEqual(seen, {
      text: 'file',
      refusal: 'ENOTCAPABLE',
      rights: [String(Directory.READ), String(Directory.APPEND_ONLY)],
      up: 'ENOTCAPABLE',
    });
    assert.equal(fs.readFileSync(`${scene.path}/outside/log`, 'utf8'), 'sealed\n');
  } finally {
    scene.remove();
  }
});

kernelTest('seal: a directory that is not there fails the seal, and the others are closed again', async () => {
  const scene = place();
  try {
    const seen = await inChild(
      async (capsule, path) => {
        const count = () => capsule.listDescriptors().length;
        const before = count();
        const error = await capsule
          .seal({ directories: { site: { path }, missing: { path: `${path}/missing` } } })
          .then(
            () => undefined,
            (reason) => reason,
          );
        return { code: error?.code, message: String(error?.message), more: count() - before };
      },
      { input: scene.inside },
    );
    assert.equal(seen.code, 'ENOENT');
    assert.match(seen.message, /nothing was changed/);
    assert.equal(seen.more, 0);
  } finally {
    scene.remove();
  }
});
