// Builds bench/helpers/rights.cc, the loop that getRights() and limitRights() are compared with: over the kernel of this
// machine, or off FreeBSD over the simulated one; and for FreeBSD with zig.

import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { tools } from './prebuild-tools.mjs';
import { inProject } from './project.mjs';
import { runQuietly } from './run-command.mjs';

const SOURCE = inProject('bench/helpers/rights.cc');
const FLAGS = ['-std=c++20', '-O2', '-Wall', '-fno-exceptions', '-fno-rtti'];

// What the simulated calls are made of, without what is for Node.
function simulatedKernel() {
  const { simulation } = JSON.parse(readFileSync(inProject('sources.json'), 'utf8'));
  const sources = [...simulation.filter((path) => !path.endsWith('/simulated_kernel.cc')), 'native/executable.cc'];
  return ['-I', inProject('native/simulation/include'), ...sources.map((path) => inProject(path))];
}

export function buildBenchHelper() {
  const output = inProject('build/helpers/rights');
  mkdirSync(dirname(output), { recursive: true });
  const [compiler, ...args] = (process.env.CXX ?? 'c++').split(' ');
  const kernel = process.platform === 'freebsd' ? [] : simulatedKernel();
  runQuietly('Building the loop of bench/rights', compiler, [...args, ...FLAGS, SOURCE, ...kernel, '-o', output]);
}

const TARGETS = { x64: 'x86_64-freebsd.14.0', arm64: 'aarch64-freebsd.14.0' };

export function crossBuildBenchHelper(arch, zig, output) {
  mkdirSync(dirname(output), { recursive: true });
  const flags = ['-target', TARGETS[arch], ...FLAGS, '-fno-sanitize=all', '-s', '-Wno-nullability-completeness'];
  runQuietly(`Building the loop of bench/rights for FreeBSD ${arch}`, zig, ['c++', ...flags, SOURCE, '-o', output], {
    env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: tools('zig-cache'), ZIG_LOCAL_CACHE_DIR: tools('zig-cache') },
  });
}
