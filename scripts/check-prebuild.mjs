// Checks the prebuilt addons against the rules. Run by `npm run prebuild`; also by hand: node scripts/check-prebuild.mjs

import { readFileSync } from 'node:fs';
import { complaintsAbout, readAllowList } from './prebuild-rules.mjs';
import { inProject } from './project.mjs';
import { Failure, runScript } from './run-command.mjs';

export const PREBUILT_ARCHITECTURES = ['x64', 'arm64'];

export const prebuildPath = (arch) => `prebuilds/freebsd-${arch}/freebsd-capsule.node`;

export function checkPrebuilds() {
  const isAllowed = readAllowList(readFileSync(inProject('native/allowed-symbols.txt'), 'utf8'));
  const failures = [];
  for (const arch of PREBUILT_ARCHITECTURES) {
    const path = prebuildPath(arch);
    const bytes = readFileSync(inProject(path));
    const complaints = complaintsAbout(bytes, { arch, isAllowed });
    if (complaints.length === 0) console.log(`${path}: ${Math.ceil(bytes.length / 1024)} KiB, fit to ship`);
    else failures.push(`${path} must not ship:\n${complaints.map((complaint) => `  - ${complaint}`).join('\n')}`);
  }
  if (failures.length > 0) throw new Failure(failures.join('\n'));
}

if (import.meta.filename === process.argv[1]) await runScript(checkPrebuilds);
