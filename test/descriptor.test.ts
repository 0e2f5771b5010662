/** What every function that takes a descriptor does with one that is none, or not any more. */

import dgram from 'node:dgram';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import {
  Capability,
  getFcntls,
  getIoctls,
  getRights,
  isSandboxed,
  limitFcntls,
  limitIoctls,
  limitRights,
  listDescriptors,
  Rights,
} from 'freebsd-capsule';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { toFd } from '../lib/descriptor.ts';
import { caught } from './support/caught.ts';
import { openDescriptors, ScratchFiles } from './support/descriptors.ts';

const files = new ScratchFiles();
afterAll(() => files.remove());

const TAKES_FD: [name: string, call: (fd: never) => unknown][] = [
  ['getRights', (fd) => getRights(fd)],
  ['limitRights', (fd) => limitRights(fd, ['read'])],
  ['getIoctls', (fd) => getIoctls(fd)],
  ['limitIoctls', (fd) => limitIoctls(fd, [])],
  ['getFcntls', (fd) => getFcntls(fd)],
  ['limitFcntls', (fd) => limitFcntls(fd, [])],
];

const state = () => ({
  open: openDescriptors(),
  sandboxed: isSandboxed(),
  descriptors: listDescriptors().map(({ fd, rights, ioctls, fcntls }) => [fd, `${rights}`, ioctls, fcntls]),
});

const closable: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of closable.splice(0)) each.close();
  files.closeAll();
});

describe.each(TAKES_FD)('%s', (_, call) => {
  const anything = call as (fd: unknown) => unknown;

  test('refuses what has no descriptor', () => {
    const before = state();
    const values = [
      ...[undefined, null, '', '0', 'x', true, false, 0n, Symbol('0'), () => 0, {}, [], [0], new Date(0), /0/],
      ...[{ fd: undefined }, { fd: null }, { fd: '0' }, { fd: 0n }, { fd: {} }, { fd: new Number(0) }, new Number(0)],
      ...[{ address: 5 }, { address: undefined }, { _handle: null }, { _handle: {} }, { _handle: { fd: -1 } }],
      ...[new Proxy({}, {}), Object.create(null), new Map([['fd', 0]]), Promise.resolve(0)],
    ];
    for (const value of values) {
      const error = caught(() => anything(value));
      expect(error.code).toBe('ERR_INVALID_ARG_TYPE');
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toMatch(
        /^The "fd" argument must be of type number, an object with an fd, or a net\.Server/,
      );
    }
    expect(state()).toEqual(before);
  });

  test('refuses numbers that are no descriptor', () => {
    const before = state();
    const numbers = [
      ...[Number.NaN, -1, -0.5, 0.5, 1.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 31, 2 ** 32],
      ...[2 ** 32 + 1, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE, -(2 ** 31)],
    ];
    for (const number of numbers) {
      expect(caught(() => anything(number)).code).toBe('ERR_OUT_OF_RANGE');
      expect(caught(() => anything(number))).toBeInstanceOf(RangeError);
      // An object's -1 is what closing leaves behind.
      const code = number === -1 ? 'ERR_INVALID_ARG_VALUE' : 'ERR_OUT_OF_RANGE';
      expect(caught(() => anything({ fd: number })).code).toBe(code);
    }
    expect(state()).toEqual(before);
  });

  test('lets the kernel refuse a descriptor that is not open', () => {
    const closed = files.closed();
    const before = state();
    for (const fd of [closed, 2 ** 31 - 1, 1_000_000]) {
      for (const error of [caught(() => anything(fd)), caught(() => anything({ fd }))]) {
        expect(error).toMatchObject({ code: 'EBADF', errno: -9, fd });
        expect(error.syscall).toMatch(/^cap_(rights|ioctls|fcntls)_(get|limit)$/);
      }
    }
    expect(state()).toEqual(before);
  });

  test('takes a number, an object, a getter and a proxy', () => {
    for (const wrap of [
      (fd: number) => fd,
      (fd: number) => ({ fd }),
      (fd: number) => ({
        get fd() {
          return fd;
        },
      }),
      (fd: number) => new Proxy({ fd }, {}),
      (fd: number) => Object.create({ fd }) as unknown,
      (fd: number) => ({ _handle: { fd } }),
    ]) {
      expect(() => anything(wrap(files.open()))).not.toThrow();
    }
    expect(caught(() => anything({ fd: files.closed() })).code).toBe('EBADF');
  });

  test("passes on the caller's own exception, with nothing done", () => {
    const mine = new RangeError('mine');
    const before = state();
    const throwing = () => {
      throw mine;
    };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const value of [
      Object.defineProperty({}, 'fd', { get: throwing }),
      Object.defineProperty({}, '_handle', { get: throwing }),
      Object.defineProperty({}, 'address', { get: throwing }),
      { _handle: Object.defineProperty({}, 'fd', { get: throwing }) },
      { address: throwing },
      new Proxy({}, { get: throwing }),
    ]) {
      expect(caught(() => anything(value))).toBe(mine);
    }
    expect(caught(() => anything(proxy))).toBeInstanceOf(TypeError);
    expect(state()).toEqual(before);
  });

  test('tells a server or socket that has no descriptor yet from one that has', async () => {
    const server = net.createServer();
    expect(caught(() => anything(server))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(caught(() => anything(server)).message).toContain('is not listening');
    expect(caught(() => anything(new net.Socket())).code).toBe('ERR_INVALID_ARG_VALUE');

    closable.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    expect(() => anything(server)).not.toThrow();

    server.close();
    await once(server, 'close');
    expect(caught(() => anything(server)).code).toBe('ERR_INVALID_ARG_VALUE');
  });
});

describe('the descriptor of', () => {
  test('a FileHandle, until it is closed', async () => {
    const handle = await open(files.file, 'r');
    expect(toFd(handle)).toBe(handle.fd);
    await handle.close();
    const error = caught(() => toFd(handle));
    expect(error.code).toBe('ERR_INVALID_ARG_VALUE');
    expect(error.message).toContain("The argument 'fd' is closed");
  });

  test('a Capability, until it is closed', () => {
    const capability = Capability.of(files.open(), Rights.of('read'));
    expect(toFd(capability)).toBe(capability.fd);
    capability.close();
    expect(caught(() => toFd(capability)).code).toBe('ERR_INVALID_ARG_VALUE');
    expect(caught(() => getRights(capability)).message).toContain('Capability { closed }');
  });

  test('a Capability whose number somebody else closed can still be named in an error', async () => {
    const capability = Capability.of(files.open(), Rights.of('read'));
    files.closeAll();
    const { inspect } = await import('node:util');
    expect(inspect(capability)).toContain(`fd: ${capability.fd}`);
    expect(caught(() => getRights(capability))).toMatchObject({ code: 'EBADF', fd: capability.fd });
  });

  test.each(['127.0.0.1', '::1', '0.0.0.0'])('servers and both ends of a connection, on %s', async (host) => {
    const server = http.createServer();
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    closable.push(server.listen(0, host));
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const client = net.connect(port, host === '0.0.0.0' ? '127.0.0.1' : host);
    const [[connection]] = await Promise.all([accepted, once(client, 'connect')]);

    const kinds = new Map(listDescriptors().map((descriptor) => [descriptor.fd, descriptor]));
    expect(kinds.get(toFd(server))).toMatchObject({ kind: 'tcp', listening: true });
    expect(kinds.get(toFd(client))).toMatchObject({ kind: 'tcp', listening: false });
    expect(kinds.get(toFd(client))?.local).toBe(kinds.get(toFd(connection))?.peer);
    expect(kinds.get(toFd(connection))?.local).toBe(kinds.get(toFd(client))?.peer);

    // As a runtime without descriptors in its handles presents them (Bun): found by their addresses.
    const addresses = ({ localAddress, localPort, remoteAddress, remotePort }: net.Socket) => ({
      ...{ localAddress, localPort, remoteAddress, remotePort },
      address: () => ({}),
    });
    expect(toFd({ address: () => server.address() })).toBe(toFd(server));
    expect(toFd({ address: server.address() })).toBe(toFd(server));
    expect(toFd(addresses(client))).toBe(toFd(client));
    expect(toFd(addresses(connection))).toBe(toFd(connection));

    client.destroy();
    connection.destroy();
  });

  test('a server at a path', async () => {
    const server = net.createServer();
    const path = join(files.directory, 'socket');
    closable.push(server.listen(path));
    await once(server, 'listening');
    expect(toFd({ address: () => server.address() })).toBe(toFd(server));
    const record = listDescriptors().find(({ fd }) => fd === toFd(server));
    expect(record).toMatchObject({ kind: 'unix', listening: true, local: path });
  });

  test('a server or connection that nobody has', () => {
    const nobody = { address: '192.0.2.1', port: 1 };
    for (const value of [
      { address: () => nobody },
      { address: nobody },
      { address: () => '/no/such/socket' },
      { address: () => ({}), localAddress: '192.0.2.1', localPort: 1, remoteAddress: '192.0.2.2', remotePort: 2 },
    ]) {
      expect(caught(() => toFd(value)).code).toBe('ERR_INVALID_ARG_VALUE');
    }
    expect(caught(() => toFd({ address: () => nobody })).message).toContain('no listening descriptor at 192.0.2.1:1');
    expect(caught(() => toFd({ address: { address: '::1', port: 1 } })).message).toContain('at [::1]:1');
  });

  test('addresses that are none', () => {
    for (const address of [
      null,
      undefined,
      5,
      {},
      { port: 1 },
      { port: '1', address: 'x' },
      { port: 1, address: 5 },
      [],
    ]) {
      expect(caught(() => toFd({ address: () => address })).code).toBe('ERR_INVALID_ARG_VALUE');
    }
  });

  test('a datagram socket', async () => {
    const socket = dgram.createSocket('udp4');
    closable.push(socket.bind(0, '127.0.0.1'));
    await once(socket, 'listening');
    const { port } = socket.address();
    const record = listDescriptors().find(({ fd }) => fd === toFd(socket));
    expect(record).toMatchObject({ kind: 'udp', local: `127.0.0.1:${port}` });
  });
});
