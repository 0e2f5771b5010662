// What a prebuilt addon may ask for and offer. A cross-link does not notice a symbol that FreeBSD lacks: the addon would
// be built, shipped, and refused by the first machine that loads it.

import { readSharedLibrary } from './elf.mjs';

const ENTRY_POINTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
const LIBRARIES = ['libc.so.7', 'libm.so.5', 'libthr.so.3'];
// FreeBSD 14.0's libc ends at 1.7; 1.8 came with 15.0.
const NEWEST_VERSION = [1, 7];
const MAXIMUM_SIZE = 300 * 1024;

// One symbol a line, `#` starts a comment, a trailing `*` stands for any ending.
export function readAllowList(text) {
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim());
  const exact = new Set();
  const prefixes = [];
  for (const line of lines.filter(Boolean)) {
    if (line.endsWith('*')) prefixes.push(line.slice(0, -1));
    else exact.add(line);
  }
  return (symbol) => exact.has(symbol) || prefixes.some((prefix) => symbol.startsWith(prefix));
}

function isNewer(version) {
  const match = /^FBSD_(\d+)\.(\d+)$/.exec(version);
  // FBSDprivate_1.0 and the like promise nothing from one release to the next.
  if (!match) return true;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major > NEWEST_VERSION[0] || (major === NEWEST_VERSION[0] && minor > NEWEST_VERSION[1]);
}

// Returns the complaints, one sentence each; none when the addon may ship.
export function complaintsAbout(bytes, { arch, isAllowed }) {
  let library;
  try {
    library = readSharedLibrary(bytes);
  } catch (error) {
    return [`it cannot be read: ${error.message}`];
  }
  const complaints = [];
  if (library.arch !== arch) complaints.push(`it is for ${library.arch}, not ${arch}`);
  if (bytes.length > MAXIMUM_SIZE) complaints.push(`it has ${bytes.length} bytes; the limit is ${MAXIMUM_SIZE}`);
  if (!library.stripped) complaints.push('it is not stripped');
  for (const name of library.needed.filter((needed) => !LIBRARIES.includes(needed))) {
    complaints.push(`it needs the library ${name}; allowed are ${LIBRARIES.join(', ')}`);
  }
  for (const { name, version } of library.imports) {
    if (!isAllowed(name))
      complaints.push(`it needs the symbol ${name}, which native/allowed-symbols.txt does not list`);
    if (version !== undefined && isNewer(version)) {
      complaints.push(
        `it needs ${name}@${version}, which is newer than FreeBSD 14.0 (FBSD_${NEWEST_VERSION.join('.')})`,
      );
    }
  }
  for (const name of ENTRY_POINTS.filter((entry) => !library.exports.includes(entry))) {
    complaints.push(`it does not export its entry point ${name}`);
  }
  for (const name of library.exports.filter((exported) => !ENTRY_POINTS.includes(exported))) {
    complaints.push(`it exports ${name}; only ${ENTRY_POINTS.join(' and ')} may be seen`);
  }
  return complaints;
}
