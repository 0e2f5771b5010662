/**
 * Operations as the runtime makes them. On the simulated kernel these are how they are refused (`lib/simulation`), so
 * they stand in for the system calls of the same name; on FreeBSD `test/kernel/recorded-calls.kernel.ts` shows that
 * both are answered alike.
 */

// Through the module: what Bun imports by name is not refused in the simulation, nor seen.
import fs from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { inChild } from '../support/in-child.ts';
import { limitTo, type Words } from './rights-sets.ts';

type Call = (fd: number) => unknown;

const buffer = Buffer.alloc(1);

/** By the name of the operation that each stands for. */
export const RUNTIME_CALLS: Readonly<Record<string, Call>> = {
  read: (fd) => fs.readSync(fd, buffer, 0, 1, null),
  readv: (fd) => fs.readvSync(fd, [buffer]),
  pread: (fd) => fs.readSync(fd, buffer, 0, 1, 0),
  preadv: (fd) => fs.readvSync(fd, [buffer], 0),
  write: (fd) => fs.writeSync(fd, buffer, 0, 1, null),
  writev: (fd) => fs.writevSync(fd, [buffer]),
  pwrite: (fd) => fs.writeSync(fd, buffer, 0, 1, 0),
  pwritev: (fd) => fs.writevSync(fd, [buffer], 0),
  fstat: (fd) => fs.fstatSync(fd),
  fchmod: (fd) => fs.fchmodSync(fd, 0o700),
  fchown: (fd) => fs.fchownSync(fd, process.getuid?.() ?? 0, process.getgid?.() ?? 0),
  futimens: (fd) => fs.futimesSync(fd, 1, 1),
  ftruncate: (fd) => fs.ftruncateSync(fd, 7),
  fsync: (fd) => fs.fsyncSync(fd),
  fdatasync: (fd) => fs.fdatasyncSync(fd),
};

const NAMES: Readonly<Record<number, string>> = {
  ...Object.fromEntries(Object.entries(constants.errno).map(([name, number]) => [number, name])),
  93: 'ENOTCAPABLE',
  94: 'ECAPMODE',
};

function outcome(call: () => unknown): string {
  try {
    call();
    return 'ok';
  } catch (error) {
    return NAMES[Math.abs((error as NodeJS.ErrnoException).errno ?? 0)] ?? String(error);
  }
}

/** Asks with each set of rights: operation, subject, set, answer. */
export function runtimeRightsAnswers(sets: ReadonlyMap<string, Words>): string[][] {
  const folder = fs.mkdtempSync(join(tmpdir(), 'runtime-calls-'));
  const file = join(folder, 'file');
  const answers: string[][] = [];
  try {
    for (const [name, call] of Object.entries(RUNTIME_CALLS)) {
      for (const [set, words] of sets) {
        fs.writeFileSync(file, 'content');
        const fd = fs.openSync(file, 'r+');
        limitTo(fd, words);
        answers.push([name, 'file', set, outcome(() => call(fd))]);
        fs.closeSync(fd);
      }
    }
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
  return answers;
}

/** Asks in capability mode, in a process of its own: question, answer. */
export async function runtimeModeAnswers(): Promise<string[][]> {
  return await inChild(
    (capsule, names) => {
      const fs = process.getBuiltinModule('node:fs');
      const os = process.getBuiltinModule('node:os');
      const calls: Record<string, () => unknown> = {
        open: () => fs.openSync('/etc/passwd', 'r'),
        'open of /dev/fd/0': () => fs.openSync('/dev/fd/0', 'r'),
        stat: () => fs.statSync('/'),
        access: () => fs.accessSync('/'),
        mkdir: () => fs.mkdirSync('/tmp/new'),
        unlink: () => fs.unlinkSync('/tmp/nothing'),
        rename: () => fs.renameSync('/tmp/nothing', '/tmp/other'),
        readlink: () => fs.readlinkSync('/tmp/nothing'),
        statfs: () => fs.statfsSync('/'),
        'kill of itself with 0': () => process.kill(process.pid, 0),
        'kill of the parent with 0': () => process.kill(process.ppid, 0),
        'kill of the group with 0': () => process.kill(0, 0),
        umask: () => process.umask(0o22),
        'setuid to what it is': () => process.setuid?.(process.getuid?.() ?? 0),
        'setgid to what it is': () => process.setgid?.(process.getgid?.() ?? 0),
        setpriority: () => os.setPriority(os.getPriority()),
        getrusage: () => process.resourceUsage(),
      };
      capsule.enter();
      return Object.entries(calls).map(([name, call]) => {
        try {
          call();
          return [name, 'ok'];
        } catch (error) {
          const number = Math.abs((error as NodeJS.ErrnoException).errno ?? 0);
          return [name, (names as Record<number, string>)[number] ?? String(error)];
        }
      });
    },
    { input: NAMES },
  );
}

/** Asks about a process descriptor's process, by its number, in a process of its own: question, answer. */
export async function runtimeProcessAnswers(): Promise<string[][]> {
  return await inChild(
    (capsule, names) => {
      const child = capsule.spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
      const ask = () => {
        try {
          process.kill(child.pid as number, 0);
          return 'ok';
        } catch (error) {
          const number = Math.abs((error as NodeJS.ErrnoException).errno ?? 0);
          return (names as Record<number, string>)[number] ?? String(error);
        }
      };
      const before = ask();
      capsule.enter();
      const after = ask();
      child.close();
      return [
        ['kill by number', before],
        ['capability mode: kill by number', after],
      ];
    },
    { input: NAMES },
  );
}
