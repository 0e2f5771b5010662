/** `capsule run`: starts a command in the capsule of a plan, and stays until it has ended. */

import { constants, fstatSync, ftruncateSync, openSync, statSync, writeFileSync } from 'node:fs';
import { Capsule } from '../capsule/capsule.ts';
import { optionsOf } from '../capsule/capsule-plan.ts';
import { identifyDescriptors } from '../capsule/inventory.ts';
import { whyNotInside } from '../capsule/jail-seal.ts';
import type { CapsuleSpawnOptions } from '../capsule/spawn-capsule.ts';
import { kernel } from '../kernel.ts';
import { parseOptions, splitCommand, usageFailure } from './command-line.ts';
import { dryRun, dryRunText } from './dry-run.ts';
import { STATUS } from './exit-status.ts';
import { Failure } from './failure.ts';
import { checkPlanFile, KERNEL_CHECKS, problemLines } from './plan.ts';
import { printable, printableJson } from './printable.ts';
import { Command, supervise } from './supervision.ts';

const HELP = `usage: capsule run [--dry-run] [--report file] [--json] [--on-tampering kill|report] plan.json -- command [argument ...]

Creates the jail of a plan, starts the command in it, seals it, and waits. The jail and all that runs in it end with the
command, and with this program, however that ends.

  --dry-run       print what would be done, in order, and do nothing
  --report file   write the report of the seal, when the command has started; '-' is standard error
  --json          write the report, or what would be done, as JSON
  --on-tampering  what follows when somebody tampers with the capsule: kill it, or report (default) on standard error
  -h, --help      print this

The command has the standard streams of this program. A directory, and a device other than /dev/null, is refused as one of
them (64). Where one is a terminal, the command can send signals through it, and the report says so; a plan that requires
{ "signal": { "inside": "enforced" } } needs pipes or files instead.

SIGTERM, SIGINT and SIGHUP are passed on to the command; a second SIGTERM or SIGINT kills it.

Exit status: that of the command, or 128 and the number of the signal that ended it. Of this program itself, when the
command was not started: 64 wrong usage; 65 the plan is not valid; 66 it cannot be read; 69 no kernel for it; 70 a fault of
this program; 71 the system refused; 73 the report cannot be written (a command that had started by then is killed); 77 no
permission; 78 the plan requires more than holds; 126 the command cannot be executed; 127 it was not found. A message on standard error then begins with 'capsule: ',
and the file of --report is empty: it is not when the command was started.
`;

/** Opens the file for the report, before anything is done. */
function openReport(path: string | undefined): number | undefined {
  if (path === undefined) return undefined;
  if (path === '-') return process.stderr.fd;
  try {
    // Who may write to the folder must not choose what root overwrites, or waits for: a FIFO without a reader is ENXIO.
    const safely = constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | safely, 0o600);
    const file = fstatSync(fd);
    if (file.isFile()) {
      if (file.nlink > 1 || file.uid !== process.geteuid?.()) {
        throw new Error(`${path} has other names or another owner: it may be somebody else's. Remove it first`);
      }
      ftruncateSync(fd);
    }
    return fd;
  } catch (error) {
    throw new Failure(STATUS.noReport, printable((error as Error).message));
  }
}

/** Whether two paths lead to one file. What cannot be looked at is none: who opens it says why. */
function isSameFile(...paths: [string, string]): boolean {
  try {
    const [one, other] = paths.map((path) => statSync(path, { bigint: true }));
    return one !== undefined && one.dev === other?.dev && one.ino === other.ino;
  } catch {
    return false;
  }
}

const STREAMS = ['standard input', 'standard output', 'standard error'];

/** Throws for a standard stream that a command in a capsule may not have. */
function checkStandardStreams(): void {
  for (const descriptor of identifyDescriptors()) {
    const stream = STREAMS[descriptor.fd];
    const why = stream === undefined ? undefined : whyNotInside(descriptor);
    if (why !== undefined) throw usageFailure(`${stream} ${why}. Give a file, a pipe or /dev/null instead`, 'run');
  }
}

/** Calls, and gives the errors of starting a capsule their statuses; others keep what they say. */
async function attempt<Result>(call: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    const failure = (status: number) => new Failure(status, message);
    if (error instanceof Error && 'shortfalls' in error) throw failure(STATUS.requirement);
    if (syscall === 'execve' || syscall === 'fexecve') {
      throw failure(code === 'ENOENT' ? STATUS.notFound : STATUS.cannotExecute);
    }
    // What only the start finds out: the plan was checked as far as that goes.
    if (code?.startsWith('ERR_INVALID_ARG') === true || code === 'ERR_OUT_OF_RANGE') throw failure(STATUS.invalidPlan);
    throw code === 'ERR_INVALID_STATE' ? failure(STATUS.system) : error;
  }
}

export async function run(args: readonly string[]): Promise<number> {
  const { own, command } = splitCommand(args);
  const { values, positionals } = parseOptions('run', own, {
    'dry-run': { type: 'boolean' },
    report: { type: 'string' },
    json: { type: 'boolean' },
    'on-tampering': { type: 'string', default: 'report' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return STATUS.ok;
  }
  const [path, ...others] = positionals;
  if (path === undefined || others.length > 0)
    throw usageFailure("run takes one plan, and a command after '--'", 'run');
  const [file, ...rest] = command ?? [];
  if (file === undefined || file === '') throw usageFailure("run takes a command after '--'", 'run');
  const onTampering = values['on-tampering'];
  if (onTampering !== 'kill' && onTampering !== 'report') {
    throw usageFailure(`--on-tampering takes 'kill' or 'report', not '${onTampering}'`, 'run');
  }
  if (values.json && !values['dry-run'] && values.report === undefined) {
    throw usageFailure('--json is for --report and --dry-run', 'run');
  }
  if (values.report !== undefined && values.report !== '-' && isSameFile(values.report, path)) {
    throw usageFailure(`--report ${values.report} is the plan itself, which the report would overwrite`, 'run');
  }

  const { plan, problems, kernelAsked } = checkPlanFile(path, { kernel: true, grades: false });
  if (plan === undefined) {
    for (const line of problemLines(path, problems)) process.stderr.write(`capsule: ${line}\n`);
    return STATUS.invalidPlan;
  }
  if (!kernelAsked) {
    throw new Failure(STATUS.unavailable, `There is no FreeBSD kernel here. Not checked: ${KERNEL_CHECKS}`);
  }
  if (kernel.kind === 'simulated') {
    process.stderr.write('capsule: this is a SIMULATED kernel: nothing is protected\n');
  }
  checkStandardStreams();
  const options: CapsuleSpawnOptions = { ...optionsOf(plan), stdio: 'inherit' };
  if (values['dry-run']) {
    const steps = await attempt(() => dryRun(file, rest, options));
    process.stdout.write(values.json ? `${printableJson(steps)}\n` : printable(dryRunText(steps)));
    return STATUS.ok;
  }

  const report = openReport(values.report);
  using running = new Command();
  const capsule = await attempt(() => Capsule.spawn(file, rest, options));
  try {
    if (report !== undefined) {
      const text = values.json ? printableJson(capsule.report) : printable(String(capsule.report));
      try {
        writeFileSync(report, `${text}\n`);
      } catch (error) {
        throw new Failure(STATUS.noReport, printable(`The command was killed: ${(error as Error).message}`));
      }
    }
    return await supervise(running, capsule, onTampering);
  } finally {
    capsule.close();
  }
}
