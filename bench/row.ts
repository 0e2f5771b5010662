/** One answer of a benchmark, and how it is told: as a line to read, or as JSON to the runner (`bench/run.ts`). */

export interface Row {
  readonly question: string;
  /** What this package took, or reached. */
  readonly ours: number;
  readonly unit: string;
  /** What it is measured against, side by side in the same run. */
  readonly against?: { readonly name: string; readonly value: number };
  /** What is wanted: of `ours / against`, or of `ours` where there is nothing to compare with. */
  readonly target?: { readonly atMost: number } | { readonly atLeast: number };
}

/** Returns the number that a target is about. */
export function figureOf({ ours, against }: Row): number {
  return against === undefined ? ours : ours / against.value;
}

/** Whether a row is what is wanted; undefined where nothing is. */
export function meetsTarget(row: Row): boolean | undefined {
  if (row.target === undefined) return undefined;
  const figure = figureOf(row);
  return 'atMost' in row.target ? figure <= row.target.atMost : figure >= row.target.atLeast;
}

const digits = (value: number): string => (value >= 1000 ? value.toFixed(0) : value.toPrecision(3));

/** Returns a row's columns: question, ours, against, ratio, target. */
export function columnsOf(row: Row): string[] {
  const { question, ours, unit, against, target } = row;
  const wanted = target === undefined ? '' : 'atMost' in target ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`;
  const verdict = meetsTarget(row) === false ? ', missed' : '';
  return [
    question,
    `${digits(ours)} ${unit}`,
    against === undefined ? '' : `${digits(against.value)} ${unit} (${against.name})`,
    against === undefined ? '' : `${figureOf(row).toFixed(2)}×`,
    `${wanted}${verdict}`,
  ];
}

/** Tells a row. */
export function report(row: Row): void {
  console.log(process.env.BENCH_JSON === '1' ? JSON.stringify(row) : columnsOf(row).join('  '));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** How often to measure: a tenth when the runner only wants to see that all of it works (`--quick`). */
export function times(count: number): number {
  return process.env.BENCH_QUICK === '1' ? Math.max(1, Math.round(count / 10)) : count;
}

/**
 * Measures contestants in turn, so that whatever else the machine does falls on all of them, and returns each one's
 * median. `measure` returns one figure.
 */
export async function sideBySide<Name extends string>(
  rounds: number,
  contestants: Readonly<Record<Name, () => number | Promise<number>>>,
): Promise<Record<Name, number>> {
  const entries = Object.entries(contestants) as [Name, () => number | Promise<number>][];
  const figures = new Map<Name, number[]>(entries.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of entries) figures.get(name)?.push(await measure());
  }
  return Object.fromEntries(entries.map(([name]) => [name, median(figures.get(name) ?? [])])) as Record<Name, number>;
}
