/**
 * What the package takes where the kernel wants a descriptor: a number, or something that has one.
 */

import type { Server as NetServer, Socket } from 'node:net';
import { listOpenDescriptors } from './capsule/inventory.ts';
import { checkInteger, invalidArgType, invalidArgValue } from './errors.ts';

/** The largest descriptor number a 32-bit `int` holds. */
export const MAX_FD = 2 ** 31 - 1;

/** An open descriptor: its number, or an object that has one. */
export type DescriptorLike = number | { readonly fd: number } | NetServer | Socket;

const EXPECTED = 'of type number, an object with an fd, or a net.Server or net.Socket';

interface MaybeNetwork {
  readonly fd?: unknown;
  readonly _handle?: { readonly fd?: unknown } | null;
  readonly address?: unknown;
  readonly isTTY?: unknown;
  readonly remotePort?: unknown;
  readonly localPort?: unknown;
}

/** `address:port` as the inventory writes it. */
function addressText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

const SOCK_DGRAM = 2;

/** Finds the listening socket that a server says it is bound to, for runtimes whose handles have no descriptor. */
function findListener(name: string, server: object, address: unknown): number {
  let local: string;
  if (typeof address === 'string') {
    local = address;
  } else if (
    typeof address === 'object' &&
    address !== null &&
    'port' in address &&
    'address' in address &&
    typeof address.port === 'number' &&
    typeof address.address === 'string'
  ) {
    local = addressText(address.address, address.port);
  } else {
    throw invalidArgValue(name, server, 'is not listening');
  }
  // Datagram sockets do not listen; they are bound.
  const datagram = 'bind' in server && !('listen' in server);
  const found = listOpenDescriptors().filter(
    (descriptor) =>
      descriptor.local === local && (datagram ? descriptor.socketType === SOCK_DGRAM : descriptor.listening),
  );
  const [first] = found;
  if (first === undefined) throw invalidArgValue(name, server, `has no listening descriptor at ${local}`);
  if (found.length > 1) throw invalidArgValue(name, server, `shares ${local} with another descriptor; pass its fd`);
  return first.fd;
}

function findConnection(name: string, socket: object, local: string, peer: string): number {
  const found = listOpenDescriptors().filter((descriptor) => descriptor.local === local && descriptor.peer === peer);
  const [first] = found;
  if (first === undefined) throw invalidArgValue(name, socket, `has no descriptor connected from ${local} to ${peer}`);
  if (found.length > 1) throw invalidArgValue(name, socket, 'has the addresses of another socket too; pass its fd');
  return first.fd;
}

/**
 * Returns the descriptor number of an argument.
 *
 * @throws `ERR_INVALID_ARG_TYPE` for anything without a descriptor, `ERR_OUT_OF_RANGE` for a number that cannot be one,
 * `ERR_INVALID_ARG_VALUE` for a server that does not listen or a socket that is not connected.
 */
export function toFd(value: unknown, name = 'fd'): number {
  if (typeof value === 'number') {
    checkInteger(name, value, 0, MAX_FD);
    return value;
  }
  if (typeof value !== 'object' || value === null) throw invalidArgType(name, EXPECTED, value);

  // A getter that throws is the caller's error, and nothing has been done yet.
  const { fd, _handle: handle, isTTY } = value as MaybeNetwork;
  if (isTTY === true) {
    // Limiting one of them would not limit the stream.
    throw invalidArgValue(name, value, 'is a terminal, which the runtime has open more than once; pass a number');
  }
  if (typeof fd === 'number') {
    if (fd === -1) throw invalidArgValue(name, value, 'is closed');
    checkInteger(`${name}.fd`, fd, 0, MAX_FD);
    return fd;
  }
  const handleFd = handle?.fd;
  if (typeof handleFd === 'number' && handleFd >= 0) {
    checkInteger(`${name}._handle.fd`, handleFd, 0, MAX_FD);
    return handleFd;
  }
  const { address } = value as MaybeNetwork;
  if (typeof address === 'function') {
    const { remotePort } = value as MaybeNetwork;
    if (typeof remotePort === 'number') {
      const socket = value as Socket;
      const local = addressText(socket.localAddress ?? '', socket.localPort ?? 0);
      return findConnection(name, value, local, addressText(socket.remoteAddress ?? '', remotePort));
    }
    if ('connecting' in value) throw invalidArgValue(name, value, 'is not connected');
    return findListener(name, value, Reflect.apply(address, value, []));
  }
  if (typeof address === 'object' && address !== null) return findListener(name, value, address);
  throw invalidArgType(name, EXPECTED, value);
}
