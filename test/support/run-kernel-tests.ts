/**
 * The program behind run.sh of the bundle, and behind `npm test` for runtimes that vitest does not run in: every
 * compiled kernel test, or those whose name, or file's name, contains the argument.
 */

import { existsSync, readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { kernel } from 'freebsd-capsule';
import { compiled } from './compiled.ts';
import { type KernelTest, takeRegisteredTests } from './kernel-test.ts';
import { promisedTiers, runtime } from './requirements.ts';
import { runTests } from './runner.ts';

const [wanted = ''] = process.argv.slice(2);

console.log(`runtime: ${runtime} ${process.versions[runtime]} (${process.platform}-${process.arch})`);
console.log(`kernel: ${kernel.kind} ${kernel.release} (${kernel.osreldate}), user ${process.geteuid?.()}`);
if (promisedTiers().includes('kernel') && kernel.kind !== 'freebsd') {
  throw new Error(`CAPSULE_REQUIRE promises 'kernel', but the kernel is the ${kernel.kind} one`);
}

const tests: KernelTest[] = [];
for (const folder of ['test/kernel', 'test/conformance'].map(compiled).filter((path) => existsSync(path))) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.kernel.js'));
  for (const file of files.sort()) {
    await import(pathToFileURL(`${folder}/${file}`).href);
    tests.push(...takeRegisteredTests().filter(({ name }) => name.includes(wanted) || file.includes(wanted)));
  }
}
const { passed, failed } = await runTests(tests);
// Nothing run is nothing shown.
process.exit(failed > 0 || passed === 0 ? 1 : 0);
