// Reads what a shared library asks of its loader and offers to it: ELF, 64 bits, little-endian, as both FreeBSD
// platforms of the prebuilds have it. In plain JavaScript, so that the check runs wherever the cross-build does.

const SHT = { SYMTAB: 2, DYNAMIC: 6, DYNSYM: 11, VERNEED: 0x6ffffffe, VERSYM: 0x6fffffff };
const DT_NEEDED = 1;
const SHN_UNDEF = 0;
const STB_LOCAL = 0;
const MACHINES = { 62: 'x64', 183: 'arm64' };

const offsetOf = (value) => Number(value);

function stringAt(bytes, start) {
  return bytes.toString('latin1', start, bytes.indexOf(0, start));
}

function readSections(bytes) {
  const start = offsetOf(bytes.readBigUInt64LE(0x28));
  const size = bytes.readUInt16LE(0x3a);
  const count = bytes.readUInt16LE(0x3c);
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: offsetOf(bytes.readBigUInt64LE(at + 24)),
      size: offsetOf(bytes.readBigUInt64LE(at + 32)),
      link: bytes.readUInt32LE(at + 40),
    };
  });
}

function readNeeded(bytes, dynamic, strings) {
  const names = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    if (bytes.readBigInt64LE(at) !== BigInt(DT_NEEDED)) continue;
    names.push(stringAt(bytes, strings.offset + offsetOf(bytes.readBigUInt64LE(at + 8))));
  }
  return names;
}

// Version index -> name, for the versions that are demanded of other libraries.
function readDemandedVersions(bytes, verneed, strings) {
  const versions = new Map();
  let need = verneed?.offset;
  while (need !== undefined) {
    const count = bytes.readUInt16LE(need + 2);
    let entry = need + bytes.readUInt32LE(need + 8);
    for (let index = 0; index < count; index++) {
      versions.set(bytes.readUInt16LE(entry + 6), stringAt(bytes, strings.offset + bytes.readUInt32LE(entry + 8)));
      entry += bytes.readUInt32LE(entry + 12);
    }
    const next = bytes.readUInt32LE(need + 12);
    need = next === 0 ? undefined : need + next;
  }
  return versions;
}

// { arch, stripped, needed, versions, imports: [{ name, version }], exports: [name] }
export function readSharedLibrary(bytes) {
  if (bytes.length < 64 || bytes.toString('latin1', 0, 4) !== '\x7fELF' || bytes[4] !== 2 || bytes[5] !== 1) {
    throw new Error('not a 64-bit little-endian ELF file');
  }
  const sections = readSections(bytes);
  const section = (type) => sections.find((candidate) => candidate.type === type);
  const dynsym = section(SHT.DYNSYM);
  const dynamic = section(SHT.DYNAMIC);
  if (!dynsym || !dynamic) throw new Error('not a shared library: it has no dynamic symbols');
  const strings = sections[dynsym.link];
  const demanded = readDemandedVersions(bytes, section(SHT.VERNEED), strings);
  const versym = section(SHT.VERSYM);

  const imports = [];
  const exports = [];
  for (let index = 1; index < dynsym.size / 24; index++) {
    const at = dynsym.offset + index * 24;
    const name = stringAt(bytes, strings.offset + bytes.readUInt32LE(at));
    if (bytes.readUInt8(at + 4) >> 4 === STB_LOCAL) continue;
    if (bytes.readUInt16LE(at + 6) !== SHN_UNDEF) {
      exports.push(name);
      continue;
    }
    const version = versym && demanded.get(bytes.readUInt16LE(versym.offset + index * 2) & 0x7fff);
    imports.push({ name, version });
  }
  return {
    arch: MACHINES[bytes.readUInt16LE(18)] ?? 'another machine',
    stripped: section(SHT.SYMTAB) === undefined,
    needed: readNeeded(bytes, dynamic, sections[dynamic.link]),
    versions: [...new Set(demanded.values())],
    imports,
    exports,
  };
}
