import { constants } from 'node:os';
import { checkInteger, invalidArgType, invalidArgValue } from '../errors.ts';

const NUMBERS: ReadonlyMap<string, number> = new Map(Object.entries(constants.signals));
const NAMES: ReadonlyMap<number, NodeJS.Signals> = new Map(
  // The first name of a number is the usual one: SIGABRT before SIGIOT.
  [...NUMBERS].reverse().map(([name, number]) => [number, name as NodeJS.Signals]),
);

/** The largest signal number of FreeBSD, `_SIG_MAXSIG`. */
const MOST = 128;

/** Returns the number of a signal. */
export function signalNumber(signal: unknown, name = 'signal'): number {
  if (typeof signal === 'string') {
    const number = NUMBERS.get(signal);
    if (number === undefined) throw invalidArgValue(name, signal, 'is not the name of a signal');
    return number;
  }
  if (typeof signal !== 'number') throw invalidArgType(name, 'a name or of type number', signal);
  checkInteger(name, signal, 0, MOST);
  return signal;
}

/** Returns the name of a signal, or `SIG` and its number where it has none (real-time signals). */
export function signalName(number: number): NodeJS.Signals {
  return NAMES.get(number) ?? (`SIG${number}` as NodeJS.Signals);
}
