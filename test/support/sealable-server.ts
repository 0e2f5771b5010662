/**
 * A server in a process of its own that seals itself when told, for tests that watch it from outside.
 *
 * Takes one argument, JSON: what to listen on and what to leave out of the listener's rights. Commands on standard
 * input, a line each; an answer in JSON on standard output for each, the first one unasked once it listens.
 */

import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createSecureServer as createHttp2Server } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createNetServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type Right, Rights, type SealPlan, seal } from 'freebsd-capsule';

export interface ServerOrder {
  readonly protocol: 'http' | 'https' | 'http2' | 'net';
  /** A path of a UNIX socket; default: a port of 127.0.0.1. */
  readonly path?: string;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Seal with the listener's rights, as seal() gives them, less these. */
  readonly without?: readonly Right[];
  readonly plan?: Omit<SealPlan, 'servers'>;
}

/** What a listening TCP socket is left with by seal(). */
const LISTENER = Rights.of('accept', 'read', 'write', 'event', 'shutdown', 'setsockopt', 'getpeername', 'getsockname');

async function serve(order: ServerOrder): Promise<void> {
  let requests = 0;
  const sockets: Socket[] = [];
  const errors: string[] = [];
  const respond: RequestListener = (request, response) => {
    requests++;
    const { remoteAddress } = request.socket;
    response.end(JSON.stringify({ url: request.url, remoteAddress: remoteAddress ?? null }));
  };
  const make = (): Server => {
    switch (order.protocol) {
      case 'http':
        return createServer(respond);
      case 'https':
        return createHttpsServer({ ...order.tls }, respond);
      case 'http2':
        return createHttp2Server({ ...order.tls }, (request, response) => {
          requests++;
          response.end(JSON.stringify({ url: request.url, remoteAddress: null }));
        });
      case 'net':
        // Says good-bye at once and keeps its own side open for reading.
        return createNetServer({ allowHalfOpen: true }, (socket) => socket.resume().end('bye'));
    }
  };
  const server = make();
  server.on('connection', (socket) => {
    sockets.push(socket);
    socket.on('error', (error) => errors.push(String(error)));
  });
  if (order.path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(order.path);
  await once(server, 'listening');
  const { port } = (order.path === undefined ? server.address() : { port: 0 }) as AddressInfo;
  console.log(JSON.stringify({ port }));

  for await (const command of createInterface({ input: process.stdin })) {
    try {
      console.log(JSON.stringify(await obey(command)));
    } catch (error) {
      console.log(JSON.stringify({ error: String(error) }));
    }
  }

  async function obey(command: string): Promise<unknown> {
    switch (command) {
      case 'seal': {
        const rights = LISTENER.without(...(order.without ?? []));
        const { report } = await seal(
          order.without === undefined
            ? { ...order.plan, servers: [server] }
            : { ...order.plan, descriptors: [{ fd: server, rights }] },
        );
        return { report };
      }
      case 'count':
        return { requests, errors };
      case 'address':
        return { address: server.address() };
      case 'no delay': {
        // Node does not say when this fails; its handle does.
        const handle = (sockets.at(-1) as unknown as { _handle: { setNoDelay(on: boolean): number } })._handle;
        return { status: handle.setNoDelay(true) };
      }
      case 'exit':
        process.exit(7);
        break;
      default:
        return { error: `no command ${command}` };
    }
    return {};
  }
}

if (process.argv[2] !== undefined) await serve(JSON.parse(process.argv[2]) as ServerOrder);
