/** Arguments of `capsule`: options before `--`, a command after it. */

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { STATUS } from './exit-status.ts';
import { Failure } from './failure.ts';
import { printable } from './printable.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** A fault in how `capsule` was called. */
export function usageFailure(message: string, command = ''): Failure {
  const help = ['capsule', ...(command === '' ? [] : [command]), '--help'].join(' ');
  return new Failure(STATUS.usage, `${printable(message)}\nSee: ${help}`);
}

interface Config<Known extends Options> {
  readonly args: string[];
  readonly options: Known;
  readonly allowPositionals: true;
}

/** Parses options; what they do not take is a usage failure. */
export function parseOptions<const Known extends Options>(
  command: string,
  args: readonly string[],
  options: Known,
): ReturnType<typeof parseArgs<Config<Known>>> {
  try {
    return parseArgs<Config<Known>>({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ERR_PARSE_ARGS') !== true) throw error;
    // The first sentence: others advise on how to pass what is no option, which is nothing here.
    throw usageFailure((message.split('. ')[0] ?? message).replace(/\.$/, ''), command);
  }
}

/** Parts arguments at the first `--`; without one there is no command. */
export function splitCommand(args: readonly string[]): {
  own: readonly string[];
  command: readonly string[] | undefined;
} {
  const at = args.indexOf('--');
  return at < 0 ? { own: args, command: undefined } : { own: args.slice(0, at), command: args.slice(at + 1) };
}
