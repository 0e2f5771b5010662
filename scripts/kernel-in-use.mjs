// Which kernel will answer, and the environment that asks for it.

import { release } from 'node:os';

const onFreeBSD = process.platform === 'freebsd';
const platformNames = { linux: 'Linux', darwin: 'macOS', win32: 'Windows', openbsd: 'OpenBSD', netbsd: 'NetBSD' };

// The one line that is printed before anything else.
export const kernelInUse = onFreeBSD
  ? `freebsd-capsule: using the FreeBSD kernel of this machine (${release()})`
  : `freebsd-capsule: using the simulated kernel (this is ${platformNames[process.platform] ?? process.platform}; ` +
    'nothing is protected)';

// For the child processes of `npm test` and `npm run demo`. Nothing is set for good, and on FreeBSD nothing is set.
export const kernelEnvironment = onFreeBSD ? process.env : { ...process.env, FREEBSD_CAPSULE_KERNEL: 'simulated' };
