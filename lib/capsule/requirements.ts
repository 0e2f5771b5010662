/** Holding a capsule's grades against what its program asks for. */

import { checkKeys, checkObject, invalidArgType, invalidArgValue, invalidState } from '../errors.ts';
import {
  ADVERSARIES,
  type Adversary,
  type Cell,
  GRADES,
  type Grade,
  PROPERTIES,
  type Property,
  type PropertyTable,
} from './properties.ts';

function checkGrade(name: string, value: unknown): Grade {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
  if (!(GRADES as readonly string[]).includes(value)) {
    throw invalidArgValue(name, value, `must be one of: ${GRADES.map((grade) => `'${grade}'`).join(', ')}`);
  }
  return value as Grade;
}

/** One thing that is asked for. */
interface Requirement {
  readonly property: Property;
  readonly adversary: Adversary;
  readonly grade: Grade;
}

/** Checks requirements and lists them one by one. A misspelt property or adversary is an error: it would ask for nothing. */
export function checkRequirements(name: string, requirements: unknown): Requirement[] {
  checkObject(name, requirements);
  checkKeys(name, requirements, PROPERTIES);
  return PROPERTIES.flatMap((property) => {
    const wanted: unknown = (requirements as Record<string, unknown>)[property];
    if (wanted === undefined) return [];
    const called = `${name}.${property}`;
    if (typeof wanted === 'string') {
      const grade = checkGrade(called, wanted);
      return ADVERSARIES.map((adversary) => ({ property, adversary, grade }));
    }
    checkObject(called, wanted);
    checkKeys(called, wanted, ADVERSARIES);
    return ADVERSARIES.flatMap((adversary) => {
      const grade: unknown = (wanted as Record<string, unknown>)[adversary];
      return grade === undefined ? [] : [{ property, adversary, grade: checkGrade(`${called}.${adversary}`, grade) }];
    });
  });
}

/** A cell that is less than what is asked for. */
interface Shortfall extends Cell {
  readonly property: Property;
  readonly adversary: Adversary;
  readonly wanted: Grade;
}

/** Finds what falls short. */
export function shortfallsOf(table: PropertyTable, requirements: readonly Requirement[]): Shortfall[] {
  return requirements
    .filter(
      ({ property, adversary, grade }) => GRADES.indexOf(table[property][adversary].grade) < GRADES.indexOf(grade),
    )
    .map(({ property, adversary, grade }) => ({ property, adversary, wanted: grade, ...table[property][adversary] }));
}

/**
 * Throws unless every cell is at least what is asked for.
 *
 * @throws `ERR_INVALID_STATE` that names each cell that falls short; `error.shortfalls` lists them
 */
export function requireGrades(table: PropertyTable, requirements: readonly Requirement[]): void {
  const shortfalls = shortfallsOf(table, requirements);
  if (shortfalls.length === 0) return;
  const lines = shortfalls.map(
    ({ property, adversary, wanted, grade, mechanism, value }) =>
      `${property} against ${adversary} is to be '${wanted}' and is '${grade}': ${mechanism} (${value})`,
  );
  throw Object.assign(invalidState(`The capsule falls short of what is required: ${lines.join('; ')}`), {
    shortfalls: Object.freeze(shortfalls),
  });
}
