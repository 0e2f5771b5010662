/** When descriptors and bytes of a Directory come to an end before the calls that use them. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Directory } from 'freebsd-capsule';
import { openDescriptors, temporaryDirectory } from '../support/descriptors.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { type Requirement, runtime } from '../support/requirements.ts';

const requireNode: Requirement = {
  missing: () =>
    runtime === 'node' ? undefined : 'terminating a worker of Bun in the middle of calls is not looked at',
};
const packagePath = import.meta.resolve('freebsd-capsule');

kernelTest(
  'directory: a worker terminated in the middle of its calls leaves no descriptor',
  { needs: [requireNode] },
  async () => {
    const temporary = temporaryDirectory();
    fs.writeFileSync(`${temporary.path}/file`, 'x'.repeat(100_000));
    const program = `
    import { parentPort } from 'node:worker_threads';
    import { Directory } from ${JSON.stringify(packagePath)};
    const directory = Directory.open(${JSON.stringify(temporary.path)});
    const kept = [];
    const open = async () => { for (;;) { const file = await directory.open('file'); kept.push(file); if (kept.length > 40) await kept.shift().close(); } };
    const sub = async () => { for (;;) (await directory.openDirectory('.')).close(); };
    const read = async () => { for (;;) await directory.readFile('file'); };
    for (let turn = 0; turn < 8; turn++) { void open(); void sub(); void read(); }
    setTimeout(() => parentPort.postMessage('busy'), 50);`;
    try {
      const before = [...openDescriptors()];
      for (let turn = 0; turn < 6; turn++) {
        const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
        await once(worker, 'message');
        await worker.terminate();
      }
      // What the thread pool still had is closed when it is done.
      let after = openDescriptors();
      for (let wait = 0; wait < 100 && after.length > before.length; wait++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        after = openDescriptors();
      }
      assert.ok(after.length <= before.length + 2, `${before.length} before, ${after.length} after`);
    } finally {
      temporary.remove();
    }
  },
);

kernelTest('directory: a stream of a closed handle does not read the next file under its number', async () => {
  const temporary = temporaryDirectory();
  using directory = Directory.open(temporary.path);
  try {
    fs.writeFileSync(`${temporary.path}/file`, 'file'.repeat(50_000));
    fs.writeFileSync(`${temporary.path}/other`, 'OTHER'.repeat(50_000));
    const handle = await directory.open('file');
    const number = handle.fd;
    const stream = handle.createReadStream({ highWaterMark: 1024 });
    const chunks: string[] = [];
    const ended = new Promise<void>((resolve) => {
      stream.on('error', () => resolve()).on('close', () => resolve());
    });
    stream.once('data', () => {
      stream.pause();
      void handle.close().then(() => {
        // The lowest free number is the one just closed.
        const other = directory.openSync('other');
        assert.equal(other, number);
        stream.on('data', (chunk) => chunks.push(String(chunk)));
        stream.resume();
        void ended.then(() => fs.closeSync(other));
      });
    });
    await ended;
    assert.ok(!chunks.join('').includes('OTHER'));
  } finally {
    temporary.remove();
  }
});

kernelTest(
  'directory: bytes that are changed, detached or shrunk after the call are written as they were',
  async () => {
    const temporary = temporaryDirectory();
    using directory = Directory.open(temporary.path);
    try {
      const bytes = new Uint8Array(1000).fill(65);
      const written = directory.writeFile('file', bytes);
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      await written;
      assert.equal(fs.readFileSync(`${temporary.path}/file`, 'utf8'), 'A'.repeat(1000));
      // Too large to copy: then it is an error, not a file that is short.
      const large = new Uint8Array(9 * 1024 * 1024);
      const failing = directory.writeFile('large', large);
      structuredClone(large.buffer, { transfer: [large.buffer] });
      await assert.rejects(failing, { code: 'ERR_INVALID_STATE' });
    } finally {
      temporary.remove();
    }
  },
);

kernelTest(
  'directory: closing a handle whose number somebody else closed rejects, once its calls are done',
  async () => {
    const temporary = temporaryDirectory();
    using directory = Directory.open(temporary.path);
    try {
      const handle = await directory.open('file', 'w+');
      const used = handle.stat();
      await used;
      fs.closeSync(handle.fd);
      await assert.rejects(handle.close(), { code: 'EBADF' });
    } finally {
      temporary.remove();
    }
  },
);
