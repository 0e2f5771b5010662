// Runs the tests with the addon built under ASan and UBSan, over the simulated kernel, and looks for memory of the addon's
// that is lost: in vitest's own processes and in those that tests start, whenever one exits.
//
//   npm run test:asan [-- part of a test's path …]
//
// It happens in a copy of the project, build/sanitized/, so that the addon which everything else uses stays what it is.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parallelism } from './in-parallel.mjs';
import { kernelEnvironment } from './kernel-in-use.mjs';
import { nodeHeaders } from './node-headers.mjs';
import { inProject } from './project.mjs';
import { Failure, runQuietly, runScript } from './run-command.mjs';

const COPY = inProject('build/sanitized');
const inCopy = (...path) => join(COPY, ...path);
const ADDON = 'freebsd_capsule.node';
const REPORTS = inCopy('reports');

const COPIED = [
  ...['binding.gyp', 'sources.json', 'package.json', 'tsconfig.json', 'tsconfig.test.json', 'vitest.config.ts'],
  ...['native', 'lib', 'dist', 'test', 'examples', 'schema', 'scripts', 'README.md'],
  ...['build/test', 'build/examples', 'build/helpers'],
];

// These read files of the project and never reach native code. All others are run, and so is one that is new.
const WITHOUT_NATIVE_CODE = ['test/scripts/**', 'test/readme.test.ts'];

function copy() {
  mkdirSync(COPY, { recursive: true });
  for (const path of COPIED.filter((path) => existsSync(inProject(path)))) {
    rmSync(inCopy(path), { recursive: true, force: true });
    // With their times, so that what is built already is not built again.
    const filter = (source) => source !== inProject('dist/freebsd-tests');
    cpSync(inProject(path), inCopy(path), { recursive: true, preserveTimestamps: true, filter });
  }
  if (!existsSync(inCopy('node_modules'))) symlinkSync(inProject('node_modules'), inCopy('node_modules'));
}

function build() {
  const gyp = (...args) =>
    runQuietly(
      'Building the sanitized addon',
      process.execPath,
      [inProject('node_modules/node-gyp/bin/node-gyp.js'), ...args],
      { cwd: COPY },
    );
  gyp('configure', `--nodedir=${nodeHeaders()}`, '--', '-Dsanitize=address,undefined');
  gyp('build', `--jobs=${parallelism}`);
}

// The runtime library of the compiler that has built the addon: Node is not built with it, so it has to come first.
function runtimeLibrary() {
  const [compiler, ...args] = (process.env.CXX ?? 'g++').split(' ');
  const path = runQuietly('Asking the compiler', compiler, [...args, '-print-file-name=libasan.so']).trim();
  if (!path.startsWith('/'))
    throw new Failure(`${compiler} has no libasan.so; the sanitized build is for GCC on Linux`);
  return path;
}

const environment = (library) => ({
  ...kernelEnvironment,
  LD_PRELOAD: library,
  // Leaks are counted afterwards: a test that looks at how a process ended is about something else. Short stacks: for each
  // frame of JavaScript in a thousand stacks of Node's own leaks, the list of modules would be read again.
  // With the module of each frame: it says whose a leak is, and is left out where a line of a source is known.
  ASAN_OPTIONS: `detect_leaks=1:malloc_context_size=10:stack_trace_format="    #%n %p %F %L (%m)":log_path=${join(REPORTS, 'report')}`,
  LSAN_OPTIONS: 'exitcode=0',
  UBSAN_OPTIONS: `halt_on_error=1:print_stacktrace=1:log_path=${join(REPORTS, 'report')}`,
  // What a worker that has ended leaves running is found within four rounds, as far as was seen.
  CAPSULE_WORKER_ROUNDS: process.env.CAPSULE_WORKER_ROUNDS ?? '20',
  // JavaScriptCore wants the address space for itself.
  BUN: '/nonexistent',
  CAPSULE_REQUIRE: '',
});

const isLeak = (block) => /^(?:Direct|Indirect) leak of /m.test(block);
// Memory that V8 takes for its heap while the addon calls it is V8's, which process.exit() does not give back. A promise of
// a call that was under way when its environment ended is Node's: who may not run JavaScript can neither settle nor free it.
const NOT_OURS = [' in v8::', ' in napi_create_promise '];
const isOurs = (leak) => {
  const frames = leak.split('\n').slice(1);
  const own = frames.findIndex((frame) => frame.includes(ADDON));
  return own >= 0 && !frames.slice(0, own).some((frame) => NOT_OURS.some((name) => frame.includes(name)));
};
const isError = (report) => /ERROR: AddressSanitizer|: runtime error: /.test(report);

function takeReports() {
  const reports = readdirSync(REPORTS).map((name) => readFileSync(join(REPORTS, name), 'utf8'));
  rmSync(REPORTS, { recursive: true });
  mkdirSync(REPORTS);
  return { errors: reports.filter(isError), leaks: reports.flatMap((report) => report.split('\n\n')).filter(isLeak) };
}

// Most of the ten pieces: a pointer to one may be left somewhere, and LeakSanitizer then takes it for used.
const LOST = /in ([5-9]|10) object/;
// Loses memory when it is loaded, by the name of the addon that might.
const LEAKY_ADDON = `
#include <stdlib.h>
void *napi_register_module_v1(void *env, void *exports) {
  for (int i = 0; i < 10; i++) *(volatile char *)malloc(77) = 1;
  return exports;
}`;
const leakyTest = (addon) => `
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { test } from 'vitest';
test('loses memory, in this process and in a child', () => {
  createRequire(import.meta.url)(${JSON.stringify(addon)});
  execFileSync(process.execPath, ['--eval', 'require(process.argv[1])', ${JSON.stringify(addon)}]);
});`;

// Nothing found says something only where something would be found. vitest kills its processes unless it is told otherwise,
// and there are places where LeakSanitizer cannot look.
function checkLeaksAreFound(library) {
  const addon = inCopy('leaky', ADDON);
  const path = inCopy('test/leaks.test.ts');
  mkdirSync(inCopy('leaky'), { recursive: true });
  const options = { input: LEAKY_ADDON, stdio: ['pipe', 'pipe', 'pipe'] };
  const args = ['-g', '-shared', '-fPIC', '-xc', '-', '-o', addon];
  runQuietly('Building an addon that leaks', process.env.CC ?? 'cc', args, options);
  writeFileSync(path, leakyTest(addon));
  const failure = test([path], library, 'pipe');
  rmSync(path);
  if (failure !== undefined) throw new Failure(failure);
  const found = takeReports().leaks.filter((leak) => isOurs(leak) && LOST.test(leak));
  if (found.length !== 2) {
    throw new Failure(
      `Of a leak in a process of vitest and one in a child, LeakSanitizer finds ${found.length}: it cannot tell of others either.`,
    );
  }
}

function test(options, library, stdio) {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [
      inProject('node_modules/vitest/vitest.mjs'),
      ...['run', '--config=scripts/sanitized-vitest.config.mjs', `--root=${COPY}`, '--typecheck.enabled=false'],
      ...[`--maxWorkers=${parallelism}`, ...options],
    ],
    { cwd: COPY, stdio, env: environment(library) },
  );
  return status === 0
    ? undefined
    : `${stdout ?? ''}${stderr ?? ''}The tests failed under ASan and UBSan (${signal ?? status})`;
}

await runScript(async () => {
  copy();
  build();
  const library = runtimeLibrary();
  mkdirSync(REPORTS, { recursive: true });
  takeReports();
  checkLeaksAreFound(library);
  const picked = process.argv.slice(2);
  const all = WITHOUT_NATIVE_CODE.map((path) => `--exclude=${path}`);
  const failure = test(picked.length > 0 ? picked : all, library, 'inherit');
  const { errors, leaks } = takeReports();
  const ours = leaks.filter(isOurs);
  // An error in a child counts, whatever the test made of how the child ended.
  const found = [...errors.slice(0, 10), ...ours.slice(0, 10)];
  if (failure !== undefined) found.push(failure);
  if (found.length > 0) {
    throw new Failure(`${found.join('\n\n')}\n\n${errors.length} errors, ${ours.length} leaks of ${ADDON}`);
  }
  console.log(`No error, and no memory of ${ADDON} was lost`);
});
