/** What a terminal would act on, and what would show a reader something else than is there: controls, invisible and
 * right-to-left marks, halves of characters. */
const TREACHEROUS = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/** Makes text from a plan fit to print: what is treacherous in it becomes an escape. */
export function printable(text: string): string {
  return text.replace(TREACHEROUS, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** Writes a value as JSON that is fit to print, and still JSON. */
export function printableJson(value: unknown): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, null, 2).replace(TREACHEROUS, (character) => character.split('').map(escaped).join(''));
}
