/** Texts that may be plans: any text is told of, and every value of one that is JSON is found again in its place. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDocument, pointerTo } from '../../lib/cli/plan-document.ts';

/** Every value in a document, with the pointer to it. */
function* valuesIn(value: unknown, pointer = ''): Generator<[pointer: string, value: unknown]> {
  yield [pointer, value];
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) yield* valuesIn(inner, pointerTo(pointer, key));
}

test('any value is parsed as JSON.parse does, and each part of it is where its place says', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), fc.constantFrom(0, 2), (json, indent) => {
      const text = JSON.stringify(json, null, indent);
      const { value, problems, place } = parseDocument(text);
      expect(problems).toEqual([]);
      expect(value).toEqual(JSON.parse(text));
      const lines = text.split('\n');
      for (const [pointer, inner] of valuesIn(value)) {
        const { line, column } = place(pointer) as { line: number; column: number };
        const rest = lines
          .slice(line - 1)
          .join('\n')
          .slice(column - 1);
        // Of a property, the place is that of its name.
        const name = JSON.stringify(
          pointer
            .slice(pointer.lastIndexOf('/') + 1)
            .replaceAll('~1', '/')
            .replaceAll('~0', '~'),
        );
        const [first] = JSON.stringify(inner);
        expect(rest.startsWith(`${name}:`) || rest.startsWith(first as string)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test('any text is parsed or told of', () => {
  const json = fc.jsonValue().map((value) => JSON.stringify(value));
  const spoiled = fc
    .tuple(json, fc.nat(), fc.nat(5), fc.constantFrom('', '"', '\\', '{', ']', ',', ':', '\u0000', '\uFEFF', '\uD800'))
    .map(([text, at, length, insertion]) => {
      const start = at % (text.length + 1);
      return text.slice(0, start) + insertion + text.slice(start + length);
    });
  fc.assert(
    fc.property(fc.oneof(spoiled, fc.string({ unit: 'binary' })), (text) => {
      const { value, problems, place } = parseDocument(text);
      expect(value !== undefined || problems.length > 0).toBe(true);
      for (const { pointer, message } of problems) {
        expect(message).not.toBe('');
        place(pointer);
      }
    }),
    { numRuns: 2000 },
  );
});

test('keys that are there twice are told of, once each', () => {
  const { problems, place } = parseDocument(
    '{"a": {"b": 1, "c": [{"d": 1}, {"d": 2}]},\n "a": {"b": 2, "b": 3}, "~/": 1, "~\\u002f": 2}',
  );
  expect(problems).toEqual([
    { pointer: '/a', message: 'is there twice' },
    { pointer: '/a/b', message: 'is there twice' },
    { pointer: '/~0~1', message: 'is there twice' },
  ]);
  expect(place('/a')).toEqual({ line: 2, column: 2 });
  expect(place('/a/c/0/d')).toEqual({ line: 1, column: 23 });
  expect(place('/a/none/at all')).toEqual({ line: 2, column: 2 });
});
