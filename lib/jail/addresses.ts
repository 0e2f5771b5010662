/** IP addresses as the kernel packs them, and as text. */

import { net } from '../runtime-modules.ts';

export const IPV4_LENGTH = 4;
export const IPV6_LENGTH = 16;
const IPV6_GROUPS = 8;

/** Returns the four bytes of a dotted address; undefined when it is none. */
export function packIPv4(text: string): Uint8Array | undefined {
  return net().isIPv4(text) ? Uint8Array.from(text.split('.'), Number) : undefined;
}

/** The groups of one side of `::`; a dotted end is two of them. */
function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    const dotted = packIPv4(group);
    if (dotted === undefined) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = dotted;
    return [a * 256 + b, c * 256 + d];
  });
}

/** Returns the sixteen bytes of an IPv6 address; undefined when it is none. A zone (`fe80::1%em0`) has no place in them. */
export function packIPv6(text: string): Uint8Array | undefined {
  if (!net().isIPv6(text) || text.includes('%')) return undefined;
  const [head = '', tail] = text.split('::');
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array<number>(IPV6_GROUPS - left.length - right.length).fill(0);
  return Uint8Array.from([...left, ...zeros, ...right].flatMap((group) => [group >> 8, group & 255]));
}

/** Writes four bytes as a dotted address. */
export function formatIPv4(bytes: Uint8Array): string {
  return bytes.join('.');
}

/** Writes sixteen bytes as RFC 5952 wants them: lower case, the first longest run of zero groups as `::`. */
export function formatIPv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: IPV6_GROUPS }, (_, i) => (bytes[2 * i] ?? 0) * 256 + (bytes[2 * i + 1] ?? 0));
  let start = 0;
  let length = 0;
  for (let i = 0; i < IPV6_GROUPS; i++) {
    let end = i;
    while (end < IPV6_GROUPS && groups[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  // One group alone is not shortened.
  return length < 2 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}
