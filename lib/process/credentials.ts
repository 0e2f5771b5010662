import { native } from '../binding.ts';
import { isSandboxed } from '../capsicum/mode.ts';
import { checkInteger, invalidArgType, invalidArgValue, notInCapabilityMode } from '../errors.ts';

/** Who a child is to be: ids, resolved before it starts. Null leaves a part as this process has it. */
export interface Credentials {
  readonly uid: number | null;
  readonly gid: number | null;
  /** All supplementary groups. */
  readonly groups: readonly number[] | null;
}

const MAX_ID = 2 ** 32 - 2;

/** NGROUPS_MAX is 1023, and the list begins with the group itself. */
const MOST_GROUPS = 1023;

function checkNameOrId(name: string, value: unknown): asserts value is string | number {
  if (typeof value === 'number') {
    checkInteger(name, value, 0, MAX_ID);
    return;
  }
  if (typeof value !== 'string' || value === '') throw invalidArgType(name, 'a name or of type number', value);
  if (value.includes('\0')) throw invalidArgValue(name, value, 'must be a string without null bytes');
}

/** The databases are files, and what is read of them there would be the libraries' idea of nothing. */
function refuseLookUp(syscall: string): void {
  if (isSandboxed())
    throw notInCapabilityMode(syscall, 'Nobody becomes somebody else in capability mode, nor is looked up.');
}

function groupId(name: string, group: unknown): number {
  checkNameOrId(name, group);
  if (typeof group === 'number') return group;
  refuseLookUp('getgrnam_r');
  const gid = native('getgrnam').lookUpGroup(group);
  if (gid === undefined) throw invalidArgValue(name, group, 'is not the name of a group');
  return gid;
}

/**
 * Resolves the names of users and groups. A user or group without `groups` has no other groups than the one: none of
 * this process's stay with a child that is somebody else.
 */
export function resolveCredentials(user: unknown, group: unknown, groups: unknown): Credentials {
  let gid = group === undefined ? null : groupId('options.group', group);
  let uid: number | null = null;
  if (user !== undefined) {
    checkNameOrId('options.user', user);
    // The database says a user's group; who gives both as numbers needs no database.
    const looksUp = typeof user === 'string' || gid === null;
    if (looksUp) refuseLookUp(typeof user === 'string' ? 'getpwnam_r' : 'getpwuid_r');
    const found = looksUp ? native('getpwnam').lookUpUser(user) : undefined;
    if (found === undefined && looksUp) {
      const advice = typeof user === 'string' ? '' : '; give options.group too';
      throw invalidArgValue('options.user', user, `is not a user of this system${advice}`);
    }
    uid = typeof user === 'number' ? user : (found?.uid ?? null);
    gid ??= found?.gid ?? null;
  }
  if (groups === undefined) return { uid, gid, groups: gid === null ? null : [gid] };
  if (!Array.isArray(groups)) throw invalidArgType('options.groups', 'an instance of Array', groups);
  if (groups.length > MOST_GROUPS) {
    throw invalidArgValue('options.groups', groups, `has ${groups.length} groups; the kernel keeps ${MOST_GROUPS}`);
  }
  const ids = groups.map((name: unknown, index) => groupId(`options.groups[${index}]`, name));
  // Until 14.x the first of the list is the effective group itself.
  return { uid, gid, groups: [gid ?? process.getegid?.() ?? 0, ...ids] };
}
