/** A plan from its file, checked as far as this machine can. */

import type { CapsulePlan } from '../capsule/capsule-plan.ts';
import { kernel } from '../kernel.ts';
import { type Place, type Problem, parseDocument, readDocument } from './plan-document.ts';
import { kernelProblems, requirementProblems, schemaProblems } from './plan-problems.ts';
import { printable } from './printable.ts';

/** A problem with its place in the file, where that is known. */
export type PlacedProblem = Problem & Partial<Place>;

export interface CheckedPlanFile {
  readonly path: string;
  /** Where there are no problems. */
  readonly plan: CapsulePlan | undefined;
  readonly problems: readonly PlacedProblem[];
  /** Whether the kernel was asked: not without one, nor for a plan that its schema refuses. */
  readonly kernelAsked: boolean;
}

/** What only a kernel knows of a plan, for people who have none at hand. */
export const KERNEL_CHECKS =
  'whether the kernel has these parameters and takes these values, and whether users, groups and limits are right';

/** What nobody but a start looks at, since a plan may be checked on another machine than it is for. */
export const PATH_CHECKS =
  "whether its paths are there: 'capsule run --dry-run' looks for that of the jail, the start for those in it";

/**
 * Reads and checks a plan.
 *
 * @param asked `grades`: whether what it requires can be had at all, which a start finds out by itself
 */
export function checkPlanFile(path: string, asked: { kernel: boolean; grades: boolean }): CheckedPlanFile {
  const document = parseDocument(readDocument(path));
  const readable = document.problems.length === 0;
  const found = readable ? schemaProblems(document.value) : document.problems;
  const plan = found.length === 0 ? (document.value as CapsulePlan) : undefined;
  const kernelAsked = plan !== undefined && asked.kernel && kernel.kind !== 'none';
  const problems = [
    ...found,
    ...(plan !== undefined && asked.grades ? requirementProblems(plan) : []),
    ...(kernelAsked ? kernelProblems(plan) : []),
  ];
  const placed = problems.map((problem) => ({ ...problem, ...document.place(problem.pointer) }));
  placed.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  return { path, plan: problems.length === 0 ? plan : undefined, problems: placed, kernelAsked };
}

/** The most that somebody reads. */
const MOST_SHOWN = 50;

/** One line for each problem, as compilers write them. */
export function problemLines(path: string, problems: readonly PlacedProblem[]): string[] {
  const lines = problems.slice(0, MOST_SHOWN).map(({ pointer, message, line, column }) => {
    const place = line === undefined ? path : `${path}:${line}:${column}`;
    return printable(`${place}: ${pointer === '' ? 'the plan' : pointer} ${message}`).replaceAll('\n', ' ');
  });
  const more = problems.length - lines.length;
  return more > 0 ? [...lines, `${printable(path)}: and ${more} more`] : lines;
}
