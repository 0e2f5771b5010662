#!/usr/bin/env node
/** The program `capsule`. */

import { readFileSync } from 'node:fs';
import { check } from './check.ts';
import { parseOptions, usageFailure } from './command-line.ts';
import { STATUS } from './exit-status.ts';
import { Failure } from './failure.ts';
import { printable } from './printable.ts';
import { run } from './run.ts';

const HELP = `usage: capsule check [option ...] plan.json
       capsule run [option ...] plan.json -- command [argument ...]
       capsule --help | --version

Checks capsule plans, and runs commands in the jails that they describe. See: capsule check --help, capsule run --help
`;

const COMMANDS = { check, run };

function isCommand(name: string | undefined): name is keyof typeof COMMANDS {
  return name !== undefined && Object.hasOwn(COMMANDS, name);
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (isCommand(name)) return COMMANDS[name](args);
  if (name !== undefined && !name.startsWith('-')) throw usageFailure(`there is no command '${name}'`);
  const { values } = parseOptions('', name === undefined ? [] : [name, ...args], {
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'V' },
  });
  if (values.help) process.stdout.write(HELP);
  else if (values.version) process.stdout.write(`${version()}\n`);
  else throw usageFailure('a command is missing');
  return STATUS.ok;
}

/** The status for an error that no command has given one. */
function statusOf(error: unknown): number {
  if (error instanceof Failure) return error.status;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return STATUS.software;
  if (code === 'ENOSYS') return STATUS.unavailable;
  return code === 'EPERM' || code === 'EACCES' ? STATUS.noPermission : STATUS.system;
}

function fail(error: unknown): number {
  const status = statusOf(error);
  const { message, stack } = error as Error;
  const text = status === STATUS.software ? (stack ?? String(error)) : message;
  process.stderr.write(`capsule: ${printable(text)}\n`);
  return status;
}

// Its status must not be taken for the command's. The capsule ends with this process.
process.on('uncaughtException', (error) => process.exit(fail(error)));
process.exitCode = await main(process.argv.slice(2)).catch(fail);
