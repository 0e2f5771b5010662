import { inspect } from 'node:util';
import type { Directory } from '../directory/directory.ts';
import type { SealReport } from './report.ts';

/** A sealed process, as `seal` hands it back. */
export class Capsule<Names extends string = string> {
  /** What was done, and what the kernel said afterwards. */
  readonly report: SealReport;
  /** The directories of the plan, open and limited to their rights. */
  readonly directories: Readonly<Record<Names, Directory>>;

  /** Made by `seal` alone: nothing else knows that a process is sealed. */
  constructor(report: SealReport, directories = {} as Readonly<Record<Names, Directory>>) {
    this.report = report;
    this.directories = Object.freeze({ ...directories });
    Object.freeze(this);
  }

  toJSON(): { report: SealReport } {
    return { report: this.report };
  }

  [inspect.custom](): string {
    return `Capsule {\n${this.report}\n}`;
  }
}
