/** What is wrong with a plan: against its schema, and against the kernel that is to run it. */

import type { ErrorObject } from 'ajv';
import { attainableGrades } from '../capsule/attainable.ts';
import type { CapsulePlan } from '../capsule/capsule-plan.ts';
import { checkJailSeal } from '../capsule/jail-seal.ts';
import { checkRequirements, shortfallsOf } from '../capsule/requirements.ts';
import { nearestName } from '../jail/nearest.ts';
import { parameterInfo } from '../jail/parameter-table.ts';
import { encodeParameters } from '../jail/parameters.ts';
import { resolveCredentials } from '../process/credentials.ts';
import { checkSpawn, type SpawnOptions } from '../process/spawn-options.ts';
import { type Problem, pointerTo } from './plan-document.ts';
import { validate } from './plan-validator.js';

export { validate };

/** A part of the schema, as far as messages need it. */
interface SchemaPart {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** Why something that one would look for is not there: the seal sets it, or it is said elsewhere. */
function placeElsewhere(pointer: string, name: string): string | undefined {
  if (pointer === '/limits' && name === 'core') return 'is set by the seal';
  if (pointer !== '/jail') return undefined;
  if (name.startsWith('allow.')) return `has its place in /allow: list '${name}' there if it is to stay on`;
  if (name === 'securelevel') return 'has its place outside of /jail: /securelevel';
  if (['persist', 'children.max', 'enforce_statfs'].includes(name)) return 'is set by the seal';
  return undefined;
}

function problemOf(error: ErrorObject): Problem {
  const { keyword, instancePath, parentSchema, message = '', params } = error;
  const part = (parentSchema ?? {}) as SchemaPart;
  switch (keyword) {
    case 'additionalProperties': {
      const name = String(params.additionalProperty);
      const nearest = nearestName(name, Object.keys(part.properties ?? {}));
      const advice =
        placeElsewhere(instancePath, name) ??
        `is not known here${nearest === undefined ? '' : `; the nearest is '${nearest}'`}`;
      return { pointer: pointerTo(instancePath, name), message: advice };
    }
    case 'propertyNames':
      return { pointer: pointerTo(instancePath, String(params.propertyName)), message: 'is not a name that fits here' };
    case 'required':
      return { pointer: instancePath, message: `lacks '${params.missingProperty}'` };
    default: {
      const takes = part.description === undefined ? '' : `. It takes: ${part.description}`;
      // The description says more than a regular expression, and types are a list.
      if (keyword === 'pattern') return { pointer: instancePath, message: `does not fit${takes}` };
      const text = keyword === 'type' ? message.replaceAll(',', ' or ') : message;
      const values = keyword === 'enum' ? `: ${(params.allowedValues as unknown[]).join(', ')}` : '';
      return { pointer: instancePath, message: `${text}${values}${takes}` };
    }
  }
}

/** Checks a value against the schema; without problems it is a plan. */
export function schemaProblems(value: unknown): Problem[] {
  if (validate(value)) return [];
  const errors = validate.errors ?? [];
  // Of a name that does not fit there is a second error, which says so.
  return errors.filter(({ propertyName }) => propertyName === undefined).map(problemOf);
}

/** Calls, and makes a problem of an argument error; others are no matter of the plan. */
function problemsOf(pointer: string, call: () => void): Problem[] {
  try {
    call();
    return [];
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ERR_') !== true) throw error;
    return [{ pointer, message: `is refused: ${message}` }];
  }
}

/** Finds the grades that a plan requires and that no machine gives it. Asks no kernel. */
export function requirementProblems(plan: CapsulePlan): Problem[] {
  const { require = {} } = plan;
  const requirements = checkRequirements('plan.require', require);
  return shortfallsOf(attainableGrades(plan), requirements).map(
    ({ property, adversary, wanted, grade, mechanism }) => ({
      pointer: typeof require[property] === 'string' ? `/require/${property}` : `/require/${property}/${adversary}`,
      message: `cannot be '${wanted}' against ${adversary}: with this plan it is '${grade}' at most on any machine (${mechanism})`,
    }),
  );
}

/**
 * Checks a plan against the running kernel and this system, with the package's own argument checks: parameters, addresses,
 * users and groups. Changes nothing.
 *
 * @throws `ENOSYS` when there is no kernel to ask
 */
export function kernelProblems(plan: CapsulePlan): Problem[] {
  const parameters = Object.entries(plan.jail).flatMap(([name, value]) =>
    problemsOf(pointerTo('/jail', name), () => encodeParameters({ [name]: value }, 'jail', true)),
  );
  const permissions = (plan.allow ?? []).flatMap((name, index) =>
    problemsOf(`/allow/${index}`, () => {
      // This one knows the nearest name, the other which are permissions.
      parameterInfo(name, { argument: `allow[${index}]`, value: name });
      checkJailSeal('plan', { allow: [name] });
    }),
  );
  const option = (name: 'cwd' | 'env' | 'limits') =>
    problemsOf(`/${name}`, () => {
      if (plan[name] !== undefined) checkSpawn('command', [], { [name]: plan[name] } as SpawnOptions);
    });
  const groups = (plan.groups ?? []).flatMap((group, index) =>
    problemsOf(`/groups/${index}`, () => resolveCredentials(undefined, undefined, [group])),
  );
  const group = problemsOf('/group', () => resolveCredentials(undefined, plan.group, undefined));
  // A uid that no user has needs a group, whichever.
  const user = problemsOf('/user', () =>
    resolveCredentials(plan.user, plan.group === undefined ? undefined : 0, undefined),
  );
  return [
    ...parameters,
    ...permissions,
    ...option('cwd'),
    ...option('env'),
    ...option('limits'),
    ...user,
    ...group,
    ...groups,
  ];
}
