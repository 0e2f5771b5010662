// Asks the FreeBSD kernel of this machine and writes test/conformance/<release>/. Needs root.

import { spawnSync } from 'node:child_process';
import { inProject } from './project.mjs';

const ask = inProject('build/test/conformance/ask.js');
const { status } = spawnSync(process.execPath, [ask, '--record', inProject('test/conformance')], { stdio: 'inherit' });
process.exitCode = status ?? 1;
