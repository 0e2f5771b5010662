/** What crosses the boundary between a test and its child, and what happens when the child does not come back. */

import { expect, test } from 'vitest';
import { childOutcome, inChild } from './in-child.ts';

test('JSON goes in and comes out', async () => {
  const sum = await inChild((_, numbers: number[]) => numbers.reduce((a, b) => a + b), { input: [1, 2, 3] });
  expect(sum).toBe(6);
});

test('a body without a result gives undefined', async () => {
  expect(await inChild(() => {})).toBeUndefined();
});

test('the package is there', async () => {
  expect(await inChild((capsule) => capsule.isSandboxed())).toBe(false);
});

test('a system error arrives with all that it carries', async () => {
  const failure = inChild(() => {
    process.getBuiltinModule('node:fs').closeSync(999_999);
  });
  await expect(failure).rejects.toMatchObject({ name: 'Error', code: 'EBADF', syscall: 'close', errno: -9 });
  await expect(failure).rejects.toThrow('EBADF: bad file descriptor, close');
});

test('so do its cause and its class', async () => {
  const failure = inChild(() => {
    throw new TypeError('outer', { cause: Object.assign(new Error('inner'), { fd: 3 }) });
  });
  await expect(failure).rejects.toMatchObject({ name: 'TypeError', cause: { message: 'inner', fd: 3 } });
});

test('what the body writes is told apart from the report', async () => {
  const outcome = await childOutcome(() => {
    process.stdout.write('x'.repeat(200_000));
    console.error('to standard error');
    process.exitCode = 7;
    return 'done';
  });
  expect(outcome).toMatchObject({ result: 'done', status: 7, signal: null, stderr: 'to standard error\n' });
  expect(outcome.stdout).toBe('x'.repeat(200_000));
});

test('a child that dies before its body ends is an error that shows its output', async () => {
  const failure = inChild(() => {
    console.log('last words');
    process.kill(process.pid, 'SIGKILL');
    return new Promise(() => {});
  });
  await expect(failure).rejects.toThrow(/SIGKILL.*\n.*last words/);
});

test('a child that hangs is killed by its watchdog', async () => {
  const failure = inChild(
    () => {
      console.log('about to hang');
      for (;;);
    },
    { timeoutMs: 3000 },
  );
  await expect(failure).rejects.toThrow(/killed by its watchdog after 3000 ms/);
});

test('what the body leaves open does not keep the child', async () => {
  const status = await childOutcome(() => {
    setInterval(() => {}, 1000);
  });
  expect(status).toMatchObject({ status: 0 });
});
