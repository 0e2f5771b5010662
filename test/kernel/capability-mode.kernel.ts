import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { temporaryDirectory } from '../support/descriptors.ts';
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

kernelTest('calls load modules of the runtime in capability mode', async () => {
  const temporary = temporaryDirectory();
  try {
    writeFileSync(`${temporary.path}/file`, 'one\ntwo\n');
    const answer = await inChild(
      async ({ Directory, enter, kernel }, path) => {
        const directory = Directory.open(path);
        const { moduleLoadList = [] } = process as { moduleLoadList?: string[] };
        const early = moduleLoadList.filter((name) =>
          /^NativeModule (readline|internal\/webstreams\/readablestream)$/.test(name),
        );
        // The simulation changes what they do, so it has loaded them. (net is loaded in any child whose input is a pipe.)
        if (kernel.kind === 'simulated') early.length = 0;
        enter();
        const lines: string[] = [];
        for await (const line of (await directory.open('file')).readLines()) lines.push(line);
        const web = (await directory.open('file')).readableWebStream({ autoClose: true });
        let bytes = 0;
        for await (const chunk of web) bytes += (chunk as Uint8Array).length;
        return { early, lines, bytes };
      },
      { input: temporary.path },
    );
    assert.deepEqual(answer, { early: [], lines: ['one', 'two'], bytes: 8 });
  } finally {
    temporary.remove();
  }
});
