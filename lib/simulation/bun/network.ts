import dgram from 'node:dgram';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { type AnyFunction, refuseMethods, replaceMethod } from '../interception.ts';
import { describedError, ECAPMODE } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { lookupError } from './name-lookups.ts';

interface Place {
  readonly path?: string | undefined;
  readonly port?: number | undefined;
  readonly host?: string | undefined;
}

/** Refuses connect(2), bind(2) and sending to an address. Connected and listening sockets stay as they are. */
export function refuseNetwork(kernel: SimulatedKernel): void {
  // http and https connect through this too.
  refuseMethods(net.Socket.prototype, ['connect'], (_name, self, args) => {
    const place = kernel.isSandboxed() ? placeOf(args) : undefined;
    if (place === undefined) return undefined;
    const socket = self as net.Socket & { connecting: boolean };
    // What is written meanwhile waits, as for any connection under way.
    socket.connecting = true;
    setImmediate(() => socket.destroy(connectError(place)));
    return [socket];
  });

  for (const { prototype } of [net.Server, http.Server, https.Server]) {
    if (!Object.hasOwn(prototype, 'listen')) continue;
    refuseMethods(prototype, ['listen'], (_name, self, args) => {
      const place = kernel.isSandboxed() ? placeOf(args) : undefined;
      if (place === undefined) return undefined;
      setImmediate(() => (self as net.Server).emit('error', listenError(place)));
      return [self];
    });
  }

  refuseMethods(dgram.Socket.prototype, ['bind'], (_name, self, args) => {
    const place = kernel.isSandboxed() ? placeOf(args) : undefined;
    if (place === undefined) return undefined;
    const socket = self as dgram.Socket & { type: string };
    const address = place.host ?? (socket.type === 'udp6' ? '::' : '0.0.0.0');
    const properties = { errno: ECAPMODE, code: 'ECAPMODE', syscall: 'bind', address };
    setImmediate(() => socket.emit('error', describedError(`bind ECAPMODE ${address}`, properties)));
    return [self];
  });

  // An unbound socket binds itself first, which is refused above; a connected one may send.
  refuseMethods(dgram.Socket.prototype, ['send'], (_name, self, args) => {
    const socket = self as dgram.Socket;
    if (!kernel.isSandboxed() || !isBound(socket) || isConnected(socket)) return undefined;
    const numbers = args.filter((argument) => typeof argument === 'number');
    const address = args.slice(1).find((argument) => typeof argument === 'string') ?? '127.0.0.1';
    const port = numbers.at(-1);
    const properties = { errno: ECAPMODE, code: 'ECAPMODE', syscall: 'send', address, port };
    const error = describedError(`send ECAPMODE ${String(address)}:${port}`, properties);
    const callback = args.findLast((argument) => typeof argument === 'function');
    setImmediate(() => {
      if (callback === undefined) socket.emit('error', error);
      else (callback as (error: Error) => void)(error);
    });
    return [undefined];
  });

  replaceMethod(
    globalThis,
    'fetch',
    (original) =>
      function (this: unknown, ...args) {
        const url = kernel.isSandboxed() ? urlOf(args[0]) : undefined;
        return url === undefined ? Reflect.apply(original, this, args) : Promise.reject(fetchError(url));
      } as AnyFunction,
  );
}

function isBound(socket: dgram.Socket): boolean {
  return answers(() => socket.address());
}

function isConnected(socket: dgram.Socket): boolean {
  return answers(() => socket.remoteAddress());
}

function answers(ask: () => unknown): boolean {
  try {
    return ask() !== undefined;
  } catch {
    return false;
  }
}

/** Bun reports any refusal of connect(2) as this, with FreeBSD's number for it. */
function connectError({ path, port, host }: Place): Error {
  const target = path ?? host ?? 'localhost';
  if (path === undefined && net.isIP(target) === 0) return lookupError(target);
  const properties = { errno: -61, code: 'ECONNREFUSED', syscall: 'connect', address: target, port };
  return describedError(`connect ECONNREFUSED ${target}${path === undefined ? `:${port}` : ''}`, properties);
}

function listenError({ path, port, host }: Place): Error {
  const address = path ?? host ?? '0.0.0.0';
  const properties = { errno: ECAPMODE, code: 'ECAPMODE', syscall: 'listen', address, port };
  return describedError(`Failed to listen at ${address}`, properties);
}

function fetchError(url: string): Error {
  const properties = { code: 'ECAPMODE', errno: 0, path: url };
  return describedError('ECAPMODE: Was there a typo in the url or port?', properties, TypeError);
}

/** Reads the arguments of connect, listen and bind. Undefined for an existing descriptor or handle. */
function placeOf(args: readonly unknown[]): Place | undefined {
  const [first, second] = args;
  // net.connect() hands its arguments on as one array: the options, then the callback.
  if (Array.isArray(first)) return placeOf(first as unknown[]);
  const host = typeof second === 'string' ? second : undefined;
  if (typeof first === 'number') return { port: first, host };
  if (typeof first === 'string') return /^\d+$/.test(first) ? { port: Number(first), host } : { path: first };
  if (typeof first !== 'object' || first === null) return { port: 0, host };
  const options = first as { fd?: number; _handle?: object; path?: string; port?: number | string };
  if (options.fd !== undefined || options._handle !== undefined) return undefined;
  if (typeof options.path === 'string') return { path: options.path };
  const { host: name, address } = first as { host?: string; address?: string };
  return { port: Number(options.port ?? 0), host: name ?? address };
}

function urlOf(request: unknown): string | undefined {
  const url = request instanceof Request ? request.url : String(request);
  return /^https?:/i.test(url) ? url : undefined;
}
