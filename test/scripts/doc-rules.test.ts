/** The rules for public documentation refuse what they are there to refuse. */

import { expect, test } from 'vitest';
import { complaintsAbout } from '../../scripts/doc-rules.mjs';

const KIND = { variable: 32, function: 64, class: 128, interface: 256, property: 1024, method: 2048, type: 2097152 };
const PAGE = 'https://man.freebsd.org/cgi/man.cgi?query=cap_enter&sektion=2';

const text = (words: string) => [{ kind: 'text', text: words }];
const comment = (summary: string, tags: Record<string, string> = {}) => ({
  summary: text(summary),
  blockTags: Object.entries(tags).map(([tag, content]) => ({ tag: `@${tag}`, content: text(content) })),
});
const good = comment(`Enters, cap_enter(2): ${PAGE}`, { since: 'FreeBSD 14.0', throws: 'ENOSYS' });
const signed = (kind: number, name: string, words: object | undefined) => ({
  kind,
  name,
  signatures: [{ comment: words }],
});
const complaints = (...children: object[]) => complaintsAbout({ children });

test('what is documented as it should be gives no complaint', () => {
  expect(complaints(signed(KIND.function, 'enter', good))).toEqual([]);
  expect(complaints({ kind: KIND.type, name: 'Right', comment: comment('A right.') })).toEqual([]);
});

test('a comment, a manual page, a release and what it throws are asked for', () => {
  expect(complaints(signed(KIND.function, 'enter', undefined))).toEqual([
    'enter has no doc comment',
    expect.stringMatching(/^enter links no manual page/),
    expect.stringMatching(/^enter does not say since which kernel/),
    'enter says neither what it throws nor what it returns',
  ]);
  expect(complaints({ kind: KIND.type, name: 'Right' })).toEqual(['Right has no doc comment']);
  const elsewhere = comment('See https://example.org/man.cgi?query=x', { since: 'FreeBSD 14.0', returns: 'a number' });
  expect(complaints(signed(KIND.function, 'f', elsewhere))).toEqual([expect.stringMatching(/^f links no manual page/)]);
});

test('a release that is none, and a class that throws nothing, are not enough', () => {
  const undated = comment(`Enters, cap_enter(2): ${PAGE}`, { since: 'always', throws: 'ENOSYS' });
  expect(complaints(signed(KIND.function, 'enter', undated))).toEqual([
    expect.stringMatching(/^enter does not say since which kernel/),
  ]);
  const silent = comment(`Enters, cap_enter(2): ${PAGE}`, { since: 'FreeBSD 14.0' });
  expect(complaints({ kind: KIND.class, name: 'Mode', comment: silent })).toEqual(['Mode nowhere says what it throws']);
  const children = [signed(KIND.method, 'enter', comment('Enters.', { throws: 'ENOSYS' }))];
  expect(complaints({ kind: KIND.class, name: 'Mode', comment: silent, children })).toEqual([]);
});

test('members count, but for forms of others and what the language gives a meaning', () => {
  const members = [
    signed(KIND.method, 'read', comment('Reads.')),
    signed(KIND.method, 'readSync', undefined),
    signed(KIND.method, 'writeSync', undefined),
    signed(KIND.method, '[dispose]', undefined),
    { kind: KIND.property, name: 'fd' },
  ];
  expect(complaints({ kind: KIND.class, name: 'File', comment: good, children: members })).toEqual([
    'File.writeSync has no doc comment',
    'File.fd has no doc comment',
  ]);
});

test('an interface may name the page that documents its members', () => {
  const children = [{ kind: KIND.property, name: 'flag' }];
  const options = (summary: string) => ({ kind: KIND.interface, name: 'Options', comment: comment(summary), children });
  expect(complaints(options('Options.'))).toEqual(['Options.flag has no doc comment']);
  expect(complaints(options('As in https://nodejs.org/api/fs.html'))).toEqual([]);
});

test('several entry points are looked into', () => {
  const entries = ['index', 'testing'].map((name) => ({ kind: 2, name, children: [{ kind: KIND.type, name: 'T' }] }));
  expect(complaintsAbout({ children: entries })).toHaveLength(2);
});
