/** What listDescriptors() says of descriptors whose nature is known. */

import assert from 'node:assert/strict';
import { inChild } from '../support/in-child.ts';
import { kernelTest } from '../support/kernel-test.ts';

kernelTest('listDescriptors() tells kinds, places, access and owners', async () => {
  const seen = await inChild(async (capsule) => {
    const fs = process.getBuiltinModule('node:fs');
    const net = process.getBuiltinModule('node:net');
    const dgram = process.getBuiltinModule('node:dgram');
    const folder = fs.realpathSync(fs.mkdtempSync(`${process.getBuiltinModule('node:os').tmpdir()}/capsule-`));
    const reader = fs.openSync('/etc/passwd', 'r');
    const writer = fs.openSync(`${folder}/log`, 'a');
    const both = fs.openSync(`${folder}/log`, 'r+');
    const directory = fs.openSync(folder, 'r');
    const listening = (server: import('node:net').Server) =>
      new Promise<void>((resolve) => server.once('listening', () => resolve()));
    const tcp = net.createServer((socket) => socket.unref()).listen(0, '127.0.0.1');
    await listening(tcp);
    const { port } = tcp.address() as import('node:net').AddressInfo;
    const unix = net.createServer().listen(`${folder}/socket`);
    await listening(unix);
    const udp = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await new Promise<void>((resolve) => udp.once('listening', () => resolve()));
    const client = net.connect(port, '127.0.0.1');
    await new Promise<void>((resolve) => client.once('connect', () => resolve()));
    await new Promise((resolve) => setTimeout(resolve, 100));

    const all = capsule.listDescriptors();
    const of = (fd: number) => {
      const found = all.find((descriptor) => descriptor.fd === fd);
      return [found?.kind, found?.path?.replace(folder, ''), found?.access, found?.owner, found?.closeOnExec];
    };
    const listeners = all.filter((descriptor) => descriptor.listening);
    const clientPort = client.localPort;
    const connection = all.find(({ local }) => local === `127.0.0.1:${clientPort}`);
    const accepted = all.find(({ peer }) => peer === `127.0.0.1:${clientPort}`);
    const datagram = all.find(({ kind, local }) => kind === 'udp' && local === `127.0.0.1:${udp.address().port}`);
    const result = {
      reader: of(reader),
      writer: of(writer),
      both: of(both),
      directory: of(directory),
      tcp: listeners.filter(({ kind, local }) => kind === 'tcp' && local === `127.0.0.1:${port}`).length,
      unix: listeners.filter(({ kind, local }) => kind === 'unix' && local === `${folder}/socket`).length,
      connection: [connection?.kind, connection?.peer === `127.0.0.1:${port}`, connection?.listening],
      accepted: [accepted?.kind, accepted?.local === `127.0.0.1:${port}`, accepted?.listening],
      datagram: [datagram?.kind, datagram?.listening],
      stdio: all.slice(0, 3).map(({ fd, owner }) => `${fd} ${owner}`),
      queues: all.some(({ kind, owner }) => kind === 'kqueue' && owner === 'runtime'),
      unlimited: all.every(({ ioctls, fcntls }) => ioctls === 'all' && fcntls.length === 4),
      sorted: all.every(({ fd }, index) => index === 0 || fd > (all[index - 1]?.fd ?? -1)),
    };
    fs.rmSync(folder, { recursive: true });
    return result;
  });
  assert.deepEqual(seen, {
    reader: ['file', '/etc/passwd', 'read', 'caller', true],
    writer: ['file', '/log', 'write', 'caller', true],
    both: ['file', '/log', 'read-write', 'caller', true],
    directory: ['directory', '', 'read', 'caller', true],
    tcp: 1,
    unix: 1,
    connection: ['tcp', true, false],
    accepted: ['tcp', true, false],
    datagram: ['udp', false],
    stdio: ['0 stdio', '1 stdio', '2 stdio'],
    queues: true,
    unlimited: true,
    sorted: true,
  });
});

kernelTest('listing descriptors opens and leaks none, in capability mode too', async () => {
  const seen = await inChild((capsule) => {
    const fd = process.getBuiltinModule('node:fs').openSync('/etc/passwd', 'r');
    const numbers = () => capsule.listDescriptors().map((descriptor) => descriptor.fd);
    const before = numbers();
    for (let round = 0; round < 100; round++) capsule.listDescriptors();
    const after = numbers();
    capsule.enter();
    const inside = numbers();
    const file = capsule.listDescriptors().find((descriptor) => descriptor.fd === fd);
    return { before, after, inside, file: [file?.kind, file?.path ?? null, file?.access] };
  });
  assert.deepEqual(seen.after, seen.before);
  assert.deepEqual(seen.inside, seen.before);
  // The kernel does not tell paths in capability mode.
  assert.deepEqual(seen.file, ['file', null, 'read']);
});

kernelTest('in capability mode an event queue is never called a pipe', async () => {
  const seen = await inChild((capsule) => {
    const queues = capsule
      .listDescriptors()
      .filter(({ kind }) => kind === 'kqueue')
      .map(({ fd }) => fd);
    capsule.limitRights(queues[0] ?? -1, ['kqueue', 'event', 'fstat']);
    capsule.enter();
    const kinds = capsule.listDescriptors().filter(({ fd }) => queues.includes(fd));
    return { limited: kinds[0]?.kind, others: kinds.slice(1).map(({ kind }) => kind) };
  });
  assert.notEqual(seen.limited, 'pipe');
  assert.ok(!seen.others.includes('pipe'), String(seen.others));
});

kernelTest('an accepted connection inherits the rights of its listener', async () => {
  const rights = await inChild(async (capsule) => {
    const net = process.getBuiltinModule('node:net');
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise<void>((resolve) => server.once('listening', () => resolve()));
    capsule.limitRights(server, ['accept', 'read', 'write', 'event', 'getsockname', 'getsockopt', 'getpeername']);
    const accepted = new Promise<import('node:net').Socket>((resolve) => server.once('connection', resolve));
    const client = net.connect((server.address() as import('node:net').AddressInfo).port, '127.0.0.1');
    const names = [...capsule.getRights(await accepted)];
    client.destroy();
    return names;
  });
  assert.deepEqual(rights, ['read', 'write', 'accept', 'getpeername', 'getsockname', 'getsockopt', 'event']);
});
