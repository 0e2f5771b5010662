/**
 * What a terminal would act on, and what would show a reader something else than is there: controls, invisible and
 * right-to-left marks, halves of characters, characters without a meaning. By numbers, because a Node without ICU, as some
 * are on FreeBSD, does not know `\p{…}`.
 */
const TREACHEROUS: readonly (readonly [first: number, last: number])[] = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x61c, 0x61c],
  [0x180e, 0x180e],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0xd800, 0xf8ff],
  [0xfeff, 0xfeff],
  [0xfff9, 0xfffb],
  [0xe0000, 0x10ffff],
];

function escaped(text: string, written: (character: string, code: number) => string): string {
  return Array.from(text, (character) => {
    const code = character.codePointAt(0) as number;
    const plain = character === '\n' || !TREACHEROUS.some(([first, last]) => first <= code && code <= last);
    return plain ? character : written(character, code);
  }).join('');
}

/** Makes text from a plan fit to print: what is treacherous in it becomes an escape. */
export function printable(text: string): string {
  return escaped(text, (_, code) => `\\u{${code.toString(16)}}`);
}

/** Writes a value as JSON that is fit to print, and still JSON. */
export function printableJson(value: unknown): string {
  const unit = (half: string) => `\\u${half.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return escaped(JSON.stringify(value, null, 2), (character) => character.split('').map(unit).join(''));
}
