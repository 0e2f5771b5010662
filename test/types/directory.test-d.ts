import type { Dirent, ReadStream, Stats } from 'node:fs';
import { type Capsule, Directory, type FileHandle, type Rights, seal } from 'freebsd-capsule';
import { expectTypeOf, test } from 'vitest';

test('a sealed plan gives back the directories that it names, and no others', async () => {
  const plan = () =>
    seal({ directories: { site: { path: '/site' }, logs: { path: '/logs', rights: Directory.APPEND_ONLY } } });
  expectTypeOf(plan).returns.toEqualTypeOf<Promise<Capsule<'site' | 'logs'>>>();
  const use = (capsule: Capsule<'site' | 'logs'>) => {
    expectTypeOf(capsule.directories.site).toEqualTypeOf<Directory>();
    expectTypeOf(capsule.directories.site.rights).toEqualTypeOf<Rights>();
    // @ts-expect-error: not in the plan
    capsule.directories.nowhere;
    // @ts-expect-error: read-only
    capsule.directories.site = capsule.directories.logs;
  };
  expectTypeOf(use).toBeFunction();
  // @ts-expect-error: no right of rights(4)
  const wrong = () => seal({ directories: { site: { path: '/site', rights: ['nope'] } } });
  expectTypeOf(wrong).toBeFunction();
});

test('results depend on the options as in node:fs', () => {
  const use = (directory: Directory, handle: FileHandle) => {
    expectTypeOf(directory.readFileSync('x')).toEqualTypeOf<Buffer>();
    expectTypeOf(directory.readFileSync('x', 'utf8')).toEqualTypeOf<string>();
    expectTypeOf(directory.statSync('x')).toEqualTypeOf<Stats>();
    expectTypeOf(directory.statSync('x', { throwIfNoEntry: false })).toEqualTypeOf<Stats | undefined>();
    expectTypeOf(directory.readdirSync('.', { withFileTypes: true })).toEqualTypeOf<Dirent[]>();
    expectTypeOf(directory.readdirSync('.', 'buffer')).toEqualTypeOf<Buffer[]>();
    expectTypeOf(directory.createReadStream('x')).toEqualTypeOf<ReadStream>();
    expectTypeOf(directory.open('x')).toEqualTypeOf<Promise<FileHandle>>();
    expectTypeOf(handle.readv([Buffer.alloc(1)])).resolves.toHaveProperty('bytesRead');
    // @ts-expect-error: a URL names a file of the whole system
    void directory.readFile(new URL('file:///x'));
    // @ts-expect-error: another directory is a Directory
    void directory.rename('x', 'y', { into: '/tmp' });
    void directory.rm('x', { recursive: true, maxRetries: 3, retryDelay: 10 });
  };
  expectTypeOf(use).toBeFunction();
  expectTypeOf(Directory.READ).toExtend<Rights>();
});
