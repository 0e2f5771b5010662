import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync, realpathSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { type DescriptorInfo, limitFcntls, limitIoctls, limitRights, listDescriptors } from 'freebsd-capsule';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { toFd } from '../../lib/descriptor.ts';
import { openDescriptors, ScratchFiles } from '../support/descriptors.ts';
import { inChild } from '../support/in-child.ts';

const files = new ScratchFiles();
const closable: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of closable.splice(0)) each.close();
  files.closeAll();
});
afterAll(() => files.remove());

function find(fd: number): DescriptorInfo {
  const info = listDescriptors().find((descriptor) => descriptor.fd === fd);
  expect(info, `descriptor ${fd} is listed`).toBeDefined();
  return info as DescriptorInfo;
}

async function listening<S extends net.Server>(server: S, where: net.ListenOptions): Promise<S> {
  closable.push(server.listen(where));
  await once(server, 'listening');
  return server;
}

describe('listDescriptors', () => {
  test('has every open descriptor once, by number', () => {
    const numbers = listDescriptors().map(({ fd }) => fd);
    expect(numbers).toEqual(openDescriptors());
    const fd = files.open();
    expect(listDescriptors().map(({ fd: number }) => number)).toEqual([...numbers, fd].sort((a, b) => a - b));
  });

  test.each([
    ['r', 'read'],
    ['r+', 'read-write'],
    ['a', 'write'],
    ['a+', 'read-write'],
  ])("tells a file opened '%s': %s", (flags, access) => {
    const fd = files.open(flags);
    const { rights, ...info } = find(fd);
    expect(info).toEqual({
      ...{ fd, access, kind: 'file', owner: 'caller', path: realpathSync(files.file), closeOnExec: true },
      ...{ ioctls: 'all', fcntls: ['getfl', 'setfl', 'getown', 'setown'] },
    });
    expect(rights.has('read')).toBe(true);
  });

  test('tells directories and devices', () => {
    const opened = ['/tmp', '/dev/null', '/dev/zero'].map((path) => openSync(path, 'r'));
    const [directory, nothing, zeros] = opened.map(find);
    for (const fd of opened) closeSync(fd);
    expect(directory).toMatchObject({ kind: 'directory', owner: 'caller', path: realpathSync('/tmp') });
    // The runtime opens /dev/null for itself, and one cannot be told from the other.
    expect(nothing).toMatchObject({ kind: 'device', owner: 'runtime', path: '/dev/null' });
    expect(zeros).toMatchObject({ kind: 'device', owner: 'caller', path: '/dev/zero' });
  });

  test('tells a fifo', () => {
    const path = join(files.directory, 'fifo');
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    const fd = openSync(path, 'r+');
    const info = find(fd);
    closeSync(fd);
    expect(info).toMatchObject({ kind: 'fifo', owner: 'caller', path: realpathSync(path) });
  });

  test('shows limits as they are', () => {
    const fd = files.open();
    limitIoctls(fd, ['FIONREAD', 77]);
    limitFcntls(fd, ['setfl']);
    limitRights(fd, ['read', 'ioctl', 'fcntl']);
    const info = find(fd);
    expect([...info.rights]).toEqual(['read', 'fcntl', 'ioctl']);
    expect(info).toMatchObject({ ioctls: ['FIONREAD', 77], fcntls: ['setfl'] });
  });

  test.each(['127.0.0.1', '::1'])('tells TCP servers and connections on %s', async (host) => {
    const written = host.includes(':') ? `[${host}]` : host;
    const server = await listening(http.createServer(), { port: 0, host });
    const { port } = server.address() as net.AddressInfo;
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    const client = net.connect(port, host);
    const [[connection]] = await Promise.all([accepted, once(client, 'connect')]);
    const here = `${written}:${port}`;
    const there = `${written}:${client.localPort}`;
    const [serverInfo, acceptedInfo, clientInfo] = [server, connection, client].map((each) => find(toFd(each)));
    client.destroy();
    connection.destroy();
    expect(serverInfo).toMatchObject({ kind: 'tcp', listening: true, local: here, closeOnExec: true });
    expect(serverInfo).not.toHaveProperty('peer');
    expect(serverInfo).not.toHaveProperty('path');
    expect(acceptedInfo).toMatchObject({ kind: 'tcp', listening: false, local: here, peer: there });
    expect(clientInfo).toMatchObject({ kind: 'tcp', listening: false, local: there, peer: here, access: 'read-write' });
  });

  test('tells a server bound to every address', async () => {
    const server = await listening(net.createServer(), { port: 0, host: '0.0.0.0' });
    expect(find(toFd(server)).local).toBe(`0.0.0.0:${(server.address() as net.AddressInfo).port}`);
  });

  test('tells UNIX servers and connections', async () => {
    const path = join(files.directory, 'server');
    const server = await listening(net.createServer(), { path });
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    const client = net.connect(path);
    const [[connection]] = await Promise.all([accepted, once(client, 'connect')]);
    const [serverInfo, acceptedInfo, clientInfo] = [server, connection, client].map((each) => find(toFd(each)));
    client.destroy();
    connection.destroy();
    expect(serverInfo).toMatchObject({ kind: 'unix', listening: true, local: path, owner: 'caller' });
    expect(acceptedInfo).toMatchObject({ kind: 'unix', listening: false, local: path });
    expect(clientInfo).toMatchObject({ kind: 'unix', listening: false, peer: path });
  });

  test('tells UDP sockets', async () => {
    const socket = dgram.createSocket('udp4');
    closable.push(socket.bind(0, '127.0.0.1'));
    await once(socket, 'listening');
    const local = `127.0.0.1:${socket.address().port}`;
    const info = listDescriptors().find((descriptor) => descriptor.local === local);
    expect(info).toMatchObject({ kind: 'udp', listening: false, owner: 'caller' });
  });

  test('tells what the runtime has for itself', () => {
    const kinds = listDescriptors()
      .filter(({ owner }) => owner === 'runtime')
      .map(({ kind }) => kind);
    expect(kinds).toContain('kqueue');
    expect(listDescriptors().filter(({ kind, owner }) => kind === 'kqueue' && owner !== 'runtime')).toEqual([]);
  });

  test('tells standard streams by their numbers', async () => {
    const streams = await inChild((api) => api.listDescriptors().filter(({ fd }) => fd < 3));
    expect(streams.map(({ fd, owner }) => [fd, owner])).toEqual([
      [0, 'stdio'],
      [1, 'stdio'],
      [2, 'stdio'],
    ]);
    expect(streams[0]).toMatchObject({ kind: 'device', path: '/dev/null' });
  });

  test.runIf(process.platform === 'linux')('agrees with /proc on access and close-on-exec', () => {
    files.open('r');
    files.open('a');
    for (const { fd, access, closeOnExec } of listDescriptors()) {
      const flags = Number.parseInt(
        /^flags:\s+([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '',
        8,
      );
      expect([fd, closeOnExec]).toEqual([fd, (flags & 0o2000000) !== 0]);
      expect([fd, access]).toEqual([fd, ['read', 'write', 'read-write'][flags & 3]]);
    }
  });

  test('tells what a program started from here would inherit', () => {
    const zeros = openSync('/dev/zero', 'r');
    const program = `
      import { openSync } from 'node:fs';
      import { listDescriptors } from 'freebsd-capsule';
      const own = openSync('/dev/zero', 'r');
      const flags = listDescriptors().filter(({ fd }) => fd === own || fd === 40);
      console.log(JSON.stringify(flags.map(({ path, closeOnExec }) => [path, closeOnExec])));`;
    // Far enough up that Node, which marks what it inherits, does not find it.
    const stdio = [...(['ignore', 'pipe', 'inherit'] as const), ...Array<'ignore'>(37).fill('ignore'), zeros];
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      stdio,
      encoding: 'utf8',
    });
    closeSync(zeros);
    expect(JSON.parse(stdout)).toEqual([
      ['/dev/zero', true],
      ['/dev/zero', false],
    ]);
  });

  test('leaks nothing and changes nothing, a thousand times', () => {
    const fd = files.open();
    limitRights(fd, ['read', 'seek']);
    readSync(fd, Buffer.alloc(3));
    const before = [openDescriptors(), JSON.stringify(listDescriptors())];
    for (let round = 0; round < 1000; round++) listDescriptors();
    expect([openDescriptors(), JSON.stringify(listDescriptors())]).toEqual(before);
    // The position is where it was.
    const rest = Buffer.alloc(4);
    readSync(fd, rest);
    expect(rest.toString()).toBe('tent');
  });

  test('serialises', () => {
    const fd = files.open();
    const info = JSON.parse(JSON.stringify(listDescriptors())).find(
      (descriptor: DescriptorInfo) => descriptor.fd === fd,
    );
    expect(info).toMatchObject({ fd, kind: 'file', ioctls: 'all' });
    expect(info.rights).toContain('read');
  });
});

describe('in capability mode, where the table of the kernel is closed', () => {
  test('each descriptor tells what its rights allow', async () => {
    const [before, after] = await inChild(async (api) => {
      const fs = process.getBuiltinModule('node:fs');
      const net = process.getBuiltinModule('node:net');
      const server = net.createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      fs.openSync('/dev/null', 'r');
      fs.openSync('/', 'r');
      fs.openSync('/etc/passwd', 'r');
      const before = api.listDescriptors();
      api.enter();
      return [before, api.listDescriptors()];
    });
    const told = ['tcp', 'file', 'directory'];
    expect(after.map(({ fd }) => fd)).toEqual(before.map(({ fd }) => fd));
    for (const kind of told) {
      const expected = before
        .filter((descriptor) => descriptor.kind === kind)
        .map(({ path: _, owner: __, ...rest }) => rest);
      expect(expected.length).toBeGreaterThan(0);
      const found = after.filter((descriptor) => descriptor.kind === kind);
      expect(found.map(({ owner: _, ...rest }) => rest)).toEqual(expected);
    }
    expect(after.some((descriptor) => 'path' in descriptor)).toBe(false);
  });

  test('leaks nothing either', async () => {
    const [before, after] = await inChild((api) => {
      api.enter();
      const numbers = () => api.listDescriptors().map(({ fd }) => fd);
      const before = numbers();
      for (let round = 0; round < 200; round++) api.listDescriptors();
      return [before, numbers()];
    });
    expect(after).toEqual(before);
  });
});
