import { native } from '../binding.ts';
import { checkKeys, checkObject, invalidArgType, invalidArgValue } from '../errors.ts';
import { aboutPath, inJail, JAIL, requireFreeBSD15 } from './calls.ts';
import { encodeParameters } from './parameters.ts';

/** What becomes of a new jail. */
export interface JailCreateOptions {
  /**
   * Whether the jail is tied to a descriptor of this process: it is removed when the descriptor is closed, by
   * `Symbol.dispose`, by `close()`, or when the worker thread or the process ends in whatever way. FreeBSD 15.0.
   */
  readonly owned?: boolean | undefined;
}

/** Checks `{ owned }`, the only option of creating and opening. */
export function isOwned(options: unknown): boolean {
  checkObject('options', options);
  checkKeys('options', options, ['owned']);
  const { owned = false } = options as JailCreateOptions;
  if (typeof owned !== 'boolean') throw invalidArgType('options.owned', 'of type boolean', owned);
  return owned;
}

/** What the kernel makes of a name: where the last part is empty, the number takes its place. */
export function fullName(name: string, jid: number): string {
  return name === '' || name.endsWith('.') ? `${name}${jid}` : name;
}

export interface CreatedJail {
  readonly jid: number;
  readonly name: string;
  /** -1 unless a descriptor was asked for. */
  readonly fd: number;
}

/**
 * Creates a jail.
 *
 * @param descriptor whether to open one of it, and of which kind
 * @param at the jail to create it in, by a descriptor; without one it is that of the caller
 */
export function createJail(parameters: unknown, descriptor: 'none' | 'plain' | 'owned', at = -1): CreatedJail {
  checkObject('parameters', parameters);
  const { persist = true, ...others } = parameters as { persist?: unknown; name?: string; path?: unknown };
  if (persist === false) {
    // The kernel's "new jail must persist or attach", before it has to say so.
    throw invalidArgValue(
      "parameters['persist']",
      persist,
      'must be true for a new jail, which has no process yet to live for; set({ persist: false }) once it has one',
    );
  }
  const encoded = encodeParameters({ ...others, persist }, 'parameters', true);
  let flags: number = JAIL.CREATE;
  if (descriptor !== 'none' || at >= 0) requireFreeBSD15('jail_set', 'Jail descriptors');
  if (descriptor !== 'none') flags |= descriptor === 'owned' ? JAIL.OWN_DESC : JAIL.GET_DESC;
  if (at >= 0) flags |= JAIL.AT_DESC;
  const { jid, fd } = inJail(others.name, () => {
    try {
      const names = encoded.map(({ name }) => name);
      const values = encoded.map(({ value }) => value);
      return native('jail_set').jailSet(names, values, at, flags);
    } catch (error) {
      throw aboutPath(error, others.path);
    }
  });
  return { jid, fd, name: fullName(others.name ?? '', jid) };
}
