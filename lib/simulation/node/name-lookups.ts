import dns from 'node:dns';
import { promisify } from 'node:util';
import { refuseMethods } from '../interception.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';
import { bindingPrototype, nodeBinding } from './bindings.ts';

/** libuv's numbers, the same on every system. */
const UV_EAI_AGAIN = -3001;
const UV_EAI_NONAME = -3008;

interface LookupRequest {
  oncomplete(error: number | string, ...results: unknown[]): void;
}

/** Refuses name lookups: neither the resolver's files nor its servers can be reached. */
export function refuseNameLookups(kernel: SimulatedKernel): void {
  const refuse = (holder: object, names: readonly string[], error: number | string): void =>
    refuseMethods(holder, names, (_name, _self, args) => {
      if (!kernel.isSandboxed()) return undefined;
      setImmediate(() => (args[0] as LookupRequest).oncomplete(error));
      return [0];
    });

  const binding = nodeBinding('cares_wrap');
  refuse(binding, ['getaddrinfo'], UV_EAI_AGAIN);
  // Not recorded: getnameinfo(3) is asked for a name and finds none.
  refuse(binding, ['getnameinfo'], UV_EAI_NONAME);

  const channel = bindingPrototype('cares_wrap', 'ChannelWrap');
  const queries = Object.getOwnPropertyNames(channel).filter((name) => /^(query|getHostByAddr)/.test(name));
  refuse(channel, queries, 'ECONNREFUSED');

  // dns.promises took its copies of the two functions when it was loaded, perhaps before now.
  const lookups = { lookup: promisify(dns.lookup), lookupService: promisify(dns.lookupService) };
  refuseMethods(dns.promises, Object.keys(lookups), (name, _self, args) =>
    kernel.isSandboxed()
      ? [
          Reflect.apply(
            lookups[name as keyof typeof lookups],
            dns,
            args.filter((argument) => argument !== undefined),
          ),
        ]
      : undefined,
  );
}
