// Fuzzes what native/ makes of bytes, without Node: libFuzzer under ASan and UBSan, over the simulated kernel.
//
//   npm run fuzz [-- [target] [seconds]]   default: every target in fuzz/, for 60 seconds each
//
// First every input of fuzz/corpus/<target>/ runs. A new input that fails is written there, to stay: it fails from then
// on until what it found is put right. What else the fuzzer learns is in build/fuzz/.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { findClangTool, isRecent } from './clang-tools.mjs';
import { runInParallel } from './in-parallel.mjs';
import { inProject } from './project.mjs';
import { Failure, outcomeOf, runScript } from './run-command.mjs';

const built = (...path) => inProject('build/fuzz', ...path);
const SANITIZERS = '-fsanitize=fuzzer-no-link,address,undefined';
const FLAGS = [
  ...['-std=c++20', '-g', '-O1', '-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter'],
  ...[SANITIZERS, '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-fno-exceptions'],
  ...['-I', inProject('native/simulation/include')],
];
// An input that hangs fails too; machines are slow and shared.
const LIMITS = ['-timeout=60', '-rss_limit_mb=4096'];

// The parts of the binding that need no Node-API.
const PURE = ['native/descriptor_records.cc', 'native/executable.cc', 'native/jail_parameter_record.cc'];
// What the simulated kernel adds for JavaScript.
const FOR_NODE = 'native/simulation/simulated_kernel.cc';

const targets = readdirSync(inProject('fuzz'))
  .filter((name) => name.endsWith('.cc'))
  .map((name) => basename(name, '.cc'));

function readArguments(words) {
  const isNumber = (word) => /^\d+$/.test(word);
  const [target] = words.filter((word) => !isNumber(word));
  const seconds = Number(words.find(isNumber) ?? 60);
  if (target !== undefined && !targets.includes(target)) {
    throw new Failure(`There is no target '${target}'; there are ${targets.join(', ')}.`);
  }
  return { chosen: target === undefined ? targets : [target], seconds };
}

async function build(chosen) {
  mkdirSync(built(), { recursive: true });
  const hasFuzzer = (program) =>
    isRecent(program) && outcomeOf(program, ['-fsanitize=fuzzer', '-xc++', '-', '-o', built('probe')], PROBE).ok;
  const clang = findClangTool('clang++', 'CLANGXX', hasFuzzer, 'Debian: apt-get install clang-19 libclang-rt-19-dev');

  const { simulation } = JSON.parse(readFileSync(inProject('sources.json'), 'utf8'));
  const shared = [...PURE, ...simulation.filter((source) => source !== FOR_NODE)];
  const objectOf = (source) => built(`${source.replaceAll('/', '-')}.o`);
  await runInParallel(
    'Compiling',
    [...shared, ...chosen.map((target) => `fuzz/${target}.cc`)].map((source) => [
      ...[clang, ...FLAGS, '-c', inProject(source), '-o', objectOf(source)],
    ]),
  );
  await runInParallel(
    'Linking',
    chosen.map((target) => [
      ...[clang, SANITIZERS.replace('fuzzer-no-link', 'fuzzer'), '-fno-sanitize-recover=all', '-o', built(target)],
      ...[`fuzz/${target}.cc`, ...shared].map(objectOf),
    ]),
  );
}

const PROBE = {
  input: '#include <cstdint>\nextern "C" int LLVMFuzzerTestOneInput(const uint8_t*, unsigned long) { return 0; }\n',
  stdio: ['pipe', 'pipe', 'pipe'],
};

function replay(chosen) {
  for (const target of chosen) {
    const corpus = inProject('fuzz/corpus', target);
    const inputs = existsSync(corpus) ? readdirSync(corpus).map((name) => join(corpus, name)) : [];
    if (inputs.length === 0) throw new Failure(`${corpus} is empty: a target starts from some inputs that make sense.`);
    // Named one by one, each is run as it is.
    const { ok, output } = outcomeOf(built(target), [...LIMITS, ...inputs]);
    if (!ok) throw new Failure(`${output.slice(-20_000)}\n\n${target}: an input of ${corpus} fails (see above)`);
    console.log(`${target}: ${inputs.length} inputs run again`);
  }
}

await runScript(async () => {
  const { chosen, seconds } = readArguments(process.argv.slice(2));
  await build(chosen);
  replay(chosen);
  if (seconds === 0) return;
  for (const target of chosen) mkdirSync(built('corpus', target), { recursive: true });
  await runInParallel(
    'Fuzzing',
    chosen.map((target) => [
      ...[built(target), ...LIMITS, `-max_total_time=${seconds}`, '-use_value_profile=1'],
      ...[`-artifact_prefix=${inProject('fuzz/corpus', target)}/`, '-print_final_stats=1', '-verbosity=0'],
      ...[built('corpus', target), inProject('fuzz/corpus', target)],
    ]),
    {
      done: ([program], output) => {
        const runs = /stat::number_of_executed_units:\s*(\d+)/.exec(output)?.[1];
        console.log(`${basename(program)}: ${runs} inputs in ${seconds} s, nothing found`);
      },
    },
  );
});
