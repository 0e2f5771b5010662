/**
 * Loads what a runtime loads lazily, from paths that capability mode refuses.
 */

/** Touches the standard streams: opening one later looks at the descriptor, and a terminal is opened by path. */
function touchStandardStreams(): void {
  for (const name of ['stdin', 'stdout', 'stderr'] as const) void process[name];
}

/** The time zone is read from /etc/localtime at its first use. */
function loadTimeZone(): void {
  new Date(0).getTimezoneOffset();
  new Date(0).toString();
  if (typeof Intl !== 'undefined') new Intl.DateTimeFormat().format(0);
}

/** The resolver reads /etc/resolv.conf and /etc/hosts when it is set up. Names still cannot be looked up afterwards. */
async function loadResolver(): Promise<void> {
  const dns = await import('node:dns');
  dns.getServers();
}

/** OpenSSL looks for /dev/crypto at its first use, and complains on standard error when it may not. */
async function loadCryptography(): Promise<void> {
  const crypto = await import('node:crypto');
  crypto.createHash('sha256').digest();
  // The least that it can be told to do: it is the first use that counts.
  crypto.scryptSync('', '', 1, { N: 2, r: 1, p: 1 });
}

/** The working directory cannot change in capability mode, so what it was is what it is. */
function rememberWorkingDirectory(): string {
  return process.cwd();
}

/** Makes `process.cwd()` answer in capability mode in runtimes that ask the kernel each time. */
export function keepWorkingDirectory(directory: string): void {
  try {
    process.cwd();
  } catch {
    process.cwd = () => directory;
  }
}

/**
 * Loads the runtime's own lazy parts, then calls the plan's callbacks in turn.
 *
 * @returns the working directory
 */
export async function prewarm(callbacks: readonly (() => unknown)[]): Promise<string> {
  touchStandardStreams();
  loadTimeZone();
  await loadResolver();
  await loadCryptography();
  for (const callback of callbacks) await callback();
  return rememberWorkingDirectory();
}
