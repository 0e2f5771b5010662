/** How a subsystem is shared: switched off, the jail's own, or the parent's. */
export type JailSystem = 'disable' | 'new' | 'inherit';

/** Lines of `key=value`. A key has no `=` and no newline, a value no newline. */
export type JailMetadata = Readonly<Record<string, string>>;

/**
 * The jail parameters this package knows by name, with the types they are read and written as.
 *
 * The kernel has the last word: what a name takes is asked of the running kernel, so parameters of modules work whether
 * or not they are listed. To have TypeScript know one too, add it:
 *
 * ```ts
 * declare module 'freebsd-capsule' {
 *   interface JailParameterTypes {
 *     'linux.osname': string;
 *   }
 * }
 * ```
 *
 * @see [jail(8)](https://man.freebsd.org/cgi/man.cgi?query=jail&sektion=8), Jail Parameters
 */
export interface JailParameterTypes {
  /** Number. Given at creation or chosen by the kernel, 1 to 999999. */
  jid: number;
  /** Name; with dots, below the jails named before them. By default the jid. Not a number. */
  name: string;
  /** Jid of the parent; 0 when that is the jail of the asking process. Read-only. */
  parent: number;
  /** Root directory. At creation only; by default that of the creator. */
  path: string;
  securelevel: number;
  /** At creation only. */
  osreldate: number;
  /** At creation only. */
  osrelease: string;
  /** Which mounts are seen: 0 all, 1 those below the root, 2 only the one with the root. */
  enforce_statfs: number;
  devfs_ruleset: number;
  /** Whether the jail stays without processes. */
  persist: boolean;
  /** A network stack of its own. At creation only. */
  vnet: JailSystem;
  /** On its way out, kept by processes or sockets that have not ended. Read-only. */
  dying: boolean;
  /** Read-only. */
  'children.cur': number;
  /** How many jails may be made inside; 0 by default. */
  'children.max': number;
  host: JailSystem;
  'host.hostname': string;
  'host.domainname': string;
  'host.hostuuid': string;
  'host.hostid': bigint;
  /** Read-only. */
  'cpuset.id': number;
  /** At creation only. Reads as 'disable' after 'new' too: see `ip4.addr`. */
  ip4: JailSystem;
  /** The first is the one that connections come from. */
  'ip4.addr': readonly string[];
  'ip4.saddrsel': boolean;
  /** At creation only. Reads as 'disable' after 'new' too: see `ip6.addr`. */
  ip6: JailSystem;
  'ip6.addr': readonly string[];
  'ip6.saddrsel': boolean;
  /** What is said of the jail and not shown to it. FreeBSD 15.0. Every user outside can read it: keep no secrets here. */
  meta: JailMetadata;
  /** What is said of the jail and shown to it (`sysctl security.jail.env`). FreeBSD 15.0. */
  env: JailMetadata;
  sysvmsg: JailSystem;
  sysvsem: JailSystem;
  sysvshm: JailSystem;
  linux: JailSystem;
  'linux.osname': string;
  'linux.osrelease': string;
  'linux.oss_version': number;
  zfs: JailSystem;
  'zfs.mount_snapshot': number;
  'mac.do': JailSystem;
  'mac.do.rules': string;
  [permission: `allow.${string}`]: boolean;
  /** One key of `meta`: null when it is not there, and to remove it. */
  [key: `meta.${string}`]: string | null;
  /** One key of `env`, likewise. */
  [key: `env.${string}`]: string | null;
}

type ReadOnlyName = 'parent' | 'dying' | 'children.cur' | 'cpuset.id';
type CreateOnlyName = 'jid' | 'path' | 'osreldate' | 'osrelease' | 'vnet' | 'ip4' | 'ip6';

/** The name of a jail parameter. */
export type JailParameterName = keyof JailParameterTypes;

/** Parameters to create a jail with. */
export type JailParameters = {
  readonly [Name in Exclude<JailParameterName, ReadOnlyName>]?: Writable<JailParameterTypes[Name]> | undefined;
};

/** Parameters to change of a jail: those of creation without what is fixed then. */
export type JailChanges = {
  readonly [Name in Exclude<JailParameterName, ReadOnlyName | CreateOnlyName>]?:
    | Writable<JailParameterTypes[Name]>
    | undefined;
};

/** 64-bit numbers may be written as plain ones too. */
type Writable<Value> = Value extends bigint ? bigint | number : Value;

/** What reading the named parameters gives. */
export type JailValues<Name extends JailParameterName> = { readonly [N in Name]: JailParameterTypes[N] };

/** A value of some parameter, for code that does not know which. */
export type JailValue = boolean | number | bigint | string | null | readonly string[] | JailMetadata;
