// Runs the tests of native code with the addon built under ASan and UBSan, over the simulated kernel, and looks for memory
// of the addon's that is lost.
//
//   npm run test:asan [-- part of a test's path …]
//
// It happens in a copy of the project, build/sanitized/, so that the addon which everything else uses stays what it is.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { installDependencies } from './dependencies.mjs';
import { kernelEnvironment } from './kernel-in-use.mjs';
import { nodeHeaders } from './node-headers.mjs';
import { inProject } from './project.mjs';
import { Failure, runQuietly, runScript } from './run-command.mjs';
import { compileTypeScript } from './typescript.mjs';

const COPY = inProject('build/sanitized');
const inCopy = (...path) => join(COPY, ...path);
const ADDON = 'freebsd_capsule.node';
const REPORTS = inCopy('reports');

const COPIED = [
  ...['binding.gyp', 'sources.json', 'package.json', 'tsconfig.json', 'tsconfig.test.json', 'vitest.config.ts'],
  ...[
    'native',
    'lib',
    'dist',
    'test',
    'examples',
    'scripts',
    'README.md',
    'build/test',
    'build/examples',
    'build/helpers',
  ],
];

// Those that reach native code; what the rest does in JavaScript alone is the same in `npm test`.
const TESTS = [
  ...[
    'test/native.test.ts',
    'test/event-thread.test.ts',
    'test/worker.test.ts',
    'test/capsicum',
    'test/kernel.test.ts',
  ],
  ...['test/capsule/inventory.test.ts', 'test/capsule/seal.test.ts', 'test/jail', 'test/process', 'test/stress'],
];

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
  gyp('build', `--jobs=${availableParallelism()}`);
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
  CAPSULE_WORKER_ROUNDS: process.env.CAPSULE_WORKER_ROUNDS ?? '4',
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

// Nothing found says something only where something would be found: there are places where LeakSanitizer cannot look.
function checkLeaksAreFound(library) {
  const program = inCopy('leaks');
  const options = { input: '#include <stdlib.h>\nint main(void) { return *(volatile char *)calloc(1, 77); }\n' };
  runQuietly('Building a program that leaks', process.env.CC ?? 'cc', ['-g', '-xc', '-', '-o', program], {
    ...options,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  runQuietly('Running a program that leaks', program, [], { env: environment(library) });
  if (!takeReports().leaks.some((block) => block.includes('77 byte') && block.includes(`(${program})`))) {
    throw new Failure('LeakSanitizer does not find a leak that is there; it cannot tell of others either.');
  }
}

function test(picked, library) {
  const { status, signal } = spawnSync(
    process.execPath,
    [
      inProject('node_modules/vitest/vitest.mjs'),
      ...['run', '--typecheck.enabled=false', `--maxWorkers=${availableParallelism()}`, ...picked],
    ],
    { cwd: COPY, stdio: 'inherit', env: environment(library) },
  );
  return status === 0 ? undefined : `The tests failed under ASan and UBSan (${signal ?? status})`;
}

await runScript(() => {
  installDependencies();
  compileTypeScript();
  copy();
  build();
  const library = runtimeLibrary();
  mkdirSync(REPORTS, { recursive: true });
  takeReports();
  checkLeaksAreFound(library);
  const picked = process.argv.slice(2);
  const failure = test(picked.length > 0 ? picked : TESTS, library);
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
