// Boots FreeBSD under QEMU, runs dist/freebsd-tests in it as root and as another user, prints what it prints, and exits
// with its status. The machine has a throw-away disk over an image that is never written to. It listens on nothing: orders
// go in as a disk (nuageinit(7)), the output comes out of its second serial port.

import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { download } from './download.mjs';
import { installBun } from './install-bun.mjs';
import { inProject } from './project.mjs';
import { Failure, runQuietly, runScript, versionOf } from './run-command.mjs';

const { images } = JSON.parse(readFileSync(inProject('scripts/freebsd-images.json'), 'utf8'));

const USAGE = `usage: scripts/freebsd-vm [options] [part of a test's name]
  --release R     the official image of FreeBSD ${Object.keys(images).join(' or ')} (default ${Object.keys(images).at(-1)})
  --image PATH    an image of your own instead: raw or qcow2, as it is or .xz, with nuageinit at first boot
                  (BASIC-CI and BASIC-CLOUDINIT have it)
  --runtime NAME  bun (default; comes from npm) or a package of FreeBSD's: node22, node24, …; may be repeated
  --user NAME     root or unprivileged (default: both); may be repeated
  --tests DIR     (default dist/freebsd-tests)
  --accel NAME    what QEMU runs it on: kvm, hvf, or tcg, which emulates and always works (default: what is there)
  --memory MIB    (default 4096)
  --timeout SEC   until the machine is switched off (default 5400)
exit status: that of the tests; 1 when the machine fails
Needs qemu-system-x86_64, qemu-img and xz (Debian, Ubuntu: qemu-system-x86 qemu-utils xz-utils).`;

const ACCELERATORS = ['kvm', 'hvf', 'tcg'];

const OPTIONS = {
  release: { type: 'string', default: Object.keys(images).at(-1) },
  image: { type: 'string' },
  runtime: { type: 'string', multiple: true, default: ['bun'] },
  user: { type: 'string', multiple: true, default: ['root', 'unprivileged'] },
  tests: { type: 'string', default: inProject('dist/freebsd-tests') },
  accel: { type: 'string' },
  memory: { type: 'string', default: '4096' },
  timeout: { type: 'string', default: '5400' },
  help: { type: 'boolean', short: 'h' },
};

function readArguments() {
  let parsed;
  try {
    parsed = parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Failure(`${error.message}\n\n${USAGE}`);
  }
  const { values, positionals } = parsed;
  const wrong = [
    positionals.length > 1 && 'at most one part of a name',
    ...values.runtime.map((name) => !/^(bun|node\d*)$/.test(name) && `'${name}' is not bun, node or node<major>`),
    ...values.user.map((name) => !['root', 'unprivileged'].includes(name) && `'${name}' is not root or unprivileged`),
    values.accel !== undefined && !ACCELERATORS.includes(values.accel) && `--accel is not ${ACCELERATORS.join(', ')}`,
    ...['memory', 'timeout'].map((name) => !/^[1-9]\d*$/.test(values[name]) && `--${name} is not a number`),
    values.image === undefined &&
      images[values.release] === undefined &&
      `no image of FreeBSD ${values.release} is pinned in scripts/freebsd-images.json; give one by --image`,
    values.image !== undefined && !existsSync(values.image) && `${values.image} is not there`,
  ].filter(Boolean);
  if (wrong.length > 0) throw new Failure(`${wrong.join('\n')}\n\n${USAGE}`);
  return { ...values, pattern: positionals[0] ?? '' };
}

function checkPrograms({ tests }) {
  const missing = ['qemu-system-x86_64', 'qemu-img', 'xz', 'tar'].filter((name) => versionOf(name) === undefined);
  if (missing.length > 0) {
    throw new Failure(
      `${missing.join(', ')} not found (Debian, Ubuntu: apt-get install qemu-system-x86 qemu-utils xz-utils; ` +
        'macOS: brew install qemu xz).',
    );
  }
  if (!existsSync(join(tests, 'run.sh'))) {
    throw new Failure(`There are no tests in ${tests}; run first: npm run prebuild && npm run bundle:freebsd`);
  }
}

// Into a file of another name first: one that was not unpacked to its end would boot, and fail in ways of its own.
function unpack(archive, image) {
  if (existsSync(image)) return;
  console.error(`Unpacking ${archive}`);
  const output = openSync(`${image}.part`, 'w');
  const { status, error } = spawnSync('xz', ['-dc', archive], { stdio: ['ignore', output, 'inherit'] });
  closeSync(output);
  if (status !== 0) throw new Failure(`xz could not unpack ${archive}${error ? `: ${error.message}` : ''}`);
  renameSync(`${image}.part`, image);
}

async function findImage({ release, image }, folder) {
  if (image !== undefined) {
    if (!image.endsWith('.xz')) return resolve(image);
    unpack(resolve(image), join(folder, 'image'));
    return join(folder, 'image');
  }
  const { url, sha512 } = images[release];
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'freebsd-capsule');
  const archive = join(cache, url.slice(url.lastIndexOf('/') + 1));
  await download(url, sha512, archive);
  // Named by what was verified.
  const unpacked = join(cache, `${sha512.slice(0, 16)}-${archive.slice(cache.length + 1, -'.xz'.length)}`);
  unpack(archive, unpacked);
  return unpacked;
}

// What nuageinit(7) does at first boot: no updates of the system, which would take minutes, then the job.
function writeSeed(folder) {
  mkdirSync(folder);
  writeFileSync(join(folder, 'meta-data'), 'instance-id: freebsd-capsule\nlocal-hostname: capsule\n');
  const off = (name) => `  - path: /etc/rc.conf.d/${name}\n    content: |\n      ${name}_enable="NO"\n`;
  writeFileSync(
    join(folder, 'user-data'),
    `#cloud-config\nwrite_files:\n${['firstboot_freebsd_update', 'firstboot_pkg_upgrade', 'sshd'].map(off).join('')}` +
      'runcmd:\n  - mkdir -p /capsule && tar -xf /dev/vtbd1 -C /capsule && sh /capsule/job.sh\n  - shutdown -p now\n',
  );
}

const shellWord = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// Run by the machine's root. `mark` tells its last word, the status, from what the tests say.
function jobScript({ runtime, user, pattern }, mark) {
  const runs = runtime.flatMap((name) => [
    ...(name === 'bun' ? [] : [`pkg install -qy ${name} || { echo "${name} could not be installed"; status=1; }`]),
    ...user.map((who) => `run_as_${who} ${name}`),
  ]);
  return `exec >/dev/cuau1 2>&1
export PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/capsule/bin
export HOME=/tmp ASSUME_ALWAYS_YES=yes IGNORE_OSVERSION=yes RUNTIME PATTERN=${shellWord(pattern)}
status=0
run_as_root() {
  RUNTIME=\${1%%[0-9]*}
  echo "=== $1 as root"
  CAPSULE_REQUIRE=kernel,privileged sh run.sh "$PATTERN" || status=1
}
run_as_unprivileged() {
  RUNTIME=\${1%%[0-9]*}
  echo "=== $1 as an unprivileged user"
  CAPSULE_REQUIRE=kernel,unprivileged su -m unprivileged -c 'sh run.sh "$PATTERN"' || status=1
}
stty -f /dev/cuau1 raw
# Packed under whatever umask.
chmod -R a+rX /capsule
freebsd-version -ku
pw useradd unprivileged -s /bin/sh
cd /capsule/freebsd-tests || status=1
${runs.join('\n')}
echo "${mark} $status"
sync
shutdown -p now
`;
}

// The second disk: an archive, which needs no file system.
function writeJob(options, folder, mark) {
  mkdirSync(join(folder, 'bin'), { recursive: true });
  cpSync(options.tests, join(folder, 'freebsd-tests'), { recursive: true });
  if (options.runtime.includes('bun')) cpSync(installBun('freebsd', 'x64'), join(folder, 'bin/bun'));
  writeFileSync(join(folder, 'job.sh'), jobScript(options, mark));
  runQuietly('Packing the tests', 'tar', ['-cf', `${folder}.tar`, '-C', folder, '.']);
}

function findAccelerator() {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return 'kvm';
  } catch {
    return process.platform === 'darwin' && process.arch === 'x64' ? 'hvf' : 'tcg';
  }
}

function boot(image, folder, { accel = findAccelerator(), memory, timeout, runtime }, mark) {
  if (accel === 'tcg') console.error('The machine is emulated (no KVM, no HVF), and many times slower.');
  const disk = join(folder, 'disk.qcow2');
  const { format } = JSON.parse(runQuietly('Reading the image', 'qemu-img', ['info', '--output=json', image]));
  runQuietly('Making a throw-away disk', 'qemu-img', [
    ...['create', '-q', '-f', 'qcow2', '-b', image, '-F', format, disk, '16G'],
  ]);
  const consoleLog = join(folder, 'console.log');
  const qemu = spawn(
    'qemu-system-x86_64',
    [
      ...[
        '-machine',
        'q35',
        ...['-accel', accel, '-cpu', accel === 'tcg' ? 'max' : 'host'],
        '-m',
        memory,
        '-smp',
        '2',
        '-nodefaults',
        '-display',
        'none',
        '-no-reboot',
      ],
      ...['-device', 'virtio-rng-pci', '-serial', `file:${consoleLog}`, '-serial', 'stdio'],
      ...['-drive', `if=virtio,format=qcow2,file=${disk},cache=unsafe`],
      ...['-drive', `if=virtio,format=raw,readonly=on,file=${join(folder, 'job.tar')}`],
      ...[
        '-drive',
        `if=virtio,format=raw,readonly=on,file.driver=vvfat,file.dir=${join(folder, 'seed')},file.label=cidata`,
      ],
      // A way out for pkg(8), and none in. Bun is in the archive.
      ...(runtime.every((name) => name === 'bun') ? [] : ['-nic', 'user,model=virtio-net-pci']),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  return new Promise((done, reject) => {
    let status;
    let rest = '';
    const stop = () => qemu.kill('SIGKILL');
    const watchdog = setTimeout(() => {
      console.error(`The machine was switched off after ${timeout} seconds.`);
      stop();
    }, Number(timeout) * 1000);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, stop);
    qemu.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text.replaceAll('\r', '')).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith(`${mark} `)) status = Number(line.slice(mark.length + 1));
        else console.log(line);
      }
    });
    qemu.once('error', reject).once('close', () => {
      clearTimeout(watchdog);
      if (rest !== '') console.log(rest);
      if (status !== undefined) return done(status);
      const tail = existsSync(consoleLog) ? readFileSync(consoleLog, 'utf8').split('\n').slice(-40).join('\n') : '';
      reject(new Failure(`${tail}\nThe machine ended without a result; above is the end of its console.`));
    });
  });
}

await runScript(async () => {
  const options = readArguments();
  if (options.help) {
    console.log(USAGE);
    return;
  }
  checkPrograms(options);
  const folder = mkdtempSync(join(tmpdir(), 'freebsd-vm-'));
  try {
    const mark = `=== ${randomUUID()}`;
    const image = await findImage(options, folder);
    writeSeed(join(folder, 'seed'));
    writeJob(options, join(folder, 'job'), mark);
    process.exitCode = await boot(image, folder, options, mark);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
