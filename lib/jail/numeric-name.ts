/** Returns the jid that a name stands for, as jail(8) reads it: a name that is a number is one. */
export function jidOfName(name: string): number | undefined {
  return /^[1-9]\d{0,5}$/.test(name) ? Number(name) : undefined;
}
