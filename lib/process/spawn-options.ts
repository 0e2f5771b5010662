import { checkAbortSignal } from '../abort-error.ts';
import { native } from '../binding.ts';
import { type DescriptorLike, MAX_FD, toFd } from '../descriptor.ts';
import { checkInteger, checkObject, invalidArgType, invalidArgValue } from '../errors.ts';
import { jidOfName } from '../jail/numeric-name.ts';
import { type CheckedDescriptors, type ChildDescriptor, checkDescriptors, type Stdio } from './child-descriptors.ts';
import { type Credentials, resolveCredentials } from './credentials.ts';

/** A resource that `limits` can limit, named as in setrlimit(2). */
export type LimitName = 'as' | 'core' | 'cpu' | 'data' | 'fsize' | 'memlock' | 'nofile' | 'nproc' | 'rss' | 'stack';

/** A limit: one value for both, or what it begins with and how far the child may raise it. `Infinity` is none. */
export type ResourceLimit = number | { readonly soft: number; readonly hard: number };

/** How `spawn` starts a process. */
export interface SpawnOptions {
  /** `argv[0]`. Default: the file as it was given. */
  readonly argv0?: string;
  /** Working directory: a path, or a directory's descriptor. With `jail`: a path inside. Default: this process's. */
  readonly cwd?: string | DescriptorLike;
  /** Environment, whole: nothing is added. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Standard streams: one for all three, or each. Default: `'pipe'`. */
  readonly stdio?: Stdio | readonly (Stdio | undefined)[];
  /** Further descriptors, by the number that each has in the child (from 3). There are no others. */
  readonly descriptors?:
    | Readonly<Record<number, DescriptorLike | ChildDescriptor>>
    | ReadonlyMap<number, DescriptorLike | ChildDescriptor>;
  /** User to become, by name or uid. Needs root. */
  readonly user?: string | number;
  /** Group to become, by name or gid. Default: the group of `user`. */
  readonly group?: string | number;
  /** Supplementary groups, by name or gid. Default: none where there is a `user` or `group`, else this process's. */
  readonly groups?: readonly (string | number)[];
  /** Whether it gets a session of its own, away from this process's terminal. Default: false. */
  readonly session?: boolean;
  /** Resource limits. */
  readonly limits?: { readonly [name in LimitName]?: ResourceLimit };
  /** Whether set-id files give it, and all that it starts, no privileges. Default: false. */
  readonly noNewPrivileges?: boolean;
  /**
   * Whether it starts in capability mode. Only a static executable can: the run-time linker of a dynamic one, and the
   * interpreter of a script, are found by path. Default: false.
   */
  readonly capabilityMode?: boolean;
  /**
   * Jail to start in: its jid, its name, or its descriptor. Needs root. The simulated kernel counts the child among the
   * jail's processes, and that is all: the child has the host's files, and what it starts in turn is not counted.
   */
  readonly jail?: number | string | { readonly fd: number };
  /** Whether it goes on when its descriptor is closed. Default: false. */
  readonly daemon?: boolean;
  /** Sends SIGTERM when it aborts. */
  readonly signal?: AbortSignal;
}

/** What `spawn` was asked for, with every argument checked and every name resolved. */
export interface CheckedSpawn extends Credentials {
  readonly file: string | number;
  readonly files: readonly string[];
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string | number | undefined;
  readonly descriptors: CheckedDescriptors;
  readonly limits: readonly (string | number)[];
  readonly session: boolean;
  readonly noNewPrivileges: boolean;
  readonly capabilityMode: boolean;
  readonly jail: number | string | { readonly fd: number } | undefined;
  readonly daemon: boolean;
  readonly signal: AbortSignal | undefined;
}

const KEYS: ReadonlySet<string> = new Set<keyof SpawnOptions>([
  'argv0',
  'cwd',
  'env',
  'stdio',
  'descriptors',
  'user',
  'group',
  'groups',
  'session',
  'limits',
  'noNewPrivileges',
  'capabilityMode',
  'jail',
  'daemon',
  'signal',
]);

const LIMITS: ReadonlySet<string> = new Set<LimitName>([
  'as',
  'core',
  'cpu',
  'data',
  'fsize',
  'memlock',
  'nofile',
  'nproc',
  'rss',
  'stack',
]);

/** Where execvp(3) looks without a PATH: `_PATH_DEFPATH`. */
const DEFAULT_PATH = '/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin';

function checkText(name: string, value: unknown, empty: 'may be empty' | 'not empty' = 'may be empty'): string {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
  if (value.includes('\0')) throw invalidArgValue(name, value, 'must be a string without null bytes');
  if (value === '' && empty === 'not empty') throw invalidArgValue(name, value, 'must not be empty');
  return value;
}

function flagOf(options: SpawnOptions, key: 'session' | 'noNewPrivileges' | 'capabilityMode' | 'daemon'): boolean {
  const value: unknown = options[key];
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw invalidArgType(`options.${key}`, 'of type boolean', value);
  return value;
}

function environmentOf(env: unknown = process.env): string[] {
  checkObject('options.env', env);
  const entries = Object.entries(env as Record<string, unknown>).filter(([, value]) => value !== undefined);
  return entries.map(([key, value]) => {
    checkText('options.env', key, 'not empty');
    if (key.includes('=')) throw invalidArgValue('options.env', env, `has the name '${key}', with a '='`);
    return `${key}=${checkText(`options.env.${key}`, value)}`;
  });
}

/** The places where a file is looked for, as execvp(3) does: by PATH where its name has no slash. */
function placesOf(file: string, env: readonly string[]): string[] {
  if (file.includes('/')) return [file];
  const path = env.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? DEFAULT_PATH;
  return path.split(':').map((directory) => `${directory === '' ? '.' : directory}/${file}`);
}

function limitsOf(limits: unknown): (string | number)[] {
  if (limits === undefined) return [];
  checkObject('options.limits', limits);
  const value = (name: string, given: unknown): number => {
    // What setrlimit(2) calls RLIM_INFINITY.
    if (given === Number.POSITIVE_INFINITY) return -1;
    checkInteger(name, given, 0, Number.MAX_SAFE_INTEGER);
    return given;
  };
  return Object.entries(limits).flatMap(([key, limit]: [string, unknown]) => {
    if (!LIMITS.has(key)) throw invalidArgValue('options.limits', limits, `has no property '${key}'`);
    const name = `options.limits.${key}`;
    if (limit === undefined) return [];
    if (typeof limit === 'number') return [key, value(name, limit), value(name, limit)];
    checkObject(name, limit);
    const { soft, hard, ...others } = limit as { soft?: unknown; hard?: unknown };
    const [other] = Object.keys(others);
    if (other !== undefined) throw invalidArgValue(name, limit, `has no property '${other}'`);
    const values = [value(`${name}.soft`, soft), value(`${name}.hard`, hard)] as const;
    const [low, high] = values.map((number) => (number === -1 ? Number.POSITIVE_INFINITY : number));
    if ((low ?? 0) > (high ?? 0)) throw invalidArgValue(name, limit, 'has a soft limit above the hard one');
    return [key, ...values];
  });
}

function jailOf(jail: unknown): CheckedSpawn['jail'] {
  if (jail === undefined) return undefined;
  if (typeof jail === 'number') {
    // 0 is the caller's own jail to jail_get(2), and nothing to jail_attach(2).
    checkInteger('options.jail', jail, 1, MAX_FD);
    return jail;
  }
  if (typeof jail === 'string') return jidOfName(jail) ?? checkText('options.jail', jail, 'not empty');
  if (typeof jail !== 'object' || jail === null) {
    throw invalidArgType('options.jail', 'a jid, a name or an object with an fd', jail);
  }
  return { fd: toFd(jail, 'options.jail') };
}

/** Checks the arguments of `spawn`. Reads users and groups; changes and opens nothing. */
export function checkSpawn(file: unknown, args: unknown, options: SpawnOptions): CheckedSpawn {
  const program = typeof file === 'string' ? checkText('file', file, 'not empty') : toFd(file, 'file');
  if (!Array.isArray(args)) throw invalidArgType('args', 'an instance of Array', args);
  const rest = args.map((argument: unknown, index) => checkText(`args[${index}]`, argument));
  checkObject('options', options);
  for (const key of Object.keys(options)) {
    if (!KEYS.has(key)) throw invalidArgValue('options', options, `has no property '${key}'`);
  }
  const { argv0, cwd, jail, signal }: { argv0?: unknown; cwd?: unknown; jail?: unknown; signal?: unknown } = options;
  const first =
    argv0 === undefined
      ? typeof program === 'string'
        ? program
        : `/dev/fd/${program}`
      : checkText('options.argv0', argv0);
  const directory =
    cwd === undefined
      ? undefined
      : typeof cwd === 'string'
        ? checkText('options.cwd', cwd, 'not empty')
        : toFd(cwd, 'options.cwd');
  const env = environmentOf(options.env);
  const descriptors = checkDescriptors(options.stdio, options.descriptors);
  const limits = limitsOf(options.limits);
  const flags = {
    session: flagOf(options, 'session'),
    noNewPrivileges: flagOf(options, 'noNewPrivileges'),
    capabilityMode: flagOf(options, 'capabilityMode'),
    daemon: flagOf(options, 'daemon'),
  };
  const place = jailOf(jail);
  if (place !== undefined && typeof directory === 'number') {
    throw invalidArgValue('options.cwd', cwd, 'must be a path where there is a jail: a directory would lead out of it');
  }
  checkAbortSignal('options.signal', signal);
  // No argument error comes without a kernel, nor a lookup before all arguments are right.
  native('pdfork');
  return {
    file: program,
    files: typeof program === 'string' ? placesOf(program, env) : [],
    args: [first, ...rest],
    env,
    cwd: directory,
    descriptors,
    limits,
    ...flags,
    jail: place,
    signal,
    ...resolveCredentials(options.user, options.group, options.groups),
  };
}
