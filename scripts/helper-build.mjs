// Builds examples/helpers/measure.c, a static executable, which is what can be started in capability mode: for this
// machine with its compiler, for FreeBSD with zig.

import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { tools } from './prebuild-tools.mjs';
import { inProject } from './project.mjs';
import { outcomeOf, runQuietly } from './run-command.mjs';

const SOURCE = inProject('examples/helpers/measure.c');
// Not in build/examples, where what comes from no TypeScript is cleared away.
const BUILT = inProject('build/helpers/measure');

const timeOf = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

// Without it the tests that need it say so: a static C library is not everywhere, and nothing else needs one.
export function buildHelper() {
  if (timeOf(BUILT) > timeOf(SOURCE)) return;
  mkdirSync(dirname(BUILT), { recursive: true });
  const { ok, output } = outcomeOf(process.env.CC ?? 'cc', ['-static', '-Os', '-s', '-o', BUILT, SOURCE]);
  if (!ok) console.log(`The helper of examples/worker-pool.ts was not built:\n${output}`);
}

const TARGETS = {
  x64: { target: 'x86_64-freebsd.14.0', emulation: 'elf_x86_64_fbsd' },
  arm64: { target: 'aarch64-freebsd.14.0', emulation: 'aarch64elf' },
};

const ELF_OSABI_OFFSET = 7;
const ELF_OSABI_FREEBSD = 9;

// Builds a program for tests on FreeBSD, which is linked as any other there.
export function crossBuildProgram(arch, zig, source, output) {
  mkdirSync(dirname(output), { recursive: true });
  const args = ['cc', '-target', TARGETS[arch].target, '-Os', '-s', '-Wall', '-o', output, inProject(source)];
  runQuietly(`Building ${source} for FreeBSD ${arch}`, zig, args, {
    env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: tools('zig-cache'), ZIG_LOCAL_CACHE_DIR: tools('zig-cache') },
  });
}

// zig has FreeBSD's C library to link to, not to link in; the few calls that a helper makes are in static-start.c.
export function crossBuildHelper(arch, zig, output, source = SOURCE) {
  const { target, emulation } = TARGETS[arch];
  const run = (...args) =>
    runQuietly(`Building ${basename(output)} for FreeBSD`, zig, args, {
      env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: tools('zig-cache'), ZIG_LOCAL_CACHE_DIR: tools('zig-cache') },
    });
  mkdirSync(dirname(output), { recursive: true });
  const objects = [source, inProject('scripts/static-start.c')].map((part, index) => {
    const object = inProject(`build/helpers/${arch}-${index}.o`);
    mkdirSync(dirname(object), { recursive: true });
    const flags = ['-ffreestanding', '-fno-builtin', '-fno-sanitize=all', '-fno-stack-protector', '-Os', '-Wall'];
    run('cc', '-c', '-target', target, ...flags, part, '-o', object);
    return object;
  });
  run('ld.lld', '-m', emulation, '-static', '-s', '-o', output, ...objects);
  // The linker brands executables for FreeBSD on amd64 alone; the kernel starts no others.
  const bytes = readFileSync(output);
  bytes[ELF_OSABI_OFFSET] = ELF_OSABI_FREEBSD;
  writeFileSync(output, bytes);
  chmodSync(output, 0o755);
}
