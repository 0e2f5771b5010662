import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const lib = fileURLToPath(new URL('lib/', import.meta.url));
const dist = fileURLToPath(new URL('dist/', import.meta.url));

// Tests get what users get. Without this, a test that imports ../lib/x.ts and one that imports 'freebsd-capsule' would
// hold two copies of the package, and its children (which cannot run TypeScript) a third.
const compiledLibrary: Plugin = {
  name: 'compiled-library',
  enforce: 'pre',
  async resolveId(source, importer, options) {
    if (source === 'freebsd-capsule') return `${dist}index.js`;
    if (source === 'freebsd-capsule/testing') return `${dist}testing.js`;
    const resolved = await this.resolve(source, importer, { ...options, skipSelf: true });
    if (!resolved?.id.startsWith(lib) || !resolved.id.endsWith('.ts')) return resolved;
    const id = `${dist}${resolved.id.slice(lib.length, -'.ts'.length)}.js`;
    return existsSync(id) ? id : resolved;
  },
};

/** Begins with the file that takes longest, so that the others are run beside it and not before it. */
class KernelTestsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isKernel = ({ moduleId }: TestSpecification) => moduleId.endsWith('/test/kernel.test.ts');
    const sorted = await super.sort(files);
    return [...sorted.filter(isKernel), ...sorted.filter((file) => !isKernel(file))];
  }
}

export default defineConfig({
  plugins: [compiledLibrary],
  test: {
    include: ['test/**/*.test.ts'],
    // A process for every file: the addon keeps state per process, worker threads may not enter capability mode, and a
    // crash of native code must take down one file's tests and be seen.
    pool: 'forks',
    sequence: { sequencer: KernelTestsFirst },
    // Loaded by Node itself, once, as in a program; what is inlined would be loaded again for every file.
    server: { deps: { external: [/\/dist\//] } },
    // Many tests start processes, on machines that are slow and shared.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: './tsconfig.test.json' },
  },
});
