import { isSandboxed } from 'freebsd-capsule';
import { describe, expect, test } from 'vitest';
import { isSandboxedQuietly } from '../../lib/capsicum/mode.ts';
import { inChild } from '../support/in-child.ts';

describe('enter and isSandboxed', () => {
  test('a process is not in capability mode until it enters, and cannot leave', async () => {
    const modes = await inChild((api) => {
      const before = api.isSandboxed();
      api.enter();
      const after = api.isSandboxed();
      api.enter();
      return [before, after, api.isSandboxed()];
    });
    expect(modes).toEqual([false, true, true]);
    expect(isSandboxed()).toBe(false);
  });

  test('return nothing but the answer', async () => {
    expect(await inChild((api) => [typeof api.enter(), typeof api.isSandboxed()])).toEqual(['undefined', 'boolean']);
  });

  test('limits work in capability mode, and only narrow', async () => {
    const answers = await inChild((api) => {
      const fs = process.getBuiltinModule('node:fs');
      const fd = fs.openSync('/dev/null', 'r+');
      api.limitRights(fd, ['read', 'write']);
      api.enter();
      api.limitRights(fd, ['read']);
      let code: unknown;
      try {
        api.limitRights(fd, ['read', 'write']);
      } catch (error) {
        code = (error as NodeJS.ErrnoException).code;
      }
      return [JSON.stringify(api.getRights(fd)), api.getIoctls(fd), api.getFcntls(fd), code];
    });
    expect(answers).toEqual(['["read"]', [], [], 'ENOTCAPABLE']);
  });

  test('in a worker entering is refused, asking is not', async () => {
    const { answers, sandboxed } = await inChild(async (api) => {
      const program = `
        const { parentPort } = require('node:worker_threads');
        import('freebsd-capsule').then(async (capsule) => {
          const answers = [];
          for (const call of [() => capsule.enter(), () => capsule.seal({}), () => capsule.seal(5), () => capsule.isSandboxed()]) {
            try {
              answers.push(await call());
            } catch (error) {
              answers.push({ ...error, name: error.constructor.name, message: error.message });
            }
          }
          parentPort.postMessage(answers);
        });`;
      const { Worker } = process.getBuiltinModule('node:worker_threads');
      const worker = new Worker(program, { eval: true });
      const answers = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      return { answers, sandboxed: api.isSandboxed() };
    });
    const refusal = (operation: string) => ({
      code: 'ERR_WORKER_UNSUPPORTED_OPERATION',
      name: 'TypeError',
      message: `${operation} is not supported in workers`,
    });
    expect(answers).toEqual([refusal('enter()'), refusal('seal()'), refusal('seal()'), false]);
    expect(sandboxed).toBe(false);
  });

  test('what another process entered does not concern this one, what a thread sees does', async () => {
    const seen = await inChild(async (api) => {
      const { Worker } = process.getBuiltinModule('node:worker_threads');
      const program = `
        const { parentPort } = require('node:worker_threads');
        import('freebsd-capsule').then((capsule) => {
          parentPort.on('message', () => parentPort.postMessage(capsule.isSandboxed()));
          parentPort.postMessage(capsule.isSandboxed());
        });`;
      const worker = new Worker(program, { eval: true });
      const next = () => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      const before = await next();
      api.enter();
      worker.postMessage('again');
      return [before, await next()];
    });
    expect(seen).toEqual([false, true]);
  });

  test('the quiet question loads nothing', async () => {
    expect(isSandboxedQuietly()).toBe(isSandboxed());
  });
});
