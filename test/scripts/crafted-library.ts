/**
 * Makes small shared libraries byte by byte: a section header table and the sections that a loader's view consists of.
 * Nothing in them could run; what they ask for and offer is all there is.
 */

export interface CraftedLibrary {
  readonly machine?: number;
  readonly needed?: readonly string[];
  /** `name` or `name@version`; versions are demanded of libc.so.7. */
  readonly imports?: readonly string[];
  readonly exports?: readonly string[];
  /** With the symbol table that stripping removes. */
  readonly unstripped?: boolean;
  /** Zeros added to the end. */
  readonly padding?: number;
}

const SHT = { STRTAB: 3, DYNAMIC: 6, DYNSYM: 11, SYMTAB: 2, VERNEED: 0x6ffffffe, VERSYM: 0x6fffffff };

class Strings {
  #text = '\0';
  at(name: string): number {
    const offset = this.#text.length;
    this.#text += `${name}\0`;
    return offset;
  }
  get bytes(): Buffer {
    return Buffer.from(this.#text, 'latin1');
  }
}

export function craftLibrary(library: CraftedLibrary): Buffer {
  const strings = new Strings();
  const imports = (library.imports ?? []).map((spelling) => {
    const [name = '', version] = spelling.split('@');
    return { name, version };
  });
  const versions = [...new Set(imports.map(({ version }) => version).filter((version) => version !== undefined))];
  const symbols = [...imports, ...(library.exports ?? []).map((name) => ({ name, version: undefined, defined: true }))];

  const dynsym = Buffer.alloc(24 * (symbols.length + 1));
  const versym = Buffer.alloc(2 * (symbols.length + 1));
  for (const [index, symbol] of symbols.entries()) {
    const at = 24 * (index + 1);
    dynsym.writeUInt32LE(strings.at(symbol.name), at);
    dynsym.writeUInt8(0x12, at + 4); // global, function
    dynsym.writeUInt16LE('defined' in symbol ? 1 : 0, at + 6);
    versym.writeUInt16LE(symbol.version === undefined ? 1 : versions.indexOf(symbol.version) + 2, 2 * (index + 1));
  }

  const verneed = Buffer.alloc(16 + 16 * versions.length);
  verneed.writeUInt16LE(1, 0);
  verneed.writeUInt16LE(versions.length, 2);
  verneed.writeUInt32LE(strings.at('libc.so.7'), 4);
  verneed.writeUInt32LE(16, 8);
  for (const [index, version] of versions.entries()) {
    const at = 16 + 16 * index;
    verneed.writeUInt16LE(index + 2, at + 6);
    verneed.writeUInt32LE(strings.at(version), at + 8);
    verneed.writeUInt32LE(index + 1 === versions.length ? 0 : 16, at + 12);
  }

  const needed = library.needed ?? ['libc.so.7'];
  const dynamic = Buffer.alloc(16 * (needed.length + 1));
  for (const [index, name] of needed.entries()) {
    dynamic.writeBigUInt64LE(1n, 16 * index);
    dynamic.writeBigUInt64LE(BigInt(strings.at(name)), 16 * index + 8);
  }

  const sections = [
    { type: 0, bytes: Buffer.alloc(0) },
    { type: SHT.STRTAB, bytes: strings.bytes },
    { type: SHT.DYNSYM, bytes: dynsym },
    { type: SHT.VERSYM, bytes: versym },
    ...(versions.length > 0 ? [{ type: SHT.VERNEED, bytes: verneed }] : []),
    { type: SHT.DYNAMIC, bytes: dynamic },
    ...(library.unstripped ? [{ type: SHT.SYMTAB, bytes: Buffer.alloc(24) }] : []),
  ];
  const table = Buffer.alloc(64 * sections.length);
  let offset = 64 + table.length;
  for (const [index, { type, bytes }] of sections.entries()) {
    table.writeUInt32LE(type, 64 * index + 4);
    table.writeBigUInt64LE(BigInt(offset), 64 * index + 24);
    table.writeBigUInt64LE(BigInt(bytes.length), 64 * index + 32);
    table.writeUInt32LE(1, 64 * index + 40); // all names are in the one string table
    offset += bytes.length;
  }

  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(3, 16); // shared object
  header.writeUInt16LE(library.machine ?? 62, 18);
  header.writeBigUInt64LE(64n, 0x28);
  header.writeUInt16LE(64, 0x3a);
  header.writeUInt16LE(sections.length, 0x3c);
  const padding = Buffer.alloc(library.padding ?? 0);
  return Buffer.concat([header, table, ...sections.map(({ bytes }) => bytes), padding]);
}
