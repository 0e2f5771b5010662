// Builds test/conformance/questions, the program that asks a kernel: for this machine with its compiler (off FreeBSD
// against the simulated kernel), for FreeBSD with zig.

import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { tools } from './prebuild-tools.mjs';
import { inProject, root } from './project.mjs';
import { Failure, runQuietly } from './run-command.mjs';

const QUESTIONS = 'test/conformance/questions';
const BUILT = inProject('build/helpers/questions');
const FLAGS = ['-std=c++20', '-O1', '-Wall', '-Wextra', '-Wno-unused-parameter'];

const timeOf = (path) => statSync(inProject(path), { throwIfNoEntry: false })?.mtimeMs ?? 0;

function sourcesFor(kernel) {
  const lists = JSON.parse(readFileSync(inProject('sources.json'), 'utf8'));
  const other = kernel === 'freebsd' ? 'simulated_only.cc' : 'freebsd_only.cc';
  const questions = readdirSync(inProject(QUESTIONS)).filter((name) => name.endsWith('.cc') && name !== other);
  // What speaks Node-API is no part of a program.
  const ofAddon = ['native/freebsd_kernel.cc', 'native/simulation/simulated_kernel.cc'];
  const calls = lists[kernel === 'freebsd' ? 'freebsd' : 'simulation'].filter((path) => !ofAddon.includes(path));
  return [...questions.map((name) => join(QUESTIONS, name)), ...calls, 'native/executable.cc'];
}

function newestHeader(folder = 'native') {
  const times = readdirSync(inProject(folder), { recursive: true })
    .filter((name) => name.endsWith('.h'))
    .map((name) => timeOf(join(folder, name)));
  return Math.max(timeOf(folder), ...times);
}

// As many at a time as there are processors.
async function compileAll(compiler, jobs) {
  const waiting = [...jobs];
  const failures = [];
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const child = spawn(compiler[0], [...compiler.slice(1), '-c', job.source, '-o', job.object], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
      const status = await new Promise((resolve) => {
        child.on('error', (error) => resolve(error.message));
        child.on('close', resolve);
      });
      if (status !== 0) failures.push(`${job.source}: ${status}\n${output}`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (failures.length > 0) throw new Failure(`Building the questions failed:\n${failures.join('\n')}`);
}

export async function buildQuestions() {
  const kernel = process.platform === 'freebsd' ? 'freebsd' : 'simulated';
  const sources = sourcesFor(kernel);
  const headers = Math.max(newestHeader(), newestHeader(QUESTIONS));
  const folder = inProject('build/questions');
  mkdirSync(folder, { recursive: true });
  mkdirSync(dirname(BUILT), { recursive: true });
  const jobs = sources.map((source) => ({ source, object: join(folder, `${source.replaceAll('/', '-')}.o`) }));
  const stale = jobs.filter(({ source, object }) => {
    const built = statSync(object, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    return built < timeOf(source) || built < headers;
  });
  if (stale.length === 0 && timeOf('build/helpers/questions') > 0) return;
  const compiler = (process.env.CXX ?? 'c++').split(' ');
  const include = kernel === 'freebsd' ? [] : ['-Inative/simulation/include'];
  await compileAll([...compiler, ...FLAGS, ...include], stale);
  const objects = jobs.map(({ object }) => object);
  runQuietly('Linking the questions', compiler[0], [...compiler.slice(1), ...objects, '-pthread', '-o', BUILT]);
}

const TARGETS = { x64: 'x86_64-freebsd.14.0', arm64: 'aarch64-freebsd.14.0' };

export function crossBuildQuestions(arch, zig, output) {
  mkdirSync(dirname(output), { recursive: true });
  const flags = [...FLAGS, '-target', TARGETS[arch], '-s', '-fno-sanitize=undefined', '-Wno-nullability-completeness'];
  runQuietly(
    `Building the questions for FreeBSD ${arch}`,
    zig,
    ['c++', ...flags, '-o', output, ...sourcesFor('freebsd')],
    {
      env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: tools('zig-cache'), ZIG_LOCAL_CACHE_DIR: tools('zig-cache') },
    },
  );
  chmodSync(output, 0o755);
}
