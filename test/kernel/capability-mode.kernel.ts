import assert from 'node:assert/strict';
import { childOutcome, inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';

kernelTest('enter() puts the process into capability mode, and isSandboxed() tells', async () => {
  const modes = await inChild((capsule) => {
    const before = capsule.isSandboxed();
    capsule.enter();
    return [before, capsule.isSandboxed()];
  });
  assert.deepEqual(modes, [false, true]);
});

kernelTest('entering twice is no error', async () => {
  const mode = await inChild((capsule) => {
    capsule.enter();
    capsule.enter();
    return capsule.isSandboxed();
  });
  assert.equal(mode, true);
});

kernelTest('capability mode refuses to open a path', async () => {
  const error = await inChild((capsule) => {
    const fs = process.getBuiltinModule('node:fs');
    capsule.enter();
    try {
      fs.openSync('/etc/passwd', 'r');
    } catch (refusal) {
      const { errno, syscall } = refusal as NodeJS.ErrnoException;
      return { errno, syscall, recognised: capsule.isCapabilityError(refusal) };
    }
    return undefined;
  });
  // ECAPMODE. Runtimes disagree on the sign: libuv has no name for it.
  assert.equal(Math.abs(error?.errno ?? 0), 94);
  assert.equal(error?.syscall, 'open');
  assert.equal(error?.recognised, true);
});

kernelTest('descriptors that were open before go on working', async () => {
  const content = await inChild((capsule) => {
    const fs = process.getBuiltinModule('node:fs');
    const fd = fs.openSync('/etc/passwd', 'r');
    capsule.enter();
    return fs.readFileSync(fd, 'utf8');
  });
  assert.match(content, /^root:/m);
});

kernelTest('standard output and standard error go on working', async () => {
  const { stdout, stderr, status } = await childOutcome((capsule) => {
    capsule.enter();
    console.log('to standard output');
    console.error('to standard error');
    process.exitCode = 3;
  });
  assert.equal(stdout, 'to standard output\n');
  assert.equal(stderr, 'to standard error\n');
  assert.equal(status, 3);
});

kernelTest('a child of the test is not in capability mode because another one was', async () => {
  await inChild((capsule) => capsule.enter());
  assert.equal(await inChild((capsule) => capsule.isSandboxed()), false);
});
