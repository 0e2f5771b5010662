import { refuseMethods } from '../interception.ts';
import { ECAPMODE } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { bindingPrototype } from './bindings.ts';

interface SocketHandle {
  getsockname?: (into: { address?: string; family?: string; port?: number }) => number;
}

interface ConnectRequest {
  oncomplete(status: number, handle: unknown, request: unknown, readable: boolean, writable: boolean): void;
}

/**
 * Refuses connect(2), bind(2) and sending to an address. Sockets that are connected or listening stay as they are;
 * http, https, http2, tls and fetch all end here.
 */
export function refuseNetwork(kernel: SimulatedKernel): void {
  const refused = () => (kernel.isSandboxed() ? ([-ECAPMODE] as const) : undefined);

  refuseMethods(bindingPrototype('tcp_wrap', 'TCP'), ['bind', 'bind6'], refused);
  refuseMethods(bindingPrototype('tcp_wrap', 'TCP'), ['connect', 'connect6'], (name, self) => {
    if (!kernel.isSandboxed()) return undefined;
    // socket(2) is not refused: the error names the address of a socket that exists and is bound to nothing.
    const unbound = name === 'connect6' ? { address: '::', family: 'IPv6' } : { address: '0.0.0.0', family: 'IPv4' };
    (self as SocketHandle).getsockname = (into) => {
      Object.assign(into, unbound, { port: 0 });
      return 0;
    };
    return [-ECAPMODE];
  });

  refuseMethods(bindingPrototype('pipe_wrap', 'Pipe'), ['bind'], refused);
  refuseMethods(bindingPrototype('pipe_wrap', 'Pipe'), ['connect'], (_name, self, args) => {
    if (!kernel.isSandboxed()) return undefined;
    // libuv reports a UNIX socket's refused connect(2) from the event loop, a TCP socket's at once.
    const request = args[0] as ConnectRequest;
    setImmediate(() => request.oncomplete(-ECAPMODE, self, request, true, true));
    return [0];
  });

  const udp = bindingPrototype('udp_wrap', 'UDP');
  refuseMethods(udp, ['bind', 'bind6', 'connect', 'connect6'], refused);
  // With six arguments there is an address among them; four are for a connected socket, which may send.
  refuseMethods(udp, ['send', 'send6'], (_name, _self, args) => (args.length > 4 ? refused() : undefined));
}
