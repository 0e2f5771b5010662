/** What the runtime's own calls on a descriptor give when it lacks the right for them. */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { getRights, limitRights, type Right, Rights } from 'freebsd-capsule';
import { ScratchFiles } from '../support/descriptors.ts';
import { inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';

interface Outcome {
  readonly withRight: string;
  readonly withoutRight: { errno: number; recognised: boolean; explanation: string };
}

/** Makes a call of node:fs on a descriptor with the rights it needs, then on one that lacks `dropped`. */
async function callWith(call: string, rights: readonly Right[], dropped: Right): Promise<Outcome> {
  return await inChild(
    (capsule, { call, rights, dropped }) => {
      const fs = process.getBuiltinModule('node:fs');
      const { mkdtempSync, writeFileSync, openSync, rmSync } = fs;
      const folder = mkdtempSync(`${process.getBuiltinModule('node:os').tmpdir()}/capsule-`);
      const file = `${folder}/file`;
      writeFileSync(file, 'content');
      const run = new Function('fs', 'fd', `return fs.${call}`) as (fs: unknown, fd: number) => unknown;
      const held = capsule.Rights.from(rights);
      try {
        const able = openSync(file, 'r+');
        capsule.limitRights(able, held);
        const withRight = typeof run(fs, able);
        const unable = openSync(file, 'r+');
        capsule.limitRights(unable, held.without(dropped));
        try {
          run(fs, unable);
        } catch (error) {
          const withoutRight = {
            errno: Math.abs((error as NodeJS.ErrnoException).errno ?? 0),
            recognised: capsule.isCapabilityError(error),
            explanation: capsule.explainCapabilityError(error) ?? '',
          };
          return { withRight, withoutRight };
        }
        throw new Error(`${call} worked without ${dropped}`);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    { input: { call, rights, dropped } },
  );
}

const CALLS: readonly [call: string, rights: readonly Right[], dropped: Right][] = [
  ['readSync(fd, Buffer.alloc(3), 0, 3, null)', ['read'], 'read'],
  ['readSync(fd, Buffer.alloc(3), 0, 3, 0)', ['pread'], 'seek'],
  ['writeSync(fd, "x")', ['write'], 'write'],
  ['writeSync(fd, "x", 0)', ['pwrite'], 'seek'],
  ['fstatSync(fd)', ['fstat'], 'fstat'],
  ['ftruncateSync(fd, 1)', ['ftruncate'], 'ftruncate'],
  ['fsyncSync(fd)', ['fsync'], 'fsync'],
  ['fchmodSync(fd, 0o600)', ['fchmod'], 'fchmod'],
  ['futimesSync(fd, 1, 1)', ['futimes'], 'futimes'],
];

for (const [call, rights, dropped] of CALLS) {
  kernelTest(`fs.${call} needs '${dropped}'`, async () => {
    const { withRight, withoutRight } = await callWith(call, rights, dropped);
    assert.notEqual(withRight, '');
    assert.equal(withoutRight.errno, 93);
    assert.equal(withoutRight.recognised, true);
    assert.notEqual(withoutRight.explanation, '');
  });
}

kernelTest('rights only narrow, and a refused call leaves them as they were', async () => {
  const seen = await inChild((capsule) => {
    const fs = process.getBuiltinModule('node:fs');
    const fd = fs.openSync('/etc/passwd', 'r');
    capsule.limitRights(fd, ['read', 'fstat']);
    let refusal: { code?: string; errno?: number; syscall?: string; fd?: number } = {};
    try {
      capsule.limitRights(fd, ['read', 'write']);
    } catch (error) {
      const { code, errno, syscall, fd: named } = error as NodeJS.ErrnoException & { fd: number };
      refusal = { code: code ?? '', errno: errno ?? 0, syscall: syscall ?? '', fd: named - fd };
    }
    return { refusal, rights: [...capsule.getRights(fd)] };
  });
  assert.deepEqual(seen, {
    refusal: { code: 'ENOTCAPABLE', errno: -93, syscall: 'cap_rights_limit', fd: 0 },
    rights: ['read', 'fstat'],
  });
});

kernelTest('a descriptor opened anew has every right that the kernel knows, by name', async () => {
  const missing = await inChild((capsule) => {
    const fd = process.getBuiltinModule('node:fs').openSync('/dev/null', 'r');
    const rights = capsule.getRights(fd);
    return capsule.RIGHTS.filter((right) => !rights.has(right));
  });
  assert.deepEqual(missing, []);
});

kernelTest("losing 'ioctl' and 'fcntl' empties their lists", async () => {
  const seen = await inChild((capsule) => {
    const fd = process.getBuiltinModule('node:fs').openSync('/dev/null', 'r');
    const before = [capsule.getIoctls(fd), capsule.getFcntls(fd)];
    capsule.limitIoctls(fd, ['FIONBIO', 'FIONREAD', 0x20006601]);
    capsule.limitFcntls(fd, ['getfl', 'setfl']);
    const limited = [capsule.getIoctls(fd), capsule.getFcntls(fd)];
    capsule.limitRights(fd, ['read']);
    return [before, limited, [capsule.getIoctls(fd), capsule.getFcntls(fd)]];
  });
  assert.deepEqual(seen, [
    ['all', ['getfl', 'setfl', 'getown', 'setown']],
    [
      ['FIONBIO', 'FIONREAD', 'FIOCLEX'],
      ['getfl', 'setfl'],
    ],
    [[], []],
  ]);
});

// A thread of the pool closes it, and what is opened next may have its number before the program is told so.
for (const [form, close] of [
  [
    'fs.close',
    async (path: string) => {
      const fd = fs.openSync(path, 'r');
      return { fd, closed: new Promise<unknown>((resolve) => fs.close(fd, resolve)) };
    },
  ],
  [
    'FileHandle#close',
    async (path: string) => {
      const handle = await fs.promises.open(path, 'r');
      return { fd: handle.fd, closed: handle.close() };
    },
  ],
] as const) {
  kernelTest(`rights: ${form} that ends later leaves those of the next file of its number alone`, async () => {
    const scratch = new ScratchFiles();
    try {
      const { fd, closed } = await close(scratch.file);
      const next: number[] = [];
      for (let look = 0; look < 1000 && !next.includes(fd); look++) {
        for (const other of next.splice(0)) fs.closeSync(other);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        // The lowest that is free: with as many as this one is among them.
        while (next.length < 20 && !next.includes(fd)) next.push(scratch.open());
      }
      assert(next.includes(fd), 'it was never closed');
      const some = Rights.of('read', 'fstat');
      limitRights(fd, some);
      await closed;
      assert.deepEqual([...getRights(fd)], [...some]);
    } finally {
      scratch.remove();
    }
  });
}

kernelTest(
  'rights: a close that is refused changes none, and one that works leaves none to the next file',
  async () => {
    const scratch = new ScratchFiles();
    try {
      const fd = scratch.open();
      limitRights(fd, ['read', 'fstat']);
      assert.throws(() => fs.close(fd, 5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.deepEqual([...getRights(fd)], ['read', 'fstat']);
      await new Promise((resolve) => fs.close(fd, resolve));
      assert(getRights(scratch.open()).has('write'));
    } finally {
      scratch.remove();
    }
  },
);
