// Packs the package, installs it into an empty folder as a stranger would (no scripts, no network, no compiler), and uses
// it from there: the README's first program in Node and in Bun, the other entry points, the command, types under each
// resolution, of the examples too. Then builds the addon from what was installed, with the one command that the README names.

import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installDependencies } from './dependencies.mjs';
import { kernelEnvironment } from './kernel-in-use.mjs';
import { runNpm } from './npm.mjs';
import { PREBUILDS, prebuildPath } from './prebuilds.mjs';
import { inProject } from './project.mjs';
import { blocksOf, broken, runnable } from './readme.mjs';
import { Failure, outcomeOf, runQuietly, runScript } from './run-command.mjs';
import { compileTypeScript, tsc } from './typescript.mjs';

const SCRIPTS_THAT_RUN_AT_INSTALL = ['preinstall', 'install', 'postinstall', 'prepare'];

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'freebsd-capsule-package-')));
const installed = (...path) => join(folder, 'node_modules/freebsd-capsule', ...path);
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

function check(isRight, complaint) {
  if (!isRight) throw new Failure(complaint);
}

// A program in the folder, as a file and not by --eval: this is how a reader runs it.
function run(program, name, source, env = kernelEnvironment) {
  writeFileSync(join(folder, name), source);
  const { ok, output, stdout, end } = outcomeOf(program, [name], { cwd: folder, env, timeout: 120_000 });
  check(ok, `${program} ${name} failed (${end}):\n${output}`);
  return stdout;
}

function pack() {
  // npm prints the list, but what its lifecycle scripts print stands before it.
  runNpm('Packing', ['pack', `--pack-destination=${folder}`]);
  const { name, version } = readJson(inProject('package.json'));
  return join(folder, `${name}-${version}.tgz`);
}

function install(tarball) {
  writeFileSync(join(folder, 'package.json'), '{ "name": "stranger", "private": true, "type": "module" }\n');
  const cache = join(folder, 'cache');
  runNpm('Installing the tarball', ['install', '--offline', '--ignore-scripts', `--cache=${cache}`, tarball], {
    cwd: folder,
  });
  rmSync(cache, { recursive: true, force: true });
}

function checkContents() {
  const { scripts, dependencies, gypfile, exports } = readJson(installed('package.json'));
  const atInstall = SCRIPTS_THAT_RUN_AT_INSTALL.filter((name) => scripts?.[name] !== undefined);
  check(atInstall.length === 0, `package.json has scripts that run at install: ${atInstall.join(', ')}`);
  // Without the field npm runs node-gyp by itself, because there is a binding.gyp.
  check(gypfile === false, 'package.json does not say "gypfile": false');
  check(dependencies === undefined, `it has dependencies: ${Object.keys(dependencies ?? {}).join(', ')}`);
  const files = [
    ...PREBUILDS.map(({ name }) => prebuildPath(name)),
    ...Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry))),
    ...['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md', 'binding.gyp', 'sources.json'],
    ...Object.values(readJson(inProject('sources.json'))).flat(),
  ];
  const missing = files.filter((path) => !existsSync(installed(path)));
  check(missing.length === 0, `the tarball lacks ${missing.join(', ')}`);
  for (const path of ['test', 'dist/freebsd-tests', 'node_modules', 'build', '.github']) {
    check(!existsSync(installed(path)), `the tarball has ${path}, which is of no use in it`);
  }
  for (const { name } of PREBUILDS) {
    const [ours, theirs] = [inProject(prebuildPath(name)), installed(prebuildPath(name))].map((path) =>
      readFileSync(path),
    );
    check(ours.equals(theirs), `${prebuildPath(name)} is another one in the tarball`);
  }
}

function checkFirstProgram(runtime) {
  const [source] = blocksOf('js');
  const complaint = broken(source, run(runtime, 'readme.mjs', runnable(source)));
  check(complaint === undefined, `The README's first program, in ${runtime}: ${complaint}`);
}

function checkEntryPoints(runtime) {
  const use = (load) => `
    const capsule = ${load('freebsd-capsule')};
    const testing = ${load('freebsd-capsule/testing')};
    console.log([typeof capsule.seal, capsule.kernel.kind, typeof testing.tempJail].join());\n`;
  const kind = process.platform === 'freebsd' ? 'freebsd' : 'simulated';
  const expected = `function,${kind},function\n`;
  const imported = run(
    runtime,
    'imports.mjs',
    use((name) => `await import('${name}')`),
  );
  check(imported === expected, `import in ${runtime}: ${imported}`);
  const required = run(
    runtime,
    'requires.cjs',
    use((name) => `require('${name}')`),
  );
  check(required === expected, `require() in ${runtime}: ${required}`);
}

// Under both of its names, on the plan that the README names and on one with a fault.
function checkCommand() {
  const plan = installed('examples/capsule-plan.json');
  const wrong = join(folder, 'wrong.json');
  writeFileSync(wrong, '{ "version": 1, "jail": { "path": "/jails/web" }, "jial": {} }\n');
  for (const name of ['capsule', 'freebsd-capsule']) {
    const program = join(folder, 'node_modules/.bin', name);
    const good = outcomeOf(program, ['check', '--schema-only', plan], { cwd: folder });
    check(good.ok, `${name} check (${good.end}):\n${good.output}`);
    const bad = outcomeOf(program, ['check', '--schema-only', wrong], { cwd: folder });
    check(bad.end === 'exit status 65' && bad.output.includes('jial'), `${name} check (${bad.end}):\n${bad.output}`);
  }
}

// Without the addon, the package is still imported: that is what a program on another system does.
function checkImportWithoutAddon(runtime) {
  const source = `
    const { kernel, enter } = await import('freebsd-capsule');
    try { enter(); } catch (error) { console.log(error.code, error.message.includes('npm --prefix')); }\n`;
  rmSync(installed('prebuilds'), { recursive: true, force: true });
  const output = run(runtime, 'without-addon.mjs', source);
  check(output === 'ENOSYS true\n', `without its addon, in ${runtime}: ${output}`);
}

const TYPED_PROGRAM = `
import { Capability, type Right, Rights, seal } from 'freebsd-capsule';
import { tempJail } from 'freebsd-capsule/testing';
const right: Right = 'read';
const reader: Capability<'read'> = Capability.of(0, Rights.of('read', 'seek')).limit(Rights.of(right));
// @ts-expect-error a capability never widens
reader.limit(Rights.of('write'));
// @ts-expect-error no such option
seal({ server: [] });
export const jail = tempJail({ 'host.hostname': 'a' });
`;

function checkTypes() {
  writeFileSync(join(folder, 'program.ts'), TYPED_PROGRAM);
  symlinkSync(inProject('node_modules/@types'), installed('../@types'));
  cpSync(installed('examples'), join(folder, 'examples'), { recursive: true });
  const examples = readdirSync(join(folder, 'examples')).filter((name) => name.endsWith('.ts'));
  check(examples.length > 0, 'the tarball has no examples');
  for (const [module, moduleResolution] of [
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ]) {
    const compilerOptions = {
      ...{
        module,
        moduleResolution,
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        target: 'es2023',
        types: ['node'],
      },
      lib: ['es2023', 'esnext.disposable'],
    };
    const files = ['program.ts', ...examples.map((name) => `examples/${name}`)];
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    runQuietly(`Checking types (${moduleResolution})`, process.execPath, [tsc, '-p', folder]);
  }
}

function checkBuildFromSource() {
  check(!existsSync(installed('prebuilds')), 'the prebuilt addon would answer');
  runNpm('Building from source', ['--prefix', installed(), 'run', 'setup'], { cwd: folder });
  check(existsSync(installed('build/Release/freebsd_capsule.node')), 'the build left no addon');
  checkFirstProgram(process.execPath);
}

await runScript(async () => {
  installDependencies();
  await compileTypeScript();
  const { findBun, promisedTiers } = await import('../build/test/support/requirements.js');
  const bun = findBun();
  check(bun !== undefined || !promisedTiers().includes('bun'), "CAPSULE_REQUIRE promises 'bun', but no bun was found");
  const runtimes = [process.execPath, ...(bun === undefined ? [] : [bun])];
  if (bun === undefined) console.log('skipped: the package in Bun (no bun was found: $BUN, build/tools/bun, PATH)');

  const each = (what) => () => runtimes.forEach(what);
  const steps = {
    'installs offline, without scripts': () => install(pack()),
    'contains what it should': checkContents,
    'runs the README’s first program': each(checkFirstProgram),
    'is imported and required': each(checkEntryPoints),
    'checks plans by its command': checkCommand,
    'has types for node16, nodenext and bundler': checkTypes,
    'is imported without its addon': each(checkImportWithoutAddon),
    'is built from source by one command': checkBuildFromSource,
  };
  let passed = 0;
  try {
    for (const [name, step] of Object.entries(steps)) {
      step();
      passed++;
      console.log(`ok      the package ${name}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    const failed = passed === Object.keys(steps).length ? 0 : 1;
    console.log(`${passed} passed, ${failed} failed`);
  }
});
