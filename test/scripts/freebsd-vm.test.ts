/** What scripts/freebsd-vm asks of QEMU and makes of its end. The programs are stand-ins: no machine is started. */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../support/descriptors.ts';

const script = fileURLToPath(new URL('../../scripts/freebsd-vm', import.meta.url));
const images = JSON.parse(readFileSync(new URL('../../scripts/freebsd-images.json', import.meta.url), 'utf8')).images;

/** A QEMU that writes down its arguments and what is in the job, then says what it is told to. */
const QEMU = `#!/bin/sh
[ "$1" = --version ] && exit 0
for argument; do
  echo "$argument" >>"$RECORD"
  case $argument in
    *file=*job.tar*) tar=\${argument##*file=} ;;
    *vvfat*) seed=\${argument##*file.dir=}; cp "\${seed%%,*}/user-data" "$RECORD.seed" ;;
  esac
done
tar -xOf "$tar" ./job.sh >"$RECORD.job"
tar -tf "$tar" >"$RECORD.files"
sh -n "$RECORD.job" || exit 1
mark=$(sed -n 's/^echo "\\(=== [0-9a-f-]*\\) .*/\\1/p' "$RECORD.job")
eval "$SAYS"
`;

let directory: ReturnType<typeof temporaryDirectory>;
const inside = (path: string) => join(directory.path, path);

beforeEach(() => {
  directory = temporaryDirectory();
  for (const name of ['bin', 'tests', 'tmp']) mkdirSync(inside(name));
  writeFileSync(inside('tests/run.sh'), '');
  writeFileSync(inside('image.raw'), 'an image');
  const programs = {
    'qemu-system-x86_64': QEMU,
    'qemu-img': `#!/bin/sh\necho "img $*" >>"$RECORD"\n[ "$1" = info ] && echo '{ "format": "raw" }'\nexit 0\n`,
    xz: '#!/bin/sh\nexit 0\n',
  };
  for (const [name, source] of Object.entries(programs)) {
    writeFileSync(inside(`bin/${name}`), source);
    chmodSync(inside(`bin/${name}`), 0o755);
  }
  // No others: what the machine has installed is not what is tested.
  symlinkSync(process.execPath, inside('bin/node'));
  for (const name of ['sh', 'tar', 'dirname', 'sed', 'cp']) symlinkSync(`/usr/bin/${name}`, inside(`bin/${name}`));
});

afterEach(() => directory.remove());

function run(args: string[], says = '') {
  const { stdout, stderr, status } = spawnSync('/bin/sh', [script, '--tests', inside('tests'), ...args], {
    encoding: 'utf8',
    cwd: directory.path,
    timeout: 60_000,
    env: { PATH: inside('bin'), HOME: directory.path, TMPDIR: inside('tmp'), RECORD: inside('record'), SAYS: says },
  });
  return { stdout, stderr, status };
}

const ofImage = ['--image', 'image.raw', '--runtime', 'node24'];

describe.skipIf(process.platform !== 'linux')('scripts/freebsd-vm', () => {
  test('prints what the tests print, and ends as they end', () => {
    for (const status of [0, 1]) {
      const { stdout, status: end } = run(ofImage, `echo "3 passed, ${status} failed"; echo "$mark ${status}"`);
      expect(stdout).toBe(`3 passed, ${status} failed\n`);
      expect(end).toBe(status);
    }
    expect(readdirSync(inside('tmp'))).toEqual([]);
  });

  test('a machine that ends without a result has failed, whatever was printed', () => {
    const { stdout, stderr, status } = run(ofImage, 'echo "3 passed, 0 failed"; echo "=== another-mark 0"');
    expect(stdout).toContain('3 passed');
    expect(stderr).toContain('ended without a result');
    expect(status).toBe(1);
  });

  test('never writes to the image, and listens on nothing', () => {
    run(ofImage, 'echo "$mark 0"');
    const record = readFileSync(inside('record'), 'utf8').split('\n');
    expect(record).toContainEqual(
      expect.stringMatching(/^img create -q -f qcow2 -b \/.*\/image\.raw -F raw .*\/disk\.qcow2 16G$/),
    );
    expect(record.filter((line) => line.includes('image.raw')).every((line) => line.startsWith('img '))).toBe(true);
    expect(record.join('\n')).not.toMatch(/hostfwd|tcp:|telnet|vnc|guestfwd/);
    expect(record).toContain('user,model=virtio-net-pci');
  });

  test('runs each runtime as each user, with a skip counted as a failure', () => {
    run([...ofImage, '--runtime', 'node22', "it's"], 'echo "$mark 0"');
    const job = readFileSync(inside('record.job'), 'utf8');
    const order = job.split('\n').filter((line) => /^(pkg|run_as_\w+ )/.test(line));
    expect(order.map((line) => line.split(' || ')[0])).toEqual([
      ...['pkg install -qy node24', 'run_as_root node24', 'run_as_unprivileged node24'],
      ...['pkg install -qy node22', 'run_as_root node22', 'run_as_unprivileged node22'],
    ]);
    expect(job).toContain('CAPSULE_REQUIRE=kernel,privileged');
    expect(job).toContain('CAPSULE_REQUIRE=kernel,unprivileged');
    expect(job).toContain("PATTERN='it'\\''s'");
    expect(readFileSync(inside('record.files'), 'utf8')).toContain('./freebsd-tests/run.sh');
    const seed = readFileSync(inside('record.seed'), 'utf8');
    expect(seed).toMatch(/^#cloud-config\n/);
    for (const service of ['firstboot_freebsd_update', 'firstboot_pkg_upgrade', 'sshd']) {
      expect(seed).toContain(`${service}_enable="NO"`);
    }
  });

  test.each([
    [['--release', '13.0'], /no image of FreeBSD 13\.0 is pinned/],
    [['--image', 'nowhere.raw'], /nowhere\.raw is not there/],
    [['--runtime', 'deno'], /'deno' is not bun, node or node<major>/],
    [['--user', 'nobody'], /'nobody' is not root or unprivileged/],
    [['--timeout', '0'], /--timeout is not a number/],
    [['--nonsense'], /nonsense/],
    [['--tests', 'tmp', ...ofImage], /npm run bundle:freebsd/],
  ])('%j says what is wrong', (args, message) => {
    const { stderr, status } = run(args);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
  });

  test('names what is not installed', () => {
    for (const name of ['qemu-system-x86_64', 'xz']) chmodSync(inside(`bin/${name}`), 0o644);
    const { stderr, status } = run(ofImage);
    expect(stderr).toMatch(/^qemu-system-x86_64, xz not found .*apt-get install/);
    expect(status).toBe(1);
  });
});

test('each pinned image has an address and a SHA-512', () => {
  expect(Object.keys(images)).toEqual(['14.5', '15.1']);
  for (const [release, { url, sha512 }] of Object.entries<{ url: string; sha512: string }>(images)) {
    expect(url).toMatch(new RegExp(`^https://download\\.freebsd\\.org/releases/.*/FreeBSD-${release}-.*\\.xz$`));
    expect(sha512).toMatch(/^[0-9a-f]{128}$/);
  }
});
