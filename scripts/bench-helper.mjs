// Builds bench/helpers/rights.c, the loop that getRights() and limitRights() are compared with: over the kernel of this
// machine, or off FreeBSD over the simulated one; and for FreeBSD with zig.

import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { tools } from './prebuild-tools.mjs';
import { inProject } from './project.mjs';
import { runQuietly } from './run-command.mjs';

const SOURCE = inProject('bench/helpers/rights.c');
const FLAGS = ['-O2', '-Wall'];

// What the simulated calls are made of, without what is for Node.
function simulatedKernel() {
  const { simulation } = JSON.parse(readFileSync(inProject('sources.json'), 'utf8'));
  const sources = [...simulation.filter((path) => !path.endsWith('/simulated_kernel.cc')), 'native/executable.cc'];
  const include = ['-I', inProject('native/simulation/include')];
  return ['-xc++', '-std=c++20', ...include, SOURCE, ...sources.map((path) => inProject(path))];
}

export function buildBenchHelper() {
  const output = inProject('build/helpers/rights');
  mkdirSync(dirname(output), { recursive: true });
  const onFreeBSD = process.platform === 'freebsd';
  const [compiler, ...args] = onFreeBSD
    ? ['cc', SOURCE]
    : [...(process.env.CXX ?? 'c++').split(' '), ...simulatedKernel()];
  runQuietly('Building the loop of bench/rights', compiler, [...args, ...FLAGS, '-o', output]);
}

const TARGETS = { x64: 'x86_64-freebsd.14.0', arm64: 'aarch64-freebsd.14.0' };

export function crossBuildBenchHelper(arch, zig, output) {
  mkdirSync(dirname(output), { recursive: true });
  const flags = ['-target', TARGETS[arch], ...FLAGS, '-fno-sanitize=all', '-s'];
  runQuietly(`Building the loop of bench/rights for FreeBSD ${arch}`, zig, ['cc', ...flags, SOURCE, '-o', output], {
    env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: tools('zig-cache'), ZIG_LOCAL_CACHE_DIR: tools('zig-cache') },
  });
}
