/** A plan from its file, checked as far as this machine can. */

import type { CapsulePlan } from '../capsule/capsule-plan.ts';
import { kernel } from '../kernel.ts';
import { type Place, type Problem, parseDocument, readDocument } from './plan-document.ts';
import { kernelProblems, schemaProblems } from './plan-problems.ts';
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

/** Reads and checks a plan. */
export function checkPlanFile(path: string, askKernel: boolean): CheckedPlanFile {
  const document = parseDocument(readDocument(path));
  const readable = document.problems.length === 0;
  const found = readable ? schemaProblems(document.value) : document.problems;
  const plan = found.length === 0 ? (document.value as CapsulePlan) : undefined;
  const kernelAsked = plan !== undefined && askKernel && kernel.kind !== 'none';
  const problems = [...found, ...(kernelAsked ? kernelProblems(plan) : [])];
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
