import type { JailParameters } from '../jail/parameter-types.ts';
import type { LimitName } from '../process/spawn-options.ts';
import type { Requirements } from './properties.ts';
import type { CapsuleSpawnOptions } from './spawn-capsule.ts';

/** Parameters that the seal sets: a plan has other places for what may be said of them. */
type SetBySeal = 'persist' | 'securelevel' | 'children.max' | 'enforce_statfs' | `allow.${string}`;

/** A jail of a capsule plan: parameters of a new jail that JSON can write and the seal leaves to its plan. */
export type PlannedJail = {
  readonly [Name in keyof JailParameters as Name extends SetBySeal ? never : Name]?: Exclude<
    JailParameters[Name],
    bigint | null | undefined
  >;
} & {
  /** Absolute: a plan means the same directory wherever it is read. */
  readonly path: string;
};

/**
 * A capsule as plain data, to review and compare, for `capsule check` and `capsule run`: what `Capsule.spawn()` takes, as
 * far as JSON can write it.
 *
 * Its JSON schema is `freebsd-capsule/capsule-plan.schema.json`.
 *
 * @example
 * ```ts
 * import type { CapsulePlan } from 'freebsd-capsule';
 * const plan: CapsulePlan = {
 *   version: 1,
 *   jail: { path: '/jails/web', 'ip4.addr': ['192.0.2.7'] },
 *   allow: ['allow.reserved_ports'],
 *   user: 'www',
 * };
 * ```
 */
export interface CapsulePlan {
  /** Where editors find the schema. */
  readonly $schema?: string;
  /** The version of this format. */
  readonly version: 1;
  /** The parameters of the jail, as `Jail.create()` takes them. */
  readonly jail: PlannedJail;
  /** `allow.*` parameters that stay on, by their full names. Default: none. */
  readonly allow?: readonly string[];
  /** Default: 3. */
  readonly securelevel?: number;
  /** Whether the command starts in capability mode, which a static executable alone can. Default: false. */
  readonly capabilityMode?: boolean;
  /** The grades without which the command is not started. Default: none. */
  readonly require?: Requirements;
  /** Working directory: a path in the jail. Default: its root. */
  readonly cwd?: string;
  /** Environment, whole. Default: that of the process that runs the plan. */
  readonly env?: Readonly<Record<string, string>>;
  /** User to become, by name or uid. */
  readonly user?: string | number;
  /** Group to become, by name or gid. Default: the group of `user`. */
  readonly group?: string | number;
  /** Supplementary groups, by name or gid. Default: none where there is a `user` or `group`. */
  readonly groups?: readonly (string | number)[];
  /** Resource limits. That of core files is set by the seal. */
  readonly limits?: {
    readonly [name in Exclude<LimitName, 'core'>]?: number | { readonly soft: number; readonly hard: number };
  };
}

/** Returns what `Capsule.spawn` is to be asked for a plan. */
export function optionsOf({ $schema: _schema, version: _version, ...options }: CapsulePlan): CapsuleSpawnOptions {
  return options;
}
