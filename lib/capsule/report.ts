import { inspect } from 'node:util';
import type { JailValue } from '../jail/parameter-types.ts';
import { console, stream } from '../runtime-modules.ts';
import type { DescriptorIdentity, DescriptorInfo } from './inventory.ts';
import { ADVERSARIES, PROPERTIES, type PropertyTable } from './properties.ts';
import type { Limits } from './roles.ts';

/** One step of `seal`, in the order they are taken. */
export interface SealStep {
  /** Which one. */
  readonly name: SealStepName;
  /**
   * `'done'`: taken and, where the kernel can be asked, read back. `'left'`: the plan says not to. In `error.steps` of a jail
   * that could not be sealed also `'failed'` and `'not begun'`.
   */
  readonly state: 'done' | 'left' | 'failed' | 'not begun';
  /** What was done, with the values read back. */
  readonly detail: string;
}

/** The steps of `seal`, in order; then those that `Capsule.spawn` and `Jail#seal` have besides. */
export type SealStepName =
  | 'check'
  | 'prewarm'
  | 'drain'
  | 'limit'
  | 'core dumps'
  | 'new privileges'
  | 'debugger'
  | 'user'
  | 'enter'
  | 'verify'
  | 'jail'
  | 'create'
  | 'configure'
  | 'start'
  | 'seal'
  | 'watch'
  | 'release';

/** A descriptor as it was before the seal, and what it is limited to since. */
export interface SealedDescriptor {
  /** As the kernel had it when the plan was checked. */
  readonly before: DescriptorInfo;
  /** Read back from the kernel; absent for a descriptor that was closed. */
  readonly after?: Limits;
}

/** The data of a report, as `toJSON` gives it. */
export interface SealReportData {
  /** Which kernel enforces it; the `'simulated'` one enforces nothing. */
  readonly kernel: { readonly kind: 'freebsd' | 'simulated'; readonly release: string };
  /** Every step, in the order they were taken. */
  readonly steps: readonly SealStep[];
  /** Every descriptor, by number. */
  readonly descriptors: readonly SealedDescriptor[];
  /** Of a capsule with a jail. */
  readonly jail?: SealedJail;
}

/** A jail that is sealed: what it was read back as, and what that is worth. */
export interface SealedJail {
  /** Its number. */
  readonly jid: number;
  /** The parameters that the seal is about, as the kernel gave them back. */
  readonly parameters: Readonly<Record<string, JailValue>>;
  /** The grades, by property and adversary. */
  readonly properties: PropertyTable;
}

/** Draws a table with the runtime's own console.table. */
function table(rows: readonly Record<string, string | number>[]): string {
  let text = '';
  const output = new (stream().Writable)({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  new (console().Console)({ stdout: output, stderr: output, colorMode: false }).table(rows);
  return text.trimEnd();
}

/** A path or address; for a connection both ends. */
export function whereabouts({ path, local, peer, listening, pid, jid }: DescriptorIdentity): string {
  if (path !== undefined) return path;
  if (pid !== undefined) return `pid ${pid}`;
  if (jid !== undefined) return `jid ${jid}`;
  if (peer !== undefined) return `${local ?? ''} - ${peer}`;
  return `${local ?? ''}${listening === true ? ' (listening)' : ''}`;
}

function limitsText({ rights, ioctls, fcntls }: Limits): string {
  const parts = [[...rights].join(' ') || 'none'];
  if (ioctls === 'all' ? rights.has('ioctl') : ioctls.length > 0) {
    parts.push(`ioctls: ${ioctls === 'all' ? 'all' : ioctls.join(' ')}`);
  }
  if (fcntls.length > 0) parts.push(`fcntls: ${fcntls.join(' ')}`);
  return parts.join('; ');
}

/** The grades as a table, and what each rests on. */
function jailText({ jid, properties }: SealedJail): string {
  const grades = PROPERTIES.map((property) => ({
    [`jail ${jid}`]: property,
    ...Object.fromEntries(ADVERSARIES.map((adversary) => [adversary, properties[property][adversary].grade])),
  }));
  const reasons = PROPERTIES.flatMap((property) =>
    ADVERSARIES.map((adversary) => {
      const { grade, mechanism, value } = properties[property][adversary];
      return `${property}, ${adversary}: ${grade}: ${mechanism} (${value})`;
    }),
  );
  return [table(grades), ...reasons].join('\n');
}

/** What `seal` did and what the kernel said afterwards. Prints as tables, serialises to JSON. */
export class SealReport implements SealReportData {
  readonly kernel: SealReportData['kernel'];
  readonly steps: readonly SealStep[];
  readonly descriptors: readonly SealedDescriptor[];
  readonly jail?: SealedJail;

  constructor(data: SealReportData) {
    this.kernel = data.kernel;
    this.steps = Object.freeze([...data.steps]);
    this.descriptors = Object.freeze([...data.descriptors]);
    if (data.jail !== undefined) this.jail = Object.freeze(data.jail);
    Object.freeze(this);
  }

  /** The steps, the descriptors of this process, and the properties of a jail as tables. */
  toString(): string {
    const { kind, release } = this.kernel;
    const title =
      kind === 'freebsd'
        ? `Sealed on FreeBSD ${release}`
        : `Sealed against a SIMULATED kernel (FreeBSD ${release}): nothing is protected`;
    const steps = this.steps.map(({ name, state, detail }) => ({ step: name, state, detail }));
    const descriptors = this.descriptors.map(({ before, after }) => ({
      fd: before.fd,
      kind: before.kind,
      owner: before.owner,
      where: whereabouts(before),
      'rights now': after === undefined ? 'closed' : limitsText(after),
    }));
    const tables = [steps, ...(descriptors.length === 0 ? [] : [descriptors])];
    return [title, ...tables.map(table), ...(this.jail === undefined ? [] : [jailText(this.jail)])].join('\n');
  }

  toJSON(): SealReportData {
    const { kernel, steps, descriptors, jail } = this;
    return { kernel, steps, descriptors, ...(jail === undefined ? {} : { jail }) };
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
