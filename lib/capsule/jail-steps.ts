import { channel } from 'node:diagnostics_channel';
import { withMore } from '../errors.ts';
import type { SealStep, SealStepName } from './report.ts';

/** Tells each step as it begins: for tests, which stop there, and for whoever traces a program. */
const beginning = channel('freebsd-capsule:step');

/** The steps of sealing a jail: what was taken, what is under way, what is to come. */
export class JailSteps {
  readonly #all: readonly SealStepName[];
  readonly #taken: SealStep[] = [];
  #current: SealStepName;

  constructor(all: readonly [SealStepName, ...SealStepName[]]) {
    this.#all = all;
    [this.#current] = all;
  }

  get taken(): readonly SealStep[] {
    return this.#taken;
  }

  /** Begins a step; returns once whoever listens has heard of it. */
  begin(step: SealStepName): void {
    this.#current = step;
    beginning.publish({ step });
  }

  done(detail: string): void {
    this.#taken.push({ name: this.#current, state: 'done', detail });
  }

  left(detail: string): void {
    this.#taken.push({ name: this.#current, state: 'left', detail });
  }

  /** Adds to an error each step with its state, and how things are left: in its message and as `steps`. */
  explain(error: unknown, outcome: string): Error {
    const { message } = error instanceof Error ? error : { message: String(error) };
    const failure = withMore(error, `\nThe seal stopped at '${this.#current}'; ${outcome}`);
    const stopped = this.#all.indexOf(this.#current);
    const steps: SealStep[] = [
      ...this.#taken.filter(({ name }) => name !== this.#current),
      { name: this.#current, state: 'failed', detail: message },
      ...this.#all.slice(stopped + 1).map((name): SealStep => ({ name, state: 'not begun', detail: '' })),
    ];
    Object.defineProperty(failure, 'steps', { value: Object.freeze(steps), configurable: true });
    return failure;
  }
}
