import dns from 'node:dns';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import { type AnyFunction, refuseMethods } from '../interception.ts';
import { describedError } from '../refusal-errors.ts';
import type { SimulatedKernel } from '../runtime-refusals.ts';

/** Resolver calls, with the name their errors give the query. */
const queries: Record<string, string> = {
  resolve4: 'queryA',
  resolve6: 'queryAaaa',
  resolveAny: 'queryAny',
  resolveCaa: 'queryCaa',
  resolveCname: 'queryCname',
  resolveMx: 'queryMx',
  resolveNaptr: 'queryNaptr',
  resolveNs: 'queryNs',
  resolvePtr: 'queryPtr',
  resolveSoa: 'querySoa',
  resolveSrv: 'querySrv',
  resolveTxt: 'queryTxt',
  reverse: 'getHostByAddr',
};

/** Makes the error of a name that cannot be looked up. */
export function lookupError(hostname: string): Error {
  const properties = { code: 'EAI_AGAIN', errno: -3001, syscall: 'getaddrinfo', hostname };
  return describedError(`getaddrinfo EAI_AGAIN ${hostname}`, properties);
}

/** Not recorded: getnameinfo(3) is asked for a name and finds none. */
function serviceError(address: string, port: unknown): Error {
  const properties = { code: 'ENOTFOUND', errno: 4, syscall: 'getnameinfo', hostname: `${address}|${port}` };
  return describedError(`getnameinfo ENOTFOUND ${address}|${port}`, properties);
}

function queryError(syscall: string, hostname: string): Error {
  // 11 is the resolver library's own number.
  const properties = { code: 'ECONNREFUSED', errno: 11, syscall, hostname };
  return describedError(`${syscall} ECONNREFUSED ${hostname}`, properties);
}

/** Refuses name lookups: neither the resolver's files nor its servers can be reached. */
export function refuseNameLookups(kernel: SimulatedKernel): void {
  const judge = (name: string, [hostname, type]: readonly unknown[]): Error | undefined => {
    if (!kernel.isSandboxed() || typeof hostname !== 'string') return undefined;
    if (name === 'lookup') return isIP(hostname) === 0 ? lookupError(hostname) : undefined;
    if (name === 'lookupService') return serviceError(hostname, type);
    const record = typeof type === 'string' ? type : 'A';
    const syscall =
      name === 'resolve' ? `query${record.charAt(0)}${record.slice(1).toLowerCase()}` : (queries[name] ?? name);
    return queryError(syscall, hostname);
  };
  const names = [...Object.keys(queries), 'resolve'];
  const withCallback = (holder: object, methods: readonly string[]): void => {
    for (const method of methods) {
      // The promisified form is a function of its own.
      const form = (holder as Record<string, { [promisify.custom]?: AnyFunction } | undefined>)[method];
      if (form?.[promisify.custom] === undefined) continue;
      refuseMethods(form, [promisify.custom], (_name, _self, args) => {
        const error = judge(method, args);
        return error === undefined ? undefined : [Promise.reject(error)];
      });
    }
    refuseMethods(holder, methods, (name, _self, args) => {
      const callback = args.findLast((argument) => typeof argument === 'function');
      const error = callback === undefined ? undefined : judge(String(name), args);
      if (error === undefined) return undefined;
      setImmediate(callback as (error: Error) => void, error);
      return [undefined];
    });
  };
  const withPromise = (holder: object, methods: readonly string[]): void =>
    refuseMethods(holder, methods, (name, _self, args) => {
      const error = judge(String(name), args);
      return error === undefined ? undefined : [Promise.reject(error)];
    });

  withCallback(dns, ['lookup', 'lookupService', ...names]);
  withCallback(dns.Resolver.prototype, names);
  withPromise(dns.promises, ['lookup', 'lookupService', ...names]);
  withPromise(dns.promises.Resolver.prototype, names);
}
