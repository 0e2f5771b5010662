/** UNIX sockets named in a Directory, which is the only way to make and reach one in capability mode. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { Directory } from 'freebsd-capsule';
import { onlyTheseAreOpen, settledDescriptors, temporaryDirectory } from '../support/descriptors.ts';
import { inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';

kernelTest('directory: listenUnix serves what connectUnix asks', async () => {
  const temporary = temporaryDirectory();
  using directory = Directory.open(temporary.path);
  try {
    const server = await directory.listenUnix('socket');
    server.on('connection', (socket) => socket.end('hello'));
    const socket = await directory.connectUnix('socket');
    assert.equal(await text(socket), 'hello');
    await assert.rejects(directory.listenUnix('socket'), { code: 'EADDRINUSE', syscall: 'bindat', path: 'socket' });
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(directory.connectUnix('socket'), { code: 'ECONNREFUSED', syscall: 'connectat' });
    await assert.rejects(directory.connectUnix('none'), { code: 'ENOENT' });
    await assert.rejects(directory.listenUnix('x'.repeat(200)), { code: 'ENAMETOOLONG' });
    await assert.rejects(directory.listenUnix('../socket2'), { code: 'ENOTCAPABLE' });
    await assert.rejects(directory.connectUnix('/var/run/log'), { code: 'ENOTCAPABLE' });
    using narrow = directory.openDirectorySync('.', { rights: Directory.SCRATCH });
    await assert.rejects(narrow.listenUnix('other'), /ENOTCAPABLE.*the directory lacks 'bindat'/);
    await assert.rejects(narrow.connectUnix('socket'), /ENOTCAPABLE.*the directory lacks 'connectat'/);
  } finally {
    temporary.remove();
  }
});

kernelTest('directory: options of connectUnix lead nowhere else', async () => {
  const temporary = temporaryDirectory();
  using directory = Directory.open(temporary.path);
  try {
    const [server, other] = [await directory.listenUnix('socket'), await directory.listenUnix('other')];
    server.on('connection', (socket) => socket.end('hello'));
    other.on('connection', (socket) => socket.end('from elsewhere'));
    const elsewhere = await directory.connectUnix('other');
    const options = { fd: 0, handle: (elsewhere as { _handle?: unknown })._handle, path: `${temporary.path}/other` };
    const socket = await directory.connectUnix('socket', options as object);
    assert.notEqual(socket, elsewhere);
    assert.equal(await text(socket), 'hello');
    assert.equal(await text(elsewhere), 'from elsewhere');
    for (const each of [server, other]) await new Promise((resolve) => each.close(resolve));
  } finally {
    temporary.remove();
  }
});

kernelTest('directory: options that are refused leave no socket open', async () => {
  const temporary = temporaryDirectory();
  using directory = Directory.open(temporary.path);
  try {
    const server = await directory.listenUnix('socket', { backlog: 8 });
    const before = await settledDescriptors();
    await assert.rejects(directory.listenUnix('other', { backlog: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(directory.listenUnix('other', 5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    // The runtimes take these, and fail when somebody connects.
    await assert.rejects(directory.listenUnix('other', { highWaterMark: 1.5 }), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(directory.listenUnix('other', { highWaterMark: 'x' as never }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
    assert.deepEqual(directory.readdirSync('.'), ['socket']);
    const strange = {
      get allowHalfOpen(): boolean {
        throw new Error('not to be read');
      },
    };
    await assert.rejects(directory.connectUnix('socket', strange), /not to be read/);
    await onlyTheseAreOpen(before);
    await new Promise((resolve) => server.close(resolve));
  } finally {
    temporary.remove();
  }
});

// There the runtime hands the number to the primary, which takes its own descriptor of that number for the socket.
kernelTest('directory: a worker of node:cluster is told that it cannot listen', async () => {
  const temporary = temporaryDirectory();
  try {
    const answer = await inChild(
      async (_, path) => {
        const cluster = process.getBuiltinModule('node:cluster') as unknown as typeof import('node:cluster').default;
        const body = async ({ Directory }: typeof import('freebsd-capsule'), directory: string) => {
          try {
            await Directory.open(directory).listenUnix('socket');
          } catch (error) {
            return (error as NodeJS.ErrnoException).code;
          }
          return 'it listens';
        };
        const order = JSON.stringify({ body: body.toString(), input: path, mark: '|' });
        cluster.setupPrimary({ exec: process.argv[1] as string, args: [order], silent: true });
        const { process: worker } = cluster.fork();
        let output = '';
        worker.stdout?.setEncoding('utf8').on('data', (text) => {
          output += String(text);
        });
        await new Promise((resolve) => worker.on('close', resolve));
        return output;
      },
      { input: temporary.path },
    );
    assert.deepEqual(JSON.parse(answer.split('|')[1] ?? 'null'), { result: 'ERR_INVALID_STATE' }, answer);
    assert.deepEqual(readdirSync(temporary.path), []);
  } finally {
    temporary.remove();
  }
});

kernelTest('directory: sockets can be made and reached in capability mode', async () => {
  const temporary = temporaryDirectory();
  try {
    const text = await inChild(
      async (capsule, path) => {
        const directory = capsule.Directory.open(path);
        capsule.enter();
        const server = await directory.listenUnix('socket');
        server.on('connection', (socket) => socket.end('sandboxed'));
        const socket = await directory.connectUnix('socket');
        return await new Promise((resolve, reject) => {
          let text = '';
          socket.setEncoding('utf8');
          socket.on('data', (chunk) => {
            text += String(chunk);
          });
          socket.on('close', () => resolve(text)).on('error', reject);
        });
      },
      { input: temporary.path },
    );
    assert.equal(text, 'sandboxed');
  } finally {
    temporary.remove();
  }
});
