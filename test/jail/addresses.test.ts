import { SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIPv4, formatIPv6, packIPv4, packIPv6 } from '../../lib/jail/addresses.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** Mostly zeros, so that `::` has something to stand for. */
const sparse = fc
  .array(fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 65535 })), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])));

describe('packing', () => {
  test('an IPv4 address comes back as it went', () => {
    fc.assert(fc.property(fc.ipV4(), (text) => formatIPv4(packIPv4(text) as Uint8Array) === text));
    fc.assert(fc.property(bytes(4), (packed) => packIPv4(formatIPv4(packed))?.join() === packed.join()));
  });

  test('sixteen bytes come back from their text', () => {
    fc.assert(
      fc.property(fc.oneof(bytes(16), sparse), (packed) => {
        expect(packIPv6(formatIPv6(packed))).toEqual(packed);
      }),
    );
  });

  test("the text of an address is the shortest, as Node's own is", () => {
    fc.assert(
      fc.property(fc.oneof(bytes(16), sparse), (packed) => {
        const text = formatIPv6(packed);
        const { address } = new SocketAddress({ address: text, family: 'ipv6' });
        // inet_ntop(3) writes the last 32 bits of some addresses with dots.
        if (!address.includes('.')) expect(text).toBe(address);
      }),
    );
  });

  test('every way to write an address is read as that address', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const packed = packIPv6(text) as Uint8Array;
        expect(packed).toHaveLength(16);
        expect(packIPv6(text.toUpperCase())).toEqual(packed);
        expect(packIPv6(formatIPv6(packed))).toEqual(packed);
      }),
    );
  });

  test.each([
    ['::', '0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0'],
    ['::1', '0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1'],
    ['2001:db8::1:0:0:1', '32,1,13,184,0,0,0,0,0,1,0,0,0,0,0,1'],
    ['::ffff:192.0.2.1', '0,0,0,0,0,0,0,0,0,0,255,255,192,0,2,1'],
    ['fe80::', '254,128,0,0,0,0,0,0,0,0,0,0,0,0,0,0'],
  ])('%s', (text, expected) => {
    expect(packIPv6(text)?.join()).toBe(expected);
  });

  test('what is no address has no bytes', () => {
    for (const text of ['', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.1.1.1', '1.2.3.4/24', 'em0', ' 1.2.3.4', '::1']) {
      expect(packIPv4(text)).toBeUndefined();
    }
    for (const text of ['', ':', ':::', '1::2::3', 'fe80::1%em0', '::1/64', '12345::', '1.2.3.4', '[::1]']) {
      expect(packIPv6(text)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.string(), (text) => packIPv6(`${text}%`) === undefined && packIPv4(`${text}x`) === undefined),
    );
  });
});
