/** The addon has state per thread; capability mode and descriptors belong to the process. */

import { Worker } from 'node:worker_threads';
import { getRights, limitRights, listDescriptors } from 'freebsd-capsule';
import { afterAll, describe, expect, test } from 'vitest';
import { ScratchFiles } from './support/descriptors.ts';
import { childOutcome } from './support/in-child.ts';

const files = new ScratchFiles();
afterAll(() => files.remove());

/** Runs in a worker: answers what `question`, a function body, makes of the package and of `workerData`. */
function ask<Answer>(question: string, workerData?: unknown): Promise<Answer> {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    import('freebsd-capsule').then(async (capsule) => {
      parentPort.postMessage(await (async () => { ${question} })());
    });`;
  const worker = new Worker(program, { eval: true, workerData });
  return new Promise((resolve, reject) => {
    let answer: Answer;
    worker.once('message', (message) => {
      answer = message;
    });
    worker.once('error', reject);
    worker.once('exit', () => resolve(answer));
  });
}

describe('in worker threads', () => {
  test('the package loads and works in four at once', async () => {
    const fd = files.open();
    limitRights(fd, ['pread', 'fstat']);
    const question = `
      const rights = [...capsule.getRights(workerData)];
      const listed = capsule.listDescriptors().find(({ fd }) => fd === workerData);
      let refused;
      try {
        capsule.limitRights(workerData, ['write']);
      } catch (error) {
        refused = { ...error };
      }
      return [rights, [...listed.rights], listed.kind, capsule.isSandboxed(), refused];`;
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask(question, fd)));
    const rights = ['read', 'seek', 'fstat'];
    const refused = { errno: -93, code: 'ENOTCAPABLE', syscall: 'cap_rights_limit', fd };
    expect(answers).toEqual(Array(4).fill([rights, rights, 'file', false, refused]));
  });

  test('what a worker limits is limited for all', async () => {
    const fd = files.open();
    await ask("capsule.limitRights(workerData, ['read']);", fd);
    expect([...getRights(fd)]).toEqual(['read']);
    expect(listDescriptors().find((descriptor) => descriptor.fd === fd)?.ioctls).toEqual([]);
  });

  test('threads that ask at the same time get whole answers', async () => {
    const fds = Array.from({ length: 4 }, () => files.open());
    const question = `
      for (let round = 0; round < 200; round++) {
        const found = capsule.listDescriptors().map(({ fd }) => fd);
        for (const fd of workerData) if (!found.includes(fd)) return 'descriptor ' + fd + ' is missing';
        if (!capsule.getRights(workerData[0]).has('read')) return 'no right to read';
      }
      return 'whole';`;
    expect(await Promise.all([1, 2, 3, 4].map(() => ask(question, fds)))).toEqual(Array(4).fill('whole'));
  });
});

describe('the end of a worker', () => {
  test('at any moment takes nothing else down', async () => {
    // In a child, where a crash is an exit status.
    const outcome = await childOutcome(async (api) => {
      const { Worker: ChildWorker } = process.getBuiltinModule('node:worker_threads');
      const program = `
        import('freebsd-capsule').then((capsule) => {
          for (;;) {
            capsule.listDescriptors();
            try { capsule.getRights(100000); } catch {}
          }
        });`;
      let ended = 0;
      for (let round = 0; round < 10; round++) {
        const workers = Array.from({ length: 3 }, () => new ChildWorker(program, { eval: true }));
        await Promise.all(
          workers.map(async (worker, index) => {
            await new Promise((resolve) => setTimeout(resolve, (round * 37 + index * 53) % 150));
            await worker.terminate();
            ended++;
          }),
        );
      }
      return [ended, api.isSandboxed(), api.listDescriptors().length > 0];
    });
    expect(outcome).toMatchObject({ status: 0, signal: null, stderr: '', result: [30, false, true] });
  });
});
