import { inspect } from 'node:util';
import type { SealReport } from './report.ts';

/** A sealed process, as `seal` hands it back. */
export class Capsule {
  /** What was done, and what the kernel said afterwards. */
  readonly report: SealReport;

  /** Made by `seal` alone: nothing else knows that a process is sealed. */
  constructor(report: SealReport) {
    this.report = report;
    Object.freeze(this);
  }

  toJSON(): { report: SealReport } {
    return { report: this.report };
  }

  [inspect.custom](): string {
    return `Capsule {\n${this.report}\n}`;
  }
}
