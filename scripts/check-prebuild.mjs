// Checks the prebuilt addons against the rules. Run by `npm run prebuild`; also by hand: node scripts/check-prebuild.mjs

import { existsSync, readFileSync } from 'node:fs';
import { complaintsAbout, readAllowList } from './prebuild-rules.mjs';
import { PREBUILDS, prebuildPath } from './prebuilds.mjs';
import { inProject } from './project.mjs';
import { Failure, runScript } from './run-command.mjs';

export function checkPrebuilds() {
  const isAllowed = readAllowList(readFileSync(inProject('native/allowed-symbols.txt'), 'utf8'));
  const failures = [];
  for (const { name, platform, arch } of PREBUILDS) {
    const path = prebuildPath(name);
    if (!existsSync(inProject(path))) {
      failures.push(`${path} is not there; run: npm run prebuild`);
      continue;
    }
    const bytes = readFileSync(inProject(path));
    const complaints = complaintsAbout(bytes, { platform, arch, isAllowed });
    if (complaints.length === 0) console.log(`${path}: ${Math.ceil(bytes.length / 1024)} KiB, fit to ship`);
    else failures.push(`${path} must not ship:\n${complaints.map((complaint) => `  - ${complaint}`).join('\n')}`);
  }
  if (failures.length > 0) throw new Failure(failures.join('\n'));
}

if (import.meta.filename === process.argv[1]) await runScript(checkPrebuilds);
