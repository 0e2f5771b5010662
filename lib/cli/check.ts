/** `capsule check`: says what is wrong with a plan. */

import { kernel } from '../kernel.ts';
import { parseOptions, usageFailure } from './command-line.ts';
import { STATUS } from './exit-status.ts';
import { checkPlanFile, KERNEL_CHECKS, PATH_CHECKS, problemLines } from './plan.ts';
import { printable, printableJson } from './printable.ts';

const HELP = `usage: capsule check [--json] [--schema-only] plan.json

Checks a plan: its form, against the schema; what it requires, against what any machine can give; and what it says, against
the kernel, the users and the groups of this machine. Changes nothing.

Paths are not looked for, since a plan may be checked on another machine than it is for: where it is to run, 'capsule run
--dry-run' looks for the path of the jail, and the start for those in it.

  --json         print the result as JSON
  --schema-only  do not ask the kernel
  -h, --help     print this

Exit status: 0 the plan is valid; 64 wrong usage; 65 it is not valid; 66 it cannot be read; 69 it is valid as far as its
schema goes, but there is no kernel here to ask for the rest.
`;

export function check(args: readonly string[]): number {
  const { values, positionals } = parseOptions('check', args, {
    json: { type: 'boolean' },
    'schema-only': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return STATUS.ok;
  }
  const [path, ...others] = positionals;
  if (path === undefined || others.length > 0) throw usageFailure('check takes one plan', 'check');

  const asked = values['schema-only'] !== true;
  const { plan, problems, kernelAsked } = checkPlanFile(path, { kernel: asked, grades: true });
  const status = plan === undefined ? STATUS.invalidPlan : asked && !kernelAsked ? STATUS.unavailable : STATUS.ok;
  if (values.json) {
    const checkedAgainst = kernelAsked
      ? { kernel, notChecked: PATH_CHECKS }
      : { kernel: null, notChecked: `${KERNEL_CHECKS}; ${PATH_CHECKS}` };
    process.stdout.write(`${printableJson({ plan: path, valid: plan !== undefined, ...checkedAgainst, problems })}\n`);
    return status;
  }
  for (const line of problemLines(path, problems)) process.stderr.write(`${line}\n`);
  if (plan === undefined) return status;
  const by = !kernelAsked
    ? 'of its schema'
    : kernel.kind === 'simulated'
      ? `of a SIMULATED kernel (FreeBSD ${kernel.release})`
      : `of FreeBSD ${kernel.release}`;
  process.stdout.write(`${printable(path)}: is valid in the eyes ${by}\n`);
  if (kernelAsked) process.stdout.write(`${printable(path)}: not checked: ${PATH_CHECKS}\n`);
  else process.stderr.write(`${printable(path)}: not checked: ${KERNEL_CHECKS}; ${PATH_CHECKS}\n`);
  return status;
}
