/**
 * Helpers for the tests of programs that use jails.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto';
import { checkObject } from './errors.ts';
import { createOwned, type JailDescriptor } from './jail/jail-descriptor.ts';
import type { JailParameters } from './jail/parameter-types.ts';

/**
 * Creates a jail for one test: with a name of its own unless given, owned, so that nothing of it is left when the test is
 * over, however it ends. `await using` waits until it is gone. FreeBSD 15.0; root.
 *
 * @param parameters as for `Jail.create`; without `path` the jail has the whole file system
 * @throws as `Jail.create`
 * @see [jail(2)](https://man.freebsd.org/cgi/man.cgi?query=jail&sektion=2)
 * @since FreeBSD 15.0
 *
 * @example
 * ```ts
 * import { tempJail } from 'freebsd-capsule/testing';
 * await using jail = tempJail({ 'ip4.addr': ['127.0.0.1'] });
 * jail.get('name').name; // 'temporary-…'
 * ```
 */
export function tempJail(parameters: JailParameters = {}): JailDescriptor {
  checkObject('parameters', parameters);
  const { name = `temporary-${randomUUID()}` } = parameters;
  return createOwned({ ...parameters, name });
}
