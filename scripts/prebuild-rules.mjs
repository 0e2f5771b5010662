// What a prebuilt addon may ask for and offer. A cross-link does not notice a symbol that FreeBSD lacks: the addon would
// be built, shipped, and refused by the first machine that loads it.

import { readSharedLibrary } from './elf.mjs';

const ENTRY_POINTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
// What each platform's oldest supported C library has. FreeBSD 14.0's ends at FBSD_1.7 (1.8 came with 15.0), and versions
// say too little there: symbols without one link all the same, hence the list in native/allowed-symbols.txt. glibc puts a
// version on everything it offers; the list would only be a second, longer copy of it.
const PLATFORMS = {
  freebsd: {
    libraries: ['libc.so.7', 'libm.so.5', 'libthr.so.3'],
    oldest: 'FreeBSD 14.0',
    version: /^FBSD_(\d+)\.(\d+)/,
    newest: [1, 7],
    listed: true,
    maximumSize: 300 * 1024,
  },
  linux: {
    libraries: ['libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'librt.so.1', 'ld-linux-x86-64.so.2'],
    oldest: 'glibc 2.28',
    version: /^GLIBC_(\d+)\.(\d+)/,
    newest: [2, 28],
    listed: false,
    // The simulated kernel is as large as what it is simulated for.
    maximumSize: 600 * 1024,
  },
};

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

function isNewer(version, rules) {
  const match = rules.version.exec(version);
  // FBSDprivate_1.0, GLIBC_PRIVATE and the like promise nothing from one release to the next.
  if (!match) return true;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major > rules.newest[0] || (major === rules.newest[0] && minor > rules.newest[1]);
}

// Returns the complaints, one sentence each; none when the addon may ship.
export function complaintsAbout(bytes, { platform = 'freebsd', arch, isAllowed }) {
  const rules = PLATFORMS[platform];
  let library;
  try {
    library = readSharedLibrary(bytes);
  } catch (error) {
    return [`it cannot be read: ${error.message}`];
  }
  const complaints = [];
  if (library.arch !== arch) complaints.push(`it is for ${library.arch}, not ${arch}`);
  if (bytes.length > rules.maximumSize) {
    complaints.push(`it has ${bytes.length} bytes; the limit is ${rules.maximumSize}`);
  }
  if (!library.stripped) complaints.push('it is not stripped');
  for (const name of library.needed.filter((needed) => !rules.libraries.includes(needed))) {
    complaints.push(`it needs the library ${name}; allowed are ${rules.libraries.join(', ')}`);
  }
  for (const { name, version } of library.imports) {
    if (rules.listed && !isAllowed(name)) {
      complaints.push(`it needs the symbol ${name}, which native/allowed-symbols.txt does not list`);
    }
    if (!rules.listed && version === undefined && !name.startsWith('napi_')) {
      complaints.push(`it needs the symbol ${name}, which no version of the C library is known to have`);
    }
    if (version !== undefined && isNewer(version, rules)) {
      complaints.push(`it needs ${name}@${version}, which is newer than ${rules.oldest}`);
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
