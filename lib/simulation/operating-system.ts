import os from 'node:os';
import { refuseMethods } from './interception.ts';
import { describedError, ECAPMODE, operatingSystemError, underBun } from './refusal-errors.ts';
import type { SimulatedKernel } from './runtime-refusals.ts';

/**
 * What the calls of `node:os` give that rest on sysctls which capability mode hides: the silent ones first. Those not
 * named (hostname, tmpdir, type, release …) keep answering.
 */
const nodeAnswers: Record<string, () => unknown> = {
  cpus: () => [],
  freemem: () => 0,
  loadavg: () => [0, 0, 0],
  networkInterfaces: () => {
    throw operatingSystemError('uv_interface_addresses', 1);
  },
  totalmem: () => 0,
  userInfo: () => {
    throw operatingSystemError('uv_os_get_passwd', -ECAPMODE);
  },
};

const bunAnswers: Record<string, () => unknown> = {
  freemem: () => 0,
  loadavg: () => [0, 0, 0],
  networkInterfaces: () => {
    throw describedError('A system error occurred: getifaddrs returned an error', {
      code: 'ERR_SYSTEM_ERROR',
      errno: 1,
      syscall: 'getifaddrs',
    });
  },
  totalmem: () => 0,
  uptime: () => 0,
  userInfo: () => ({ uid: process.getuid?.(), gid: process.getgid?.(), username: 'unknown', homedir: '', shell: null }),
};

/** Makes `node:os` answer as in capability mode. */
export function refuseOperatingSystemCalls(kernel: SimulatedKernel): void {
  const answers = underBun ? bunAnswers : nodeAnswers;
  refuseMethods(os, Object.keys(answers), (name) => {
    const answer = answers[name as string];
    return kernel.isSandboxed() && answer !== undefined ? [answer()] : undefined;
  });
}
